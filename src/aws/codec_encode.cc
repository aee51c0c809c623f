#include <fmt/format.h>

#include "aws/codec_parts.h"
#include "base/hash.h"

namespace sp::aws {
namespace {

constexpr std::string_view kEc2Namespace = "http://ec2.amazonaws.com/doc/2016-11-15/";

std::string contentType(Protocol protocol) {
  switch (protocol) {
    case Protocol::json10: return "application/x-amz-json-1.0";
    case Protocol::json11: return "application/x-amz-json-1.1";
    case Protocol::restJson: return "application/json";
    case Protocol::query:
    case Protocol::ec2: return "text/xml;charset=UTF-8";
    case Protocol::restXml: return "application/xml";
  }
  return {};
}

Encoded start(Protocol protocol, int status, std::string_view request_id) {
  Encoded made;
  made.status = status;
  made.headers.reserve(4);
  made.headers.emplace_back("Content-Type", contentType(protocol));
  if (protocol == Protocol::restXml) {
    made.headers.emplace_back("x-amz-request-id", request_id);
    made.headers.emplace_back("x-amz-id-2", toBase64(sha256(request_id)));
  } else {
    made.headers.emplace_back("x-amzn-RequestId", request_id);
  }
  return made;
}

std::string jsonErrorBody(const ApiError& error, bool with_type) {
  json::Object body;
  if (with_type) body["__type"] = error.code;
  body["message"] = error.message;
  for (const auto& entry : error.extra)
    if (!body.contains(entry.key())) body[entry.key()] = entry.value();
  return json::toText(body);
}

std::string queryErrorBody(const ApiError& error, std::string_view request_id) {
  XmlWriter xml;
  xml.open("ErrorResponse").open("Error");
  xml.element("Type", error.sender ? "Sender" : "Receiver").element("Code", error.code).element("Message", error.message);
  xml.close().element("RequestId", request_id);
  return xml.take();
}

std::string ec2ErrorBody(const ApiError& error, std::string_view request_id) {
  XmlWriter xml;
  xml.open("Response").open("Errors").open("Error");
  xml.element("Code", error.code).element("Message", error.message);
  xml.close().close().element("RequestID", request_id);
  return xml.take();
}

std::string s3ErrorBody(const ApiError& error, std::string_view request_id, std::string_view host_id) {
  XmlWriter xml;
  xml.open("Error").element("Code", error.code).element("Message", error.message);
  for (const auto& entry : error.extra)
    appendXmlValue(xml, std::string_view(entry.key().data(), entry.key().size()), entry.value(), "member");
  xml.element("RequestId", request_id).element("HostId", host_id);
  return xml.take();
}

std::string xmlOutput(const ServiceTable& table, const Operation& operation, const json::Object& output, std::string_view request_id) {
  XmlWriter xml;
  const bool is_ec2 = table.protocol == Protocol::ec2;
  xml.open(operation.name + "Response",
           is_ec2 && table.target_or_namespace.empty() ? kEc2Namespace : std::string_view(table.target_or_namespace));
  if (is_ec2) {
    xml.element("requestId", request_id);
  } else {
    // Present even when there is nothing in it: clients look for it by name.
    xml.open(operation.name + "Result");
  }
  for (const auto& entry : output)
    appendXmlValue(xml, std::string_view(entry.key().data(), entry.key().size()), entry.value(), is_ec2 ? "item" : "member");
  if (!is_ec2) xml.close().open("ResponseMetadata").element("RequestId", request_id);
  return xml.take();
}

}  // namespace

void appendXmlValue(XmlWriter& xml, std::string_view name, const json::Value& value, std::string_view item_name) {
  switch (value.kind()) {
    case boost::json::kind::null: return;
    case boost::json::kind::string: xml.element(name, json::toView(value.get_string())); return;
    case boost::json::kind::array:
      xml.open(name);
      for (const auto& item : value.get_array()) appendXmlValue(xml, item_name, item, item_name);
      xml.close();
      return;
    case boost::json::kind::object:
      xml.open(name);
      for (const auto& entry : value.get_object())
        appendXmlValue(xml, std::string_view(entry.key().data(), entry.key().size()), entry.value(), item_name);
      xml.close();
      return;
    default: xml.element(name, json::toText(value)); return;
  }
}

Encoded encodeOutput(const ServiceTable& table, const Operation& operation, const json::Object& output, std::string_view request_id) {
  const int status = table.protocol == Protocol::restJson ? operation.route.status : 200;
  auto made = start(table.protocol, status, request_id);
  if (table.protocol == Protocol::query || table.protocol == Protocol::ec2) {
    made.body = xmlOutput(table, operation, output, request_id);
  } else if (status != 204) {
    made.body = json::toText(output);
  }
  return made;
}

Encoded encodeError(Protocol protocol, const ApiError& error, std::string_view request_id, bool is_head) {
  auto made = start(protocol, error.status, request_id);
  switch (protocol) {
    case Protocol::json10:
    case Protocol::json11:
    case Protocol::restJson:
      made.headers.emplace_back("x-amzn-ErrorType", error.code);
      made.body = jsonErrorBody(error, protocol != Protocol::restJson);
      break;
    case Protocol::query: made.body = queryErrorBody(error, request_id); break;
    case Protocol::ec2: made.body = ec2ErrorBody(error, request_id); break;
    case Protocol::restXml: made.body = s3ErrorBody(error, request_id, made.headers.back().second); break;
  }
  if (is_head) made.body.clear();
  return made;
}

}  // namespace sp::aws

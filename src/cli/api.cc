#include "cli/api.h"

#include <fmt/format.h>

#include "aws/sigv4.h"
#include "base/hash.h"
#include "base/strings.h"
#include "net/http_server.h"

namespace sp::cli {
namespace {

constexpr std::size_t kRefusalMax = 64 * 1024;

struct Address {
  std::string host;
  std::uint16_t port = 80;
  bool tls = false;
};

Address addressOf(std::string_view url) {
  Address address;
  if (url.starts_with("https://")) {
    address.tls = true;
    address.port = 443;
    url.remove_prefix(8);
  } else if (url.starts_with("http://")) {
    url.remove_prefix(7);
  }
  url = url.substr(0, url.find('/'));
  const auto colon = url.rfind(':');
  if (colon != std::string_view::npos && url.find(']', colon) == std::string_view::npos) {
    address.port = static_cast<std::uint16_t>(parseInt(url.substr(colon + 1)).value_or(address.port));
    url = url.substr(0, colon);
  }
  address.host = url;
  return address;
}

std::string_view jsonType(std::string_view service) {
  return service == "states" || service == "dynamodb" ? "application/x-amz-json-1.0" : "application/x-amz-json-1.1";
}

// "#ResourceNotFoundException:http://…" → "ResourceNotFoundException"
std::string plainCode(std::string_view code) {
  if (const auto hash = code.rfind('#'); hash != std::string_view::npos) code.remove_prefix(hash + 1);
  return std::string(code.substr(0, code.find(':')));
}

std::unexpected<Error> refusal(const net::Response& response) {
  std::string code;
  std::string message;
  if (const auto parsed = json::parse(response.body); parsed && parsed->is_object()) {
    code = json::textOr(parsed->get_object(), "__type");
    message = json::textOr(parsed->get_object(), "message", json::textOr(parsed->get_object(), "Message"));
  } else {
    code = xmlText(response.body, "Code");
    message = xmlText(response.body, "Message");
  }
  if (const auto header = net::findHeader(response.headers, "x-amzn-ErrorType"); header && code.empty()) code = *header;
  if (code.empty()) code = fmt::format("HTTP {}", response.status);
  return fail(plainCode(code), message.empty() ? fmt::format("the server answered {}", code) : message);
}

}  // namespace

Api::Api(Target target) : target_(std::move(target)) {
  const auto address = addressOf(target_.api);
  host_ = fmt::format("{}:{}", address.host, address.port);
  std::optional<net::ClientTls> tls;
  if (address.tls) tls = net::ClientTls{};
  http_ = net::makeHttpClient(address.host, address.port, tls);
}

void Api::sign(std::string_view service, net::ClientRequest& request) const {
  request.headers.push_back({"Host", host_});
  const auto hash = sha256Hex(request.body);
  std::vector<aws::HeaderView> headers;
  for (const auto& header : request.headers) headers.push_back({header.name, header.value});
  const aws::RequestView view{request.method, request.target, headers};
  const aws::SigningCredentials credentials{target_.access_key_id, target_.secret_access_key, target_.region, std::string(service)};
  const auto added = aws::signRequest(credentials, view, hash, SystemClock().now());
  for (const auto& [name, value] : added) request.headers.push_back({name, value});
}

Result<void> Api::stream(std::string_view service, std::string_view path, const std::string& last_event,
                         const std::function<Result<void>(std::string_view)>& sink) {
  net::ClientRequest request{"GET", std::string(path), {}, "", {}, 0};
  if (!last_event.empty()) request.headers.push_back({"Last-Event-ID", last_event});
  sign(service, request);
  // Of a refusal the beginning is kept: its text stands there.
  std::string head;
  Result<void> taken;
  auto answer = http_->stream(request, [&](std::string_view bytes) -> Result<void> {
    if (head.size() < kRefusalMax) head += bytes.substr(0, kRefusalMax - head.size());
    if (head.starts_with('{')) return {};
    taken = sink(bytes);
    return taken;
  });
  if (!taken) return taken;
  if (!answer) return std::unexpected(std::move(answer.error()).withContext("stream from " + target_.api));
  answer->body = std::move(head);
  if (answer->status != 200) return refusal(*answer);
  return {};
}

Result<net::Response> Api::send(std::string_view service, net::ClientRequest request, std::string_view content_type) {
  if (!content_type.empty()) request.headers.push_back({"Content-Type", std::string(content_type)});
  sign(service, request);
  auto answer = http_->send(request);
  if (!answer) return std::unexpected(std::move(answer.error()).withContext("call " + target_.api));
  return answer;
}

Result<json::Object> Api::call(std::string_view service, std::string_view target, const json::Object& input) {
  net::ClientRequest request{"POST", "/", {{"X-Amz-Target", std::string(target)}}, json::toText(input), {}, 0};
  SP_TRY(const auto response, send(service, std::move(request), jsonType(service)));
  if (response.status != 200) return refusal(response);
  SP_TRY(const auto parsed, withContext(json::parse(response.body), std::string(target)));
  if (!parsed.is_object()) return fail("cli.answer", std::string(target) + " did not answer a JSON object");
  return parsed.get_object();
}

Result<json::Object> Api::rest(std::string_view service, std::string_view method, std::string_view path, const json::Object& input) {
  net::ClientRequest request{std::string(method), std::string(path), {}, input.empty() ? std::string() : json::toText(input), {}, 0};
  SP_TRY(const auto response, send(service, std::move(request), input.empty() ? "" : "application/json"));
  if (response.status / 100 != 2) return refusal(response);
  if (response.body.empty()) return json::Object{};
  SP_TRY(const auto parsed, withContext(json::parse(response.body), std::string(path)));
  if (!parsed.is_object()) return fail("cli.answer", std::string(path) + " did not answer a JSON object");
  return parsed.get_object();
}

Result<std::string> Api::ec2(std::string_view form) {
  net::ClientRequest request{"POST", "/", {}, std::string(form) + "&Version=2016-11-15", {}, 0};
  SP_TRY(auto response, send("ec2", std::move(request), "application/x-www-form-urlencoded; charset=utf-8"));
  if (response.status != 200) return refusal(response);
  return std::move(response.body);
}

Result<void> Api::putObject(std::string_view bucket, std::string_view key, std::string_view bytes) {
  net::ClientRequest make{"PUT", "/" + std::string(bucket), {}, "", {}, 0};
  SP_TRY(const auto made, send("s3", std::move(make), ""));
  if (made.status / 100 != 2) return refusal(made);
  net::ClientRequest put{"PUT", fmt::format("/{}/{}", bucket, percentEncode(key, true)), {}, std::string(bytes), {}, 0};
  SP_TRY(const auto stored, send("s3", std::move(put), "application/octet-stream"));
  if (stored.status / 100 != 2) return refusal(stored);
  return {};
}

Result<std::string> Api::account() {
  if (!account_.empty()) return account_;
  net::ClientRequest request{"POST", "/", {}, "Action=GetCallerIdentity&Version=2011-06-15", {}, 0};
  SP_TRY(const auto response, send("sts", std::move(request), "application/x-www-form-urlencoded; charset=utf-8"));
  if (response.status != 200) return refusal(response);
  account_ = xmlText(response.body, "Account");
  return account_;
}

Result<std::string> Api::machineArn() {
  SP_TRY(const auto number, account());
  return fmt::format("arn:aws:states:{}:{}:stateMachine:PrePostBackup", target_.region, number);
}

Result<std::string> Api::executionArn(const std::string& given) {
  if (given.starts_with("arn:")) return given;
  SP_TRY(const auto number, account());
  if (!given.empty()) return fmt::format("arn:aws:states:{}:{}:execution:PrePostBackup:{}", target_.region, number, given);
  SP_TRY(const auto machine, machineArn());
  SP_TRY(const auto newest, call("states", "AWSStepFunctions.ListExecutions", {{"stateMachineArn", machine}, {"maxResults", 1}}));
  const auto* list = json::find(newest, "executions");
  if (list == nullptr || !list->is_array() || list->get_array().empty())
    return fail("cli.no_run", "there is no run yet: start one with stillpoint run (see stillpoint run --help)");
  return json::textOr(list->get_array().front().get_object(), "executionArn");
}

}  // namespace sp::cli

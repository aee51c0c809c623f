// Between bytes and operations, for all protocols: which operation a request means, its input as a JSON object, and the
// bytes of its outcome.
#pragma once
#include <expected>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "aws/api_error.h"
#include "aws/operation.h"
#include "aws/request_view.h"

namespace sp::aws {

/// Bytes of an answer, without what HTTP itself needs.
struct Encoded {
  int status = 200;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
};

/// Where a request is headed, known from its head alone (and from the body for unsigned forms).
struct Destination {
  enum class Kind {
    /// `table` serves it.
    table,
    s3,
    /// A service that is not served here: its name is in `service`, `protocol` tells how to say so.
    unserved,
  };
  Kind kind = Kind::s3;
  const ServiceTable* table = nullptr;
  std::string service;
  Protocol protocol = Protocol::restXml;
};

/// A request understood.
struct Decoded {
  const Operation* operation = nullptr;
  json::Object input;
};

/// The tables of all services, made ready for finding. Read-only after construction.
class Router {
 public:
  explicit Router(std::vector<ServiceTable> tables);
  Router(const Router&) = delete;
  Router& operator=(const Router&) = delete;
  ~Router();

  /// By the scope's service first, then X-Amz-Target, then form Action and Version, else S3; never by path alone.
  /// `body` may be empty: then forms are told by their content type only (kind `unserved`, protocol query).
  Destination route(const RequestView& request, std::string_view scope_service, std::string_view body) const;

  /// The operation and its input. Errors: unknown operation, malformed input.
  std::expected<Decoded, ApiError> decode(const ServiceTable& table, const RequestView& request, std::string_view body) const;

  /// The table of X-Amz-Target's prefix, or nullptr.
  const ServiceTable* byTarget(std::string_view target) const;
  const ServiceTable* byName(std::string_view signing_name) const;

  /// codec_rest.cc's own.
  struct RestIndex;

 private:
  std::vector<ServiceTable> tables_;
  std::map<std::string, const ServiceTable*, std::less<>> by_name_;
  std::map<std::string, const ServiceTable*, std::less<>> by_target_;
  std::map<const ServiceTable*, std::map<std::string, const Operation*, std::less<>>> by_operation_;
  std::map<const ServiceTable*, std::unique_ptr<RestIndex>> rest_;
};

/// Success of an operation in its service's protocol.
Encoded encodeOutput(const ServiceTable& table, const Operation& operation, const json::Object& output, std::string_view request_id);
/// A refusal. `is_head`: no body.
Encoded encodeError(Protocol protocol, const ApiError& error, std::string_view request_id, bool is_head = false);

/// What an operation that does not exist gets: UnknownOperationException or InvalidAction.
ApiError unknownOperation(Protocol protocol, std::string_view service, std::string_view operation);

/// Parses "a=1&b.1=2" into a nested object (query and ec2 input); bounds in codec_query.cc. Error: ApiError in query's words.
std::expected<json::Object, ApiError> decodeForm(std::string_view form, bool is_ec2);

}  // namespace sp::aws

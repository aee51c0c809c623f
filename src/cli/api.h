// A signed client of the public APIs; what the verbs speak. Blocking, one thread.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "cli/environment.h"
#include "json/json.h"
#include "net/http_client.h"

namespace sp::cli {

class Api {
 public:
  explicit Api(Target target);

  /// JSON protocols. `target` is X-Amz-Target ("AWSStepFunctions.StartExecution"); the protocol follows the service.
  /// An AWS error becomes Error{code: AWS's code, message}.
  Result<json::Object> call(std::string_view service, std::string_view target, const json::Object& input);
  /// REST-JSON: path and query already encoded.
  Result<json::Object> rest(std::string_view service, std::string_view method, std::string_view path, const json::Object& input);
  /// EC2's query protocol; the XML answer.
  Result<std::string> ec2(std::string_view form);
  /// S3: creates the bucket if needed and stores the bytes.
  Result<void> putObject(std::string_view bucket, std::string_view key, std::string_view bytes);

  /// GET of server-sent events; `last_event` goes along unless it is empty. Until the server ends it or `sink` fails.
  Result<void> stream(std::string_view service, std::string_view path, const std::string& last_event,
                      const std::function<Result<void>(std::string_view)>& sink);

  const Target& target() const { return target_; }
  /// arn:aws:states:REGION:ACCOUNT:stateMachine:PrePostBackup; asks for the account once.
  Result<std::string> machineArn();
  Result<std::string> account();
  /// ARN of an execution given by ARN, by name, or the newest one (empty).
  Result<std::string> executionArn(const std::string& given);

 private:
  void sign(std::string_view service, net::ClientRequest& request) const;
  Result<net::Response> send(std::string_view service, net::ClientRequest request, std::string_view content_type);

  Target target_;
  std::string host_;
  std::unique_ptr<net::HttpClient> http_;
  std::string account_;
};

/// Text of the first <name>…</name> after `from`, entities decoded; empty if there is none. For the few EC2 answers the
/// verbs read, whose form is ours.
std::string xmlText(std::string_view xml, std::string_view name);
/// The inside of every <name>…</name> of the outermost level found.
std::vector<std::string> xmlAll(std::string_view xml, std::string_view name);

}  // namespace sp::cli

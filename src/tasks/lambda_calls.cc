#include "tasks/lambda_calls.h"

#include <fmt/format.h>

#include "base/log.h"
#include "base/strings.h"
#include "json/big_integer.h"

namespace sp::tasks {
namespace {

constexpr std::string_view kKind = "lambda_call";
// Lambda's own limit is 15 minutes; a moment more, so that it is the function's end that is told.
constexpr int kLongestCallMs = 930'000;
constexpr std::size_t kMostUnderWay = 256;
constexpr Duration kAgain = std::chrono::seconds(1);
// Executions take 256 KiB; a function may write each character of two bytes in six (\u00e9), and its answer around it.
constexpr std::size_t kMostAnswer = 800U << 10U;
constexpr std::size_t kScanned = 500;

std::string_view header(const net::Response& response, std::string_view name) {
  for (const auto& one : response.headers)
    if (equalsIgnoreCase(one.name, name)) return one.value;
  return {};
}

TaskError refusal(const net::Response& response, std::string_view request_id) {
  const auto body = json::parse(response.body);
  const auto members = body && body->is_object() ? body->get_object() : json::Object();
  std::string code(header(response, "x-amzn-errortype").substr(0, header(response, "x-amzn-errortype").find(':')));
  if (code.empty()) code = json::textOr(members, "__type");
  if (code.empty()) code = response.status >= 500 ? "ServiceException" : "AWSLambdaException";
  if (!code.ends_with("Exception")) code += "Exception";
  auto message = json::textOr(members, "Message");
  if (message.empty()) message = json::textOr(members, "message");
  return {"Lambda." + code, fmt::format("{} (Service: AWSLambda; Status Code: {}; Error Code: {}; Request ID: {}; Proxy: null)", message,
                                        response.status, code, request_id)};
}

TaskError functionError(const std::string& payload) {
  auto body = json::parseExact(payload);
  const auto type = body && body->is_object() ? json::textOr(body->get_object(), "errorType") : "";
  if (type.empty())
    return {"Lambda.Unknown",
            "The cause could not be determined because Lambda did not return an error type. Returned payload: " + payload};
  return {type, json::toText(*body)};
}

}  // namespace

json::Object LambdaCall::encode() const {
  return {{"function", function}, {"qualifier", qualifier}, {"type", invocation_type}, {"context", client_context},
          {"payload", payload},   {"bare", bare},           {"callback", callback}};
}

LambdaCall LambdaCall::decode(const json::Object& record) {
  return {json::textOr(record, "function"),       json::textOr(record, "qualifier"), json::textOr(record, "type"),
          json::textOr(record, "context"),        json::textOr(record, "payload"),   json::boolOr(record, "bare", false),
          json::boolOr(record, "callback", false)};
}

std::optional<LambdaCall> lambdaCall(std::string_view resource, const json::Value& parameters) {
  LambdaCall call;
  call.invocation_type = "RequestResponse";
  if (resource.starts_with("arn:aws:lambda:")) {
    const auto parts = split(resource, ':');
    call.function = parts.size() > 6 ? parts[6] : "";
    if (parts.size() > 7) call.qualifier = parts[7];
    call.payload = json::toText(parameters);
    call.bare = true;
  } else if (parameters.is_object()) {
    const auto& given = parameters.get_object();
    call.function = json::textOr(given, "FunctionName");
    if (const auto parts = split(call.function, ':'); parts.size() > 6 && parts[0] == "arn") {
      if (parts.size() > 7) call.qualifier = parts[7];
      call.function = parts[6];
    }
    if (const auto qualifier = json::textOr(given, "Qualifier"); !qualifier.empty()) call.qualifier = qualifier;
    call.invocation_type = json::textOr(given, "InvocationType", "RequestResponse");
    call.client_context = json::textOr(given, "ClientContext");
    if (const auto* payload = json::find(given, "Payload")) call.payload = json::toText(*payload);
    call.callback = resource.ends_with(".waitForTaskToken");
  }
  return call.function.empty() ? std::nullopt : std::optional(std::move(call));
}

std::optional<TaskError> badInvocation(const LambdaCall& call, std::string_view request_id) {
  const std::string_view type = call.invocation_type;
  if (type == "Event" || type == "RequestResponse" || type == "DryRun") return std::nullopt;
  return TaskError{
      "Lambda.ValidationException",
      fmt::format("1 validation error detected: Value '{}' at 'invocationType' failed to satisfy constraint: Member must satisfy "
                  "enum value set: [Event, RequestResponse, DryRun] (Service: AWSLambda; Status Code: 400; Error Code: "
                  "ValidationException; Request ID: {}; Proxy: null)",
                  cutText(type, 256), request_id)};
}

LambdaOutcome lambdaOutcome(const LambdaCall& call, const net::Response& response, std::string_view request_id) {
  const auto answered = header(response, "x-amzn-RequestId");
  const auto id = answered.empty() ? request_id : answered;
  if (response.status < 200 || response.status > 299) return {refusal(response, id), ""};
  if (!header(response, "X-Amz-Function-Error").empty()) return {functionError(response.body), ""};
  if (call.bare) return {std::nullopt, response.body.empty() ? "null" : response.body};
  auto payload = json::parseExact(response.body);
  json::Object all;
  json::Object flat;
  for (const auto& one : response.headers) {
    all[one.name] = json::Array{one.value};
    flat[one.name] = one.value;
  }
  const auto version = header(response, "X-Amz-Executed-Version");
  json::Object out{{"ExecutedVersion", version.empty() ? "$LATEST" : version}};
  out["Payload"] = payload ? std::move(*payload) : json::Value(response.body);
  out["SdkHttpMetadata"] =
      json::Object{{"AllHttpHeaders", std::move(all)}, {"HttpHeaders", std::move(flat)}, {"HttpStatusCode", response.status}};
  out["SdkResponseMetadata"] = json::Object{{"RequestId", id}};
  out["StatusCode"] = response.status;
  return {std::nullopt, json::toText(out)};
}

LambdaCalls::LambdaCalls(services::Context& context, net::WebClient& web, std::string endpoint)
    : context_(context), web_(web), endpoint_(std::move(endpoint)) {
  while (endpoint_.ends_with('/')) endpoint_.pop_back();
}

void LambdaCalls::push(std::shared_ptr<const Work> work) {
  queue_.push_back(std::move(work));
  next();
}

void LambdaCalls::next() {
  while (!queue_.empty() && under_way_ < kMostUnderWay) {
    auto work = std::move(queue_.front());
    queue_.pop_front();
    ++under_way_;
    const auto lost = [](const std::string& why) {
      return LambdaOutcome{TaskError{"Lambda.SdkClientException", "Unable to execute HTTP request: " + why}, ""};
    };
    const auto& [token, call] = *work;
    if (endpoint_.empty()) {
      settle(work, std::make_shared<const LambdaOutcome>(
                       lost("no Lambda endpoint is configured; name one as endpoint of [lambda] in the server's configuration")));
      continue;
    }
    net::WebRequest request;
    request.method = "POST";
    request.url = fmt::format("{}/2015-03-31/functions/{}/invocations", endpoint_, percentEncode(call.function));
    if (!call.qualifier.empty()) request.url += "?Qualifier=" + percentEncode(call.qualifier);
    request.headers = {
        {"Content-Type", "application/json"}, {"X-Amz-Invocation-Type", call.invocation_type}, {"amz-sdk-invocation-id", token}};
    if (!call.client_context.empty()) request.headers.push_back({"X-Amz-Client-Context", call.client_context});
    request.body = call.payload;
    request.has_body = true;
    request.timeout_ms = kLongestCallMs;
    request.body_limit = kMostAnswer;
    request.whole = true;
    request.direct = true;
    web_.send(std::move(request), [this, work, lost](const Result<net::Response>& response) {
      LambdaOutcome outcome;
      if (response) outcome = lambdaOutcome(work->call, *response, work->token);
      else if (response.error().code == "net.too_large") outcome.too_large = true;
      else outcome = lost(response.error().text());
      settle(work, std::make_shared<const LambdaOutcome>(std::move(outcome)));
    });
  }
}

// By any thread.
void LambdaCalls::settle(std::shared_ptr<const Work> work, std::shared_ptr<const LambdaOutcome> outcome) {
  context_.core.post(
      [this, work, outcome](store::Txn& txn) {
        const auto& [token, call] = *work;
        // A call that was cancelled has no record any more.
        if (!txn.records().erase(kKind, token)) return true;
        if (outcome->error) {
          executions_->taskFailed(txn, token, outcome->error->error, outcome->error->cause);
          return true;
        }
        if (outcome->too_large) {
          // The engine refuses whatever is so long, in AWS's words.
          if (!call.callback) executions_->taskSucceeded(txn, token, engine::Payload::fromText('"' + std::string(kMostAnswer, ' ') + '"'));
          else executions_->taskFailed(txn, token, "States.DataLimitExceeded", "The function's answer is larger than an execution takes.");
          return true;
        }
        auto value = json::parseExact(outcome->result);
        if (!value) executions_->taskFailed(txn, token, "Lambda.Unknown", "The function's answer is no JSON: " + value.error().message);
        else if (call.callback) executions_->taskSubmitted(txn, token, std::move(*value));
        else executions_->taskSucceeded(txn, token, engine::Payload::fromText(outcome->result));
        return true;
      },
      [this, work, outcome](const Error* error) {
        // A full disk: the outcome is not lost, it is told again when there may be room.
        if (error != nullptr && error->code != "core.stopped") {
          context_.core.waiters().add("lambda", context_.core.clock().now() + kAgain, [this, work, outcome] { settle(work, outcome); });
          return;
        }
        --under_way_;
        if (error == nullptr) next();
      });
}

void LambdaCalls::begin(store::Txn& txn, const std::string& token, const LambdaCall& call) {
  txn.records().put(kKind, token, json::toText(call.encode()));
  txn.afterCommit([this, work = std::make_shared<const Work>(token, call)] { push(work); });
}

void LambdaCalls::cancel(store::Txn& txn, std::string_view token) { txn.records().erase(kKind, token); }

void LambdaCalls::recover(store::Txn& txn) {
  std::string after;
  while (true) {
    const auto records = txn.records().scan(kKind, "", after, kScanned);
    for (const auto& record : records) {
      const auto parsed = json::parse(record.body);
      if (!parsed || !parsed->is_object()) continue;
      txn.afterCommit([this, work = std::make_shared<const Work>(record.key, LambdaCall::decode(parsed->get_object()))] { push(work); });
    }
    if (records.size() < kScanned) return;
    after = records.back().key;
  }
}

Result<void> LambdaCalls::checkEndpoint(std::string_view endpoint) {
  if (endpoint.empty()) return {};
  const auto bad =
      fail("config.type", fmt::format("lambda.endpoint '{}' must be http://HOST:PORT or https://HOST:PORT without a path", endpoint));
  if (!endpoint.starts_with("http://") && !endpoint.starts_with("https://")) return bad;
  auto rest = endpoint.substr(endpoint.find("//") + 2);
  while (rest.ends_with('/')) rest.remove_suffix(1);
  const auto colon = rest.rfind(':');
  const auto port = colon == std::string_view::npos ? std::optional<std::int64_t>(80) : parseInt(rest.substr(colon + 1));
  if (rest.empty() || colon == 0 || rest.find('/') != std::string_view::npos || !port || *port < 1 || *port > 65535) return bad;
  return {};
}

}  // namespace sp::tasks

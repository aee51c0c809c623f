#include "tasks/lambda_calls.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include <fmt/format.h>

#include "base/log.h"
#include "base/strings.h"
#include "json/big_integer.h"
#include "net/http_client.h"

namespace sp::tasks {
namespace {

constexpr std::string_view kKind = "lambda_call";
constexpr std::string_view kScheme = "http://";
// Lambda's own limit is 15 minutes; a moment more, so that it is the function's end that is told.
constexpr int kLongestCall = 930;
constexpr std::size_t kMostThreads = 64;
constexpr std::size_t kMostAnswer = 6U << 20U;
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

/// Shared with the threads: they outlive the calls' owner when a function takes its time.
struct LambdaCalls::Hub {
  struct Work {
    std::string token;
    LambdaCall call;
  };

  std::string host;
  std::uint16_t port = 80;
  services::Context* context = nullptr;
  runtime::ExecutionRuntime* executions = nullptr;

  std::mutex mutex;
  std::condition_variable wake;
  std::deque<Work> queue;
  std::size_t threads = 0;
  std::size_t idle = 0;
  bool stopped = false;

  static void push(const std::shared_ptr<Hub>& hub, Work work);
  static void loop(const std::shared_ptr<Hub>& hub);
  LambdaOutcome run(const Work& work);
  void settle(Work work, LambdaOutcome outcome);
};

void LambdaCalls::Hub::push(const std::shared_ptr<Hub>& hub, Work work) {
  const std::lock_guard lock(hub->mutex);
  if (hub->stopped) return;
  hub->queue.push_back(std::move(work));
  if (hub->idle >= hub->queue.size() || hub->threads >= kMostThreads) {
    hub->wake.notify_one();
    return;
  }
  ++hub->threads;
  // A call may take a quarter of an hour: nobody waits for its thread when the server stops.
  std::thread([hub] { loop(hub); }).detach();
}

void LambdaCalls::Hub::loop(const std::shared_ptr<Hub>& hub) {
  while (true) {
    Work work;
    {
      std::unique_lock lock(hub->mutex);
      ++hub->idle;
      const bool more = hub->wake.wait_for(lock, std::chrono::seconds(10), [&] { return hub->stopped || !hub->queue.empty(); });
      --hub->idle;
      if (!more || hub->stopped) {
        --hub->threads;
        return;
      }
      work = std::move(hub->queue.front());
      hub->queue.pop_front();
    }
    auto outcome = hub->run(work);
    hub->settle(std::move(work), std::move(outcome));
  }
}

LambdaOutcome LambdaCalls::Hub::run(const Work& work) {
  const auto lost = [](const std::string& why) {
    return LambdaOutcome{TaskError{"Lambda.SdkClientException", "Unable to execute HTTP request: " + why}, ""};
  };
  if (host.empty()) return lost("no Lambda endpoint is configured; name one as endpoint of [lambda] in the server's configuration");
  net::ClientRequest request;
  request.method = "POST";
  request.target = fmt::format("/2015-03-31/functions/{}/invocations", percentEncode(work.call.function));
  if (!work.call.qualifier.empty()) request.target += "?Qualifier=" + percentEncode(work.call.qualifier);
  request.headers = {
      {"Content-Type", "application/json"}, {"X-Amz-Invocation-Type", work.call.invocation_type}, {"amz-sdk-invocation-id", work.token}};
  if (!work.call.client_context.empty()) request.headers.push_back({"X-Amz-Client-Context", work.call.client_context});
  request.body = work.call.payload;
  const auto response = net::makeHttpClient(host, port, std::nullopt, kLongestCall)->send(request, kMostAnswer);
  if (!response) return lost(response.error().text());
  return lambdaOutcome(work.call, *response, work.token);
}

void LambdaCalls::Hub::settle(Work work, LambdaOutcome outcome) {
  const std::lock_guard lock(mutex);
  if (stopped) return;
  context->core.post([this, work = std::move(work), outcome = std::move(outcome)](store::Txn& txn) {
    // A call that was cancelled has no record any more.
    if (!txn.records().erase(kKind, work.token)) return true;
    if (outcome.error) {
      executions->taskFailed(txn, work.token, outcome.error->error, outcome.error->cause);
      return true;
    }
    auto value = json::parseExact(outcome.result);
    if (!value) executions->taskFailed(txn, work.token, "Lambda.Unknown", "The function's answer is no JSON: " + value.error().message);
    else if (work.call.callback) executions->taskSubmitted(txn, work.token, std::move(*value));
    else executions->taskSucceeded(txn, work.token, engine::Payload::fromText(outcome.result));
    return true;
  });
}

LambdaCalls::LambdaCalls(services::Context& context, std::string endpoint) : hub_(std::make_shared<Hub>()) {
  hub_->context = &context;
  if (endpoint.starts_with(kScheme)) endpoint.erase(0, kScheme.size());
  while (endpoint.ends_with('/')) endpoint.pop_back();
  const auto colon = endpoint.rfind(':');
  hub_->host = endpoint.substr(0, colon);
  if (colon != std::string::npos) hub_->port = static_cast<std::uint16_t>(parseInt(endpoint.substr(colon + 1)).value_or(80));
}

LambdaCalls::~LambdaCalls() { stop(); }

void LambdaCalls::attach(runtime::ExecutionRuntime& executions) { hub_->executions = &executions; }

void LambdaCalls::begin(store::Txn& txn, const std::string& token, const LambdaCall& call) {
  txn.records().put(kKind, token, json::toText(call.encode()));
  txn.afterCommit([hub = hub_, token, call] { Hub::push(hub, {token, call}); });
}

void LambdaCalls::cancel(store::Txn& txn, std::string_view token) { txn.records().erase(kKind, token); }

void LambdaCalls::recover(store::Txn& txn) {
  std::string after;
  while (true) {
    const auto records = txn.records().scan(kKind, "", after, kScanned);
    for (const auto& record : records) {
      const auto parsed = json::parse(record.body);
      if (!parsed || !parsed->is_object()) continue;
      txn.afterCommit([hub = hub_, token = record.key, call = LambdaCall::decode(parsed->get_object())] { Hub::push(hub, {token, call}); });
    }
    if (records.size() < kScanned) return;
    after = records.back().key;
  }
}

void LambdaCalls::stop() {
  const std::lock_guard lock(hub_->mutex);
  hub_->stopped = true;
  hub_->queue.clear();
  hub_->wake.notify_all();
}

Result<void> LambdaCalls::checkEndpoint(std::string_view endpoint) {
  if (endpoint.empty()) return {};
  const auto bad = fail("config.type", fmt::format("lambda.endpoint '{}' must be http://HOST:PORT without a path", endpoint));
  if (!endpoint.starts_with(kScheme)) return bad;
  auto rest = endpoint.substr(kScheme.size());
  while (rest.ends_with('/')) rest.remove_suffix(1);
  const auto colon = rest.rfind(':');
  const auto port = colon == std::string_view::npos ? std::optional<std::int64_t>(80) : parseInt(rest.substr(colon + 1));
  if (rest.empty() || colon == 0 || rest.find('/') != std::string_view::npos || !port || *port < 1 || *port > 65535) return bad;
  return {};
}

}  // namespace sp::tasks

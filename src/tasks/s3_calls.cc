#include "tasks/s3_calls.h"

#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <thread>

#include <fmt/format.h>

#include "base/failpoint.h"
#include "tasks/parameters.h"
#include "tasks/s3_naming.h"

namespace sp::tasks {
namespace {

namespace s3 = services::s3;

constexpr std::string_view kKind = "s3_call";
constexpr std::size_t kScanned = 500;
constexpr std::size_t kPiece = 256U << 10U;
// More than a task's result may have: what is read beyond would be thrown away.
constexpr std::size_t kMostRead = 300'000;

struct Work {
  std::string token;
  std::string operation;
  json::Object parameters;
  bool callback = false;
  std::string state;
  std::int64_t entered = 0;

  std::string unusable(std::string_view why) const { return unusableCause(state, entered, json::Value(parameters), why); }
  json::Object encode() const {
    return {{"operation", operation}, {"parameters", parameters}, {"callback", callback}, {"state", state}, {"entered", entered}};
  }
  static std::optional<Work> decode(const store::Record& record) {
    const auto parsed = json::parse(record.body);
    if (!parsed || !parsed->is_object()) return std::nullopt;
    const auto* parameters = json::find(parsed->get_object(), "parameters");
    return Work{record.key,
                json::textOr(parsed->get_object(), "operation"),
                parameters != nullptr && parameters->is_object() ? parameters->get_object() : json::Object(),
                json::boolOr(parsed->get_object(), "callback", false),
                json::textOr(parsed->get_object(), "state"),
                json::intOr(parsed->get_object(), "entered", 0)};
  }
};

}  // namespace

/// One thread that feeds requests in and reads answers out; what takes long in between (fsync, commits) is S3's.
class S3Calls::Worker {
 public:
  Worker(services::Context& context, s3::S3& s3) : context_(context), s3_(s3), thread_([this] { loop(); }) {}
  ~Worker() { stop(); }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  void attach(runtime::ExecutionRuntime& executions) { executions_ = &executions; }
  void push(Work work) {
    const std::lock_guard lock(mutex_);
    if (stopping_) return;
    queue_.push_back(std::move(work));
    wake_.notify_one();
  }
  void stop() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
      queue_.clear();
      wake_.notify_one();
    }
    if (thread_.joinable()) thread_.join();
  }
  void settle(store::Txn& txn, const Work& work, const s3::Response& response, std::string_view body) {
    if (response.status >= 300) {
      auto [error, cause] = s3Error(work.operation, response);
      executions_->taskFailed(txn, work.token, std::move(error), std::move(cause));
      return;
    }
    auto result = json::Value(s3Result(work.operation, response, body));
    if (work.callback) executions_->taskSubmitted(txn, work.token, std::move(result));
    else executions_->taskSucceeded(txn, work.token, std::move(result));
  }
  s3::S3& s3() { return s3_; }
  runtime::ExecutionRuntime& executions() { return *executions_; }

 private:
  struct Answer {
    std::uint64_t run = 0;
    Work work;
    s3::Response response;
  };

  void loop() {
    while (true) {
      std::deque<Work> begun;
      std::deque<Answer> answers;
      {
        std::unique_lock lock(mutex_);
        wake_.wait(lock, [this] { return !queue_.empty() || !answers_.empty() || (stopping_ && runs_.empty()); });
        if (queue_.empty() && answers_.empty()) return;
        begun.swap(queue_);
        answers.swap(answers_);
      }
      for (auto& answer : answers) end(std::move(answer));
      for (auto& work : begun) begin(std::move(work));
    }
  }

  void begin(Work work) {
    auto call = s3Request(work.operation, work.parameters);
    if (!call) {
      return finish([work, why = work.unusable(call.error())](Worker& self, store::Txn& txn) {
        if (txn.records().erase(kKind, work.token)) self.executions_->taskFailed(txn, work.token, "States.Runtime", why);
      });
    }
    // A write and its outcome are one commit: done again after a crash it could meet what it wrote itself (IfNoneMatch).
    if (call->request.method != "GET")
      call->request.within = [this, work](store::Txn& txn, const s3::Response& response) {
        if (txn.records().erase(kKind, work.token)) settle(txn, work, response, response.body);
      };
    const auto id = ++last_run_;
    auto started = s3_.begin(std::move(call->request));
    auto& run = *started;
    {
      // It lives until its answer has been taken.
      const std::lock_guard lock(mutex_);
      runs_.emplace(id, std::move(started));
    }
    auto early = run.answerEarly();
    for (std::size_t at = 0; !early && at < call->body.size(); at += kPiece)
      early = run.body(std::string_view(call->body).substr(at, kPiece));
    if (early) return told({id, std::move(work), std::move(*early)});
    run.finish({}, [this, id, work = std::move(work)](s3::Response response) {
      failpoint::hit("s3.task_answered");
      told({id, work, std::move(response)});
    });
  }

  void told(Answer answer) {
    const std::lock_guard lock(mutex_);
    answers_.push_back(std::move(answer));
    wake_.notify_one();
  }

  void end(Answer answer) {
    std::unique_ptr<s3::Run> run;
    {
      const std::lock_guard lock(mutex_);
      run = std::move(runs_.at(answer.run));
      runs_.erase(answer.run);
    }
    std::string body = std::move(answer.response.body);
    bool lost = false;
    while (answer.response.source && body.size() < kMostRead) {
      auto piece = answer.response.source->read(kPiece);
      lost = !piece;
      if (lost || piece->empty()) break;
      body += *piece;
    }
    answer.response.source = nullptr;
    // An error's body is read where the error is made.
    if (answer.response.status >= 300) answer.response.body = body;
    if (lost) answer.response.status = 500;
    finish([work = std::move(answer.work), response = std::move(answer.response), body = std::move(body)](Worker& self, store::Txn& txn) {
      // A call that was cancelled has no record any more, nor one that is settled.
      if (txn.records().erase(kKind, work.token)) self.settle(txn, work, response, body);
    });
  }

  void finish(std::function<void(Worker&, store::Txn&)> job) {
    context_.core.post([this, job = std::move(job)](store::Txn& txn) {
      job(*this, txn);
      return true;
    });
  }

  services::Context& context_;
  s3::S3& s3_;
  runtime::ExecutionRuntime* executions_ = nullptr;

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Work> queue_;
  std::deque<Answer> answers_;
  std::map<std::uint64_t, std::unique_ptr<s3::Run>> runs_;
  /// Of the thread alone.
  std::uint64_t last_run_ = 0;
  bool stopping_ = false;
  std::thread thread_;
};

S3Calls::S3Calls(services::Context& context, s3::S3& s3) : worker_(std::make_unique<Worker>(context, s3)) {}
S3Calls::~S3Calls() = default;

void S3Calls::attach(runtime::ExecutionRuntime& executions) { worker_->attach(executions); }

void S3Calls::begin(store::Txn& txn, const runtime::TaskRequest& request, const std::string& operation, bool callback) {
  const Work work{request.token, operation, request.parameters.get_object(), callback, request.state_name, request.entered};
  auto call = s3Request(operation, work.parameters);
  if (!call) return worker_->executions().taskFailed(txn, request.token, "States.Runtime", work.unusable(call.error()));
  if (!s3Streams(operation)) {
    const auto response = worker_->s3().answer(txn, std::move(call->request), std::move(call->body));
    return worker_->settle(txn, work, response, response.body);
  }
  txn.records().put(kKind, request.token, json::toText(work.encode()));
  txn.afterCommit([this, work] { worker_->push(work); });
}

void S3Calls::cancel(store::Txn& txn, std::string_view token) { txn.records().erase(kKind, token); }

void S3Calls::recover(store::Txn& txn) {
  std::string after;
  while (true) {
    const auto records = txn.records().scan(kKind, "", after, kScanned);
    for (const auto& record : records)
      if (auto work = Work::decode(record)) txn.afterCommit([this, work = std::move(*work)] { worker_->push(work); });
    if (records.size() < kScanned) return;
    after = records.back().key;
  }
}

void S3Calls::stop() { worker_->stop(); }

}  // namespace sp::tasks

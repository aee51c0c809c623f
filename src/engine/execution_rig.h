// An execution that tests step by hand.
#pragma once
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "engine/history.h"
#include "engine/step.h"

namespace sp::engine {

inline constexpr Instant kStart{Duration(1'700'000'000'123'000)};

/// One execution, stepped by hand. After every step: decode(encode(s)) == s, and the same event gives the same bytes.
class Execution {
 public:
  explicit Execution(std::string_view definition, std::string input = "{}", Limits limits = {}) : limits_(limits) {
    start(definition, std::move(input));
  }
  Execution() = default;
  void start(std::string_view definition, std::string input = "{}") {
    auto made = asl::compile(definition);
    if (!made) ADD_FAILURE() << asl::describe(made.error());
    else definition_ = *made;
    Identity identity;
    identity.arn = "arn:aws:states:us-east-1:000000000000:execution:m:e";
    identity.name = "e";
    identity.machine_arn = "arn:aws:states:us-east-1:000000000000:stateMachine:m";
    identity.machine_name = "m";
    identity.role_arn = "role";
    identity.started = kStart;
    state_ = initialState(std::move(identity), Payload::fromText(std::move(input)));
    take(Start{});
  }

  /// Documents as the history so far holds them.
  HeldDocument held() const {
    return [this](std::int64_t event) -> std::optional<std::string> {
      if (event > static_cast<std::int64_t>(history_.size())) return std::nullopt;
      return documentOf(history_[static_cast<std::size_t>(event - 1)].get_object());
    };
  }

  bool take(const Event& event) {
    const auto before = encode(state_);
    const Inputs inputs{now_, ++seed_, activity_exists_};
    auto again = *decode(before, held());
    EXPECT_EQ(again, state_);
    auto result = step(*definition_, state_, event, inputs, limits_);
    const auto replay = step(*definition_, std::move(again), event, inputs, limits_);
    EXPECT_EQ(encode(replay.state), encode(result.state));
    EXPECT_EQ(replay.history, result.history);
    EXPECT_EQ(replay.effects.size(), result.effects.size());
    state_ = std::move(result.state);
    if (result.stale) {
      EXPECT_EQ(encode(state_), before);
      return false;
    }
    for (auto& event_text : result.history) history_.push_back(*json::parse(event_text));
    for (auto& effect : result.effects) {
      if (const auto* task = std::get_if<StartTask>(&effect)) tasks_[task->token] = *task;
      if (const auto* cancel = std::get_if<CancelTask>(&effect)) EXPECT_EQ(tasks_.erase(cancel->token), 1U);
      if (const auto* timer = std::get_if<SetTimer>(&effect)) timers_[timer->timer] = timer->due;
      if (const auto* timer = std::get_if<DropTimer>(&effect)) EXPECT_EQ(timers_.erase(timer->timer), 1U);
      if (const auto* end = std::get_if<Finish>(&effect)) end_ = *end;
    }
    return true;
  }
  /// Fires the earliest timer; its time comes.
  void fire() {
    ASSERT_FALSE(timers_.empty());
    const auto next = std::ranges::min_element(timers_, {}, [](const auto& t) { return std::pair(t.second, t.first); });
    const auto number = next->first;
    now_ = std::max(now_, next->second);
    timers_.erase(next);
    take(TimerFired{number});
  }
  /// Goes on from where it failed.
  void redrive(const Redrive& how = {}) {
    ASSERT_TRUE(end_ && end_->resume != nullptr);
    state_ = *end_->resume;
    end_.reset();
    EXPECT_TRUE(take(how));
  }
  std::int64_t task() const { return tasks_.empty() ? 0 : tasks_.begin()->first; }
  void succeed(std::int64_t token, std::string output) {
    tasks_.erase(token);
    take(TaskSucceeded{token, Payload::fromText(std::move(output))});
  }
  void fail(std::int64_t token, std::string error, std::string cause = "") {
    tasks_.erase(token);
    take(TaskFailed{token, std::move(error), std::move(cause)});
  }

  /// "1<0 ExecutionStarted, 2<0 PassStateEntered …": ids, what they follow, types.
  std::string types() const {
    std::string out;
    for (const auto& one : history_) {
      const auto& e = one.get_object();
      out += fmt::format("{}{}<{} {}", out.empty() ? "" : ", ", json::intOr(e, "id", -1), json::intOr(e, "previousEventId", -1),
                         json::textOr(e, "type"));
    }
    return out;
  }
  const json::Object& event(std::size_t id) const { return history_.at(id - 1).get_object(); }
  std::string result() const {
    if (!end_) return "RUNNING";
    return end_->status == "SUCCEEDED" ? end_->output.text() : end_->status + " " + end_->error + ": " + end_->cause;
  }

  std::shared_ptr<const asl::Definition> definition_;
  std::function<bool(std::string_view)> activity_exists_;
  Limits limits_;
  State state_;
  Instant now_ = kStart;
  std::uint64_t seed_ = 0;
  std::vector<json::Value> history_;
  std::map<std::int64_t, StartTask> tasks_;
  std::map<std::int64_t, Instant> timers_;
  std::optional<Finish> end_;
};

inline std::string machine(std::string_view states, std::string_view start = "A") {
  return fmt::format(R"({{"StartAt":"{}","States":{{{}}}}})", start, states);
}
/// How it ends: "RUNNING", its output, or "STATUS error: cause".
inline std::string run(std::string_view states, std::string input = "{}") { return Execution(machine(states), std::move(input)).result(); }

}  // namespace sp::engine

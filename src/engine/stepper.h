// One step at work. Used by step() alone.
#pragma once
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "asl/definition.h"
#include "asl/scope.h"
#include "engine/history.h"
#include "engine/step.h"

namespace sp::engine {

class FrameContext;

/// Why a state did not succeed.
struct Failure {
  std::string error;
  std::string cause;
  /// The engine found it while evaluating the state, rather than a task or Fail telling it: when it ends the execution,
  /// ExecutionFailed follows no event.
  bool evaluation = false;
  /// By what other name it is caught: a heartbeat that did not come is told as States.Timeout and caught as
  /// States.HeartbeatTimeout too. Empty: none.
  std::string_view also = {};
};

/// What a Task's Resource means for history: kind of events, resourceType and resource.
struct ResourceName {
  enum class Kind { task, lambda, activity };
  Kind kind = Kind::task;
  std::string_view type;
  std::string_view name;
};
ResourceName resourceName(std::string_view arn);

class Stepper {
 public:
  Stepper(const asl::Definition& definition, State state, const Inputs& inputs, const Limits& limits);
  Transition run(const Event& event);
  /// Uses no definition.
  Transition giveUp(std::string cause);

 private:
  friend class FrameContext;
  using Def = asl::StateDef;

  // stepper.cc: events, the way through states.
  bool accept(const Event& event);
  bool on(const Start& event);
  bool on(const TaskStarted& event);
  bool on(const TaskSubmitted& event);
  bool on(const TaskSucceeded& event);
  bool on(const TaskFailed& event);
  bool on(const TaskHeartbeat& event);
  bool on(const TimerFired& event);
  bool on(const Abort& event);
  bool on(const Overdue& event);
  bool on(const Redrive& event);
  void wake();
  void work();
  void yieldRest();
  void enter(Frame& frame, int state, Payload input);
  void succeed(Frame& frame, Payload result);
  void leave(Frame& frame, Payload output, int next);
  void endScope(Frame& frame, Payload output);
  void finish(Finish finish, std::string_view type, std::string_view details, std::int64_t previous);
  std::int64_t event(Frame& frame, std::string_view type, std::string_view details_name = {}, const Details& details = {});

  // stepper_states.cc: what each type does when it is entered.
  void execute(Frame& frame);
  asl::Eval<void> executePass(Frame& frame);
  asl::Eval<void> executeTask(Frame& frame);
  asl::Eval<std::string> roleOf(Frame& frame, const Payload& input);
  void scheduled(Frame& frame, const ResourceName& resource, const Payload& parameters, std::optional<std::int64_t> timeout,
                 std::optional<std::int64_t> heartbeat, std::string_view role);
  asl::Eval<void> startTaskTimers(Frame& frame, const Payload& input);
  asl::Eval<void> executeChoice(Frame& frame);
  asl::Eval<void> executeWait(Frame& frame);
  asl::Eval<void> executeFail(Frame& frame);
  asl::Eval<void> executeParallel(Frame& frame);
  asl::Eval<void> executeMap(Frame& frame);
  void launch(Frame& map);
  bool launchBorne(Frame& map);
  asl::Eval<Payload> itemInput(Frame& map, std::int64_t index);
  void completeChildren(Frame& frame);
  asl::Eval<Payload> select(Frame& frame, const asl::Selection& selection, const Payload& from, std::string_view field);
  asl::Eval<Payload> fill(Frame& frame, const std::optional<asl::Template>& pattern, const Payload& input);
  /// The error of a document that is nested too deep.
  static asl::Eval<Payload> shallow(Payload made, std::string_view field);
  asl::Eval<Payload> merge(const asl::ResultTarget& target, const Payload& input, const Payload& result);
  asl::Eval<std::int64_t> numberAt(Frame& frame, const asl::NumberField& field, const Payload& input, std::string_view name);
  asl::Eval<std::int64_t> secondsAt(Frame& frame, const asl::NumberField& field, const Payload& input, std::string_view name);
  asl::Eval<double> decimalAt(Frame& frame, const asl::DecimalField& field, const Payload& input, std::string_view name);
  asl::Eval<json::Value> readNumber(Frame& frame, const asl::Path& path, const Payload& input);
  asl::Eval<Instant> waitEnd(Frame& frame, const Payload& input);
  asl::Eval<std::string> textOf(Frame& frame, const asl::TextField& field, const Payload& input, std::string_view name);

  // stepper_failure.cc: retry, catch, failing and aborting scopes.
  void fail(Frame& frame, Failure failure);
  void failEvaluation(Frame& frame, const asl::EvalError& error);
  Failure evaluationFailure(const Frame& frame, const asl::EvalError& error) const;
  bool retry(Frame& frame, const Failure& failure);
  bool handOver(Frame& frame, const Failure& failure);
  void failScope(Frame& frame, Failure failure);
  bool bear(Frame& parent, Frame& child, const Failure& failure);
  void setAside(std::int64_t child);
  bool standsStill(const Frame& frame) const;
  /// It is that frame or below it.
  static bool isWithin(const std::map<std::int64_t, Frame>& frames, const Frame& frame, std::int64_t ancestor);
  /// It waits for nothing, or may begin another iteration.
  static bool canGoOn(const Frame& frame) { return frame.phase == Phase::ready || (frame.phase == Phase::children && frame.launching()); }
  void abortChildren(Frame& parent, std::int64_t except);
  void abortFrame(Frame& frame);
  void release(Frame& frame);
  void remove(std::int64_t id);
  /// All frames below those.
  void removeBelow(std::set<std::int64_t> gone);
  std::shared_ptr<State> resumeState() const;
  void timedOut(Frame& frame, bool heartbeat);

  /// What the expressions of a frame's state are evaluated against.
  asl::Scope scope(const json::Value& input, FrameContext& context);
  /// A state's own share begins.
  void beginWork();
  const Def& def(const Frame& frame) const { return definition_.states[static_cast<std::size_t>(frame.state)]; }
  Frame* topFrame();
  Frame* frameWaitingFor(std::int64_t number);
  Frame* find(std::int64_t id);
  std::int64_t setTimer(Instant due, bool relative = true);
  void dropTimer(std::int64_t& timer);
  /// Too many bytes or nested too deep.
  std::optional<Failure> limitBroken(const Frame& frame, const Payload& payload) const;
  /// The same; the state has failed then.
  bool overLimit(Frame& frame, const Payload& payload);

  const asl::Definition& definition_;
  const Inputs& inputs_;
  const Limits& limits_;
  asl::Dice dice_;
  /// Of the state at work, and of those before it in this step.
  asl::Work work_;
  std::int64_t worked_ = 0;
  State state_;
  HistoryLog log_;
  std::vector<Effect> effects_;
  /// Frames that can go on, the next one last.
  std::vector<std::int64_t> ready_;
  /// While a failure climbs: all frames as they stood when it began.
  std::optional<std::map<std::int64_t, Frame>> fallen_;
  /// What Finish gave away, until the step's last event is known.
  std::shared_ptr<State> resume_;
  /// The history is full: everything stops, the execution fails.
  bool full_ = false;
};

/// "$$" as seen from a frame; made on demand, once.
class FrameContext final : public asl::ContextSource {
 public:
  FrameContext(const Stepper& stepper, const Frame& frame) : stepper_(stepper), frame_(frame) {}
  /// While an item's input is made: that item.
  void mapItem(std::int64_t index, const json::Value& item) {
    index_ = index;
    item_ = &item;
  }
  void token(std::int64_t number) { token_ = number; }
  const json::Value& context(bool with_input) override;

 private:
  const Stepper& stepper_;
  const Frame& frame_;
  std::int64_t index_ = -1;
  const json::Value* item_ = nullptr;
  std::int64_t token_ = 0;
  bool made_ = false;
  bool with_input_ = false;
  json::Value value_;
};

}  // namespace sp::engine

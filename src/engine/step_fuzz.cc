// libFuzzer target: any definition under any events. The input is "INPUT \n DEFINITION \n SCRIPT"; each byte of the script
// is an event: it answers a task, fires a timer, aborts, names what is not there, or redrives what failed. After every step the
// state is read back from its text, the same event gives the same bytes, history is numbered without gaps, what runs below a
// Parallel or Map is what it counts, and an ended execution takes nothing but its redrive.
#include <cstdint>
#include <map>
#include <set>

#include "base/assert.h"
#include "engine/history.h"
#include "engine/step.h"

namespace {

using namespace sp;
using namespace sp::engine;

constexpr std::size_t kEventsMax = 40;
constexpr std::size_t kDefinitionMax = 4096;
constexpr std::uint8_t kRedrive = 0xF7;

struct Waiting {
  std::set<std::int64_t> tasks;
  std::map<std::int64_t, Instant> timers;
  bool ended = false;

  void take(const std::vector<Effect>& effects) {
    for (const auto& effect : effects) {
      SP_ASSERT(!ended);
      if (const auto* task = std::get_if<StartTask>(&effect)) SP_ASSERT(tasks.insert(task->token).second);
      if (const auto* cancel = std::get_if<CancelTask>(&effect)) SP_ASSERT(tasks.erase(cancel->token) == 1);
      if (const auto* timer = std::get_if<SetTimer>(&effect)) SP_ASSERT(timers.emplace(timer->timer, timer->due).second);
      if (const auto* timer = std::get_if<DropTimer>(&effect)) SP_ASSERT(timers.erase(timer->timer) == 1);
      if (std::holds_alternative<Finish>(effect)) ended = true;
    }
    // What ends leaves nothing behind that would fire into the void.
    if (ended) SP_ASSERT(tasks.empty() && timers.empty());
  }
};

template <class Set>
std::int64_t pick(const Set& from, std::uint8_t which) {
  if (from.empty()) return which;
  auto at = from.begin();
  std::advance(at, which % from.size());
  if constexpr (requires { at->first; }) return at->first;
  else return *at;
}

/// The event of one byte of the script; what it answers is waited for no more.
Event eventOf(std::uint8_t byte, Waiting& waiting) {
  const auto which = static_cast<std::uint8_t>(byte >> 3U);
  const auto token = pick(waiting.tasks, which);
  switch (byte % 8) {
    case 0: waiting.tasks.erase(token); return TaskSucceeded{token, Payload::fromText(which % 2 == 0 ? R"({"n":1,"l":[1,2]})" : "[1,[2]]")};
    case 1: waiting.tasks.erase(token); return TaskFailed{token, which % 2 == 0 ? "States.TaskFailed" : "Own.Error", "cause"};
    case 2: return TaskSubmitted{token, Payload::fromText("{}")};
    case 3: return TaskHeartbeat{token};
    case 4:
    case 5: {
      const auto timer = pick(waiting.timers, which);
      waiting.timers.erase(timer);
      return TimerFired{timer};
    }
    case 6: waiting.timers.erase(which); return TimerFired{which};
    default:
      if (which == 31) return Abort{"Stop", "by hand"};
      waiting.tasks.erase(which);
      return TaskSucceeded{which, Payload::fromText("1")};
  }
}

class Run {
 public:
  Run(std::shared_ptr<const asl::Definition> definition, std::string input) : definition_(std::move(definition)) {
    Identity identity;
    identity.arn = "arn:aws:states:us-east-1:000000000000:execution:m:e";
    identity.name = "e";
    identity.machine_name = "m";
    state_ = initialState(std::move(identity), Payload::fromText(std::move(input)));
    limits_.history_events = 200;
    limits_.payload_bytes = 4096;
    limits_.step_events = 40;
    limits_.map_concurrency = 3;
  }

  void take(const Event& event) {
    now_ += std::chrono::seconds(1);
    const Inputs inputs{now_, ++seed_};
    const auto before = encode(state_);
    auto stored = decode(before, [this](std::int64_t id) -> std::optional<std::string> {
      if (id < 1 || id > static_cast<std::int64_t>(history_.size())) return std::nullopt;
      return documentOf(json::parse(history_[static_cast<std::size_t>(id - 1)])->get_object());
    });
    SP_ASSERT(stored.has_value());
    auto result = step(*definition_, state_, event, inputs, limits_);
    const auto replay = step(*definition_, std::move(*stored), event, inputs, limits_);
    const auto after = encode(result.state);
    SP_ASSERT(encode(replay.state) == after && replay.history == result.history && replay.effects.size() == result.effects.size());
    if (result.stale) SP_ASSERT(after == before && result.history.empty() && result.effects.empty());
    else SP_ASSERT(result.first_event + static_cast<std::int64_t>(result.history.size()) == result.state.next_event);
    history_.insert(history_.end(), result.history.begin(), result.history.end());
    waiting_.take(result.effects);
    SP_ASSERT(result.state.ended == waiting_.ended);
    state_ = std::move(result.state);
    for (const auto& effect : result.effects)
      if (const auto* end = std::get_if<Finish>(&effect)) resume_ = end->resume;
    for (const auto& [id, frame] : state_.frames) {
      // Borne iterations are counted as finished, or as not begun again.
      const auto below =
          std::ranges::count_if(state_.frames, [&](const auto& one) { return one.second.parent == id && !one.second.borne; });
      if (frame.phase == Phase::children) SP_ASSERT(below == frame.running && frame.running <= frame.concurrency);
    }
  }
  void script(std::string_view bytes) {
    take(Start{});
    for (const char c : bytes.substr(0, kEventsMax)) {
      const auto byte = static_cast<std::uint8_t>(c);
      if (byte != kRedrive) take(eventOf(byte, waiting_));
      else if (waiting_.ended && resume_ != nullptr && !resume_->frames.empty()) redrive();
    }
  }
  void redrive() {
    state_ = *resume_;
    waiting_ = {};
    take(Redrive{});
  }

 private:
  std::shared_ptr<const asl::Definition> definition_;
  std::vector<std::string> history_;
  State state_;
  std::shared_ptr<const State> resume_;
  Limits limits_;
  Waiting waiting_;
  Instant now_{Duration(1'700'000'000'000'000)};
  std::uint64_t seed_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto first = text.find('\n');
  if (first == std::string_view::npos) return 0;
  const auto second = text.find('\n', first + 1);
  if (second == std::string_view::npos || second > kDefinitionMax) return 0;
  const auto input = text.substr(0, first);
  if (!json::parse(input)) return 0;
  const auto definition = asl::compile(text.substr(first + 1, second - first - 1));
  if (!definition) return 0;
  Run(*definition, std::string(input)).script(text.substr(second + 1));
  return 0;
}

#include "schedule/recurrence.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "base/hash.h"
#include "base/strings.h"
#include "base/time_format.h"

namespace sp::schedule {
namespace {

// A busy server starts a run of the last second of its window a little behind it.
constexpr Duration kGrace = std::chrono::minutes(1);

// "2024-11-20T13:00:00", nothing shorter and nothing longer.
std::optional<LocalSeconds> readWallTime(std::string_view text) {
  constexpr std::string_view kForm = "0000-00-00T00:00:00";
  if (text.size() != kForm.size()) return std::nullopt;
  for (std::size_t i = 0; i < text.size(); ++i)
    if (kForm[i] == '0' ? text[i] < '0' || text[i] > '9' : text[i] != kForm[i]) return std::nullopt;
  // A wall clock's time is read as if it were UTC's.
  const auto parsed = parseIso8601(std::string(text) + "Z");
  if (!parsed || toIso8601Seconds(*parsed) != std::string(text) + "Z") return std::nullopt;
  return LocalSeconds(std::chrono::floor<std::chrono::seconds>(*parsed).time_since_epoch());
}

std::optional<std::string_view> inside(std::string_view text, std::string_view name) {
  if (!text.starts_with(name) || !text.ends_with(')') || text.size() < name.size() + 1) return std::nullopt;
  return text.substr(name.size(), text.size() - name.size() - 1);
}

std::string uuidOf(std::string_view hex) {
  return fmt::format("{}-{}-4{}-8{}-{}", hex.substr(0, 8), hex.substr(8, 4), hex.substr(12, 3), hex.substr(15, 3), hex.substr(18, 12));
}

}  // namespace

Result<Recurrence> Recurrence::parse(const RecurrenceSpec& spec) {
  Recurrence out;
  out.zone_ = spec.zone;
  out.window_ = spec.window;
  out.base_ = spec.start.value_or(spec.anchor);
  out.start_ = spec.start;
  out.end_ = spec.end;
  if (const auto time = inside(spec.expression, "at(")) {
    const auto wall = readWallTime(*time);
    if (!wall) return fail("schedule.expression", fmt::format("at({}) is not at(yyyy-mm-ddThh:mm:ss).", *time));
    out.what_ = Once{spec.zone.instant(*wall)};
  } else if (const auto rate = inside(spec.expression, "rate(")) {
    SP_TRY(out.what_, Rate::parse(*rate, Rate::Plurals::any));
  } else if (const auto fields = inside(spec.expression, "cron(")) {
    SP_TRY(out.what_, Cron::parse(*fields));
  } else {
    return fail("schedule.expression", "It is none of at(…), rate(…) and cron(…).");
  }
  return out;
}

std::optional<Instant> Recurrence::nextOfAll(Instant after) const {
  if (const auto* once = std::get_if<Once>(&what_)) return once->at && *once->at > after ? once->at : std::nullopt;
  if (const auto* rate = std::get_if<Rate>(&what_)) {
    if (after < base_) return base_;
    return base_ + ((after - base_) / rate->period + 1) * rate->period;
  }
  if (start_) after = std::max(after, *start_ - Duration(1));
  for (auto wall = std::chrono::floor<std::chrono::minutes>(zone_.local(after));;) {
    const auto found = std::get<Cron>(what_).next(wall);
    if (!found) return std::nullopt;
    // Within an hour that the clock shows a second time, what follows by the wall has been before.
    if (const auto at = zone_.instant(*found); at && *at > after) return at;
    wall = *found;
  }
}

std::optional<Instant> Recurrence::next(Instant after) const {
  const auto found = nextOfAll(after);
  return found && end_ && *found > *end_ && !std::holds_alternative<Once>(what_) ? std::nullopt : found;
}

Due Recurrence::due(Instant time, Instant now, Duration oldest, const Ran& ran) const {
  const NextTime times = [this](Instant after) { return next(after); };
  // Those whose window is open come one after the other, each by its own timer.
  const auto caught = ran.catchUp(times, time, std::max(time, now - window_));
  if (!caught) return {time, std::nullopt, 0, ran.next(times, time)};
  Due out{caught->run, caught->run, caught->missed, caught->next};
  const bool open = now - caught->run <= window_ + (window_.count() > 0 ? kGrace : Duration(0));
  if (open) return out;
  const auto following = ran.next([this](Instant after) { return nextOfAll(after); }, caught->run);
  if (following ? *following > now : now - caught->run <= oldest) return out;
  out.run.reset();
  out.missed = std::min(out.missed + 1, kMostCounted);
  return out;
}

Duration delayIn(std::chrono::minutes window, std::string_view schedule, Instant time) {
  const auto seconds = std::chrono::seconds(window).count();
  if (seconds <= 0) return Duration(0);
  std::uint64_t number = 0;
  for (const char byte : sha256(fmt::format("{}\n{}\ndelay", schedule, toMicros(time))).substr(0, 8))
    number = number << 8U | static_cast<unsigned char>(byte);
  return std::chrono::seconds(static_cast<std::int64_t>(number % static_cast<std::uint64_t>(seconds)));
}

std::string occurrenceId(std::string_view schedule, Instant time) {
  return uuidOf(sha256Hex(fmt::format("{}\n{}", schedule, toMicros(time))));
}

std::string fillContext(std::string_view input, const ContextValues& values) {
  const std::array<std::pair<std::string_view, std::string>, 4> attributes{{
      {"<aws.scheduler.schedule-arn>", std::string(values.schedule_arn)},
      {"<aws.scheduler.scheduled-time>", toIso8601Seconds(values.scheduled_time)},
      {"<aws.scheduler.execution-id>", std::string(values.execution_id)},
      {"<aws.scheduler.attempt-number>", fmt::format("{}", values.attempt)},
  }};
  std::string out;
  while (!input.empty()) {
    const auto found = std::ranges::find_if(attributes, [&](const auto& one) { return input.starts_with(one.first); });
    if (found != attributes.end()) {
      out += found->second;
      input.remove_prefix(found->first.size());
      continue;
    }
    const auto end = std::min(input.find('<', 1), input.size());
    out += input.substr(0, end);
    input.remove_prefix(end);
  }
  return out;
}

}  // namespace sp::schedule

#include "schedule/ran.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/strings.h"

namespace sp::schedule {
namespace {

/// Of older ones no clock tells again.
constexpr std::size_t kMostStretches = 4;

}  // namespace

Ran Ran::parse(std::string_view text) {
  Ran out;
  for (const auto part : split(text, ' ')) {
    const auto ends = split(part, '/');
    const auto first = parseInt(ends.front());
    const auto last = parseInt(ends.back());
    if (ends.size() == 2 && first && last) out.stretches_.push_back({fromMicros(*first), fromMicros(*last)});
  }
  return out;
}

Ran Ran::upTo(Instant last) {
  Ran out;
  out.stretches_.push_back({Instant{}, last});
  return out;
}

bool Ran::has(Instant time) const {
  return std::ranges::any_of(stretches_, [&](const Stretch& each) { return each.first <= time && time <= each.last; });
}

std::optional<Instant> Ran::next(const NextTime& next, Instant after) const {
  auto at = next(after);
  for (const auto& each : stretches_)
    if (at && each.first <= *at && *at <= each.last) at = next(each.last);
  return at;
}

std::optional<CatchUp> Ran::catchUp(const NextTime& next, Instant due, Instant now) const {
  const NextTime left = [&](Instant after) { return this->next(next, after); };
  if (has(due)) {
    const auto first = left(due);
    if (!first || *first > now) return std::nullopt;
    due = *first;
  }
  return schedule::catchUp(left, due, now);
}

void Ran::add(const NextTime& next, Instant time) {
  if (has(time)) return;
  const auto behind = std::ranges::find_if(stretches_, [&](const Stretch& each) { return time < each.first; });
  // What nothing lies between is one.
  const auto adjoins = [&](Instant from, Instant to) {
    const auto following = next(from);
    return following && *following >= to;
  };
  if (behind != stretches_.begin() && adjoins(std::prev(behind)->last, time)) {
    std::prev(behind)->last = time;
    if (behind != stretches_.end() && adjoins(time, behind->first)) {
      std::prev(behind)->last = behind->last;
      stretches_.erase(behind);
    }
    return;
  }
  if (behind != stretches_.end() && adjoins(time, behind->first)) behind->first = time;
  else stretches_.insert(behind, {time, time});
  if (stretches_.size() <= kMostStretches) return;
  if (stretches_.front().first != time) {
    stretches_.erase(stretches_.begin());
    return;
  }
  // The clock was put back to before all others, which it will tell again: rather than run twice, what lies between two of them does not.
  stretches_[1].last = stretches_[2].last;
  stretches_.erase(stretches_.begin() + 2);
}

std::string Ran::text() const {
  std::string out;
  for (const auto& each : stretches_) out += fmt::format("{}{}/{}", out.empty() ? "" : " ", toMicros(each.first), toMicros(each.last));
  return out;
}

}  // namespace sp::schedule

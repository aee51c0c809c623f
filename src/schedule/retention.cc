#include "schedule/retention.h"

#include <algorithm>

namespace sp::schedule {

Instant deleteAt(Instant created, std::int64_t delete_after_days) { return created + std::chrono::days(delete_after_days); }

std::vector<Fate> fatesOf(const std::vector<Aged>& points, Instant now) {
  std::vector<std::size_t> good;
  for (std::size_t i = 0; i < points.size(); ++i)
    if (points[i].good) good.push_back(i);
  std::ranges::sort(good, [&](std::size_t a, std::size_t b) {
    return points[a].created != points[b].created ? points[a].created > points[b].created : a > b;
  });
  good.resize(std::min(good.size(), kLastGoodKept));
  std::vector<Fate> out(points.size(), Fate::kept);
  for (std::size_t i = 0; i < points.size(); ++i) {
    const auto& point = points[i];
    if (point.delete_after_days <= 0 || deleteAt(point.created, point.delete_after_days) > now) continue;
    if (std::ranges::find(good, i) != good.end()) out[i] = Fate::kept_as_last;
    else out[i] = point.used ? Fate::kept_in_use : Fate::expired;
  }
  return out;
}

}  // namespace sp::schedule

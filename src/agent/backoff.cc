#include "agent/backoff.h"

#include <algorithm>
#include <cmath>

namespace sp::agent {
namespace {

constexpr double kFirstMs = 100;
constexpr double kGrowth = 1.5;
constexpr double kLoopbackMs = 5'000;
constexpr double kRemoteMs = 30'000;

}  // namespace

std::chrono::milliseconds backoffLimit(int failures, bool loopback) {
  const auto grown = kFirstMs * std::pow(kGrowth, failures);
  return std::chrono::milliseconds(static_cast<std::int64_t>(std::min(loopback ? kLoopbackMs : kRemoteMs, grown)));
}

std::chrono::milliseconds backoffDelay(int failures, bool loopback, Random& random) {
  const auto limit = static_cast<std::uint64_t>(backoffLimit(failures, loopback).count());
  return std::chrono::milliseconds(random.below(limit) + 1);
}

}  // namespace sp::agent

#include "services/ssm/rate_control.h"

#include <algorithm>

#include "base/strings.h"

namespace sp::services::ssm {
namespace {

constexpr std::size_t kLengthMax = 7;
constexpr std::int64_t kPercentMax = 100;

struct Amount {
  std::int64_t number = 0;
  bool percent = false;
};

std::optional<Amount> parseAmount(std::string_view text) {
  if (text.empty() || text.size() > kLengthMax) return std::nullopt;
  Amount amount;
  amount.percent = text.ends_with('%');
  if (amount.percent) text.remove_suffix(1);
  if (text.empty() || text.find_first_not_of("0123456789") != std::string_view::npos || (text.size() > 1 && text.front() == '0'))
    return std::nullopt;
  const auto number = parseInt(text);
  if (!number || (amount.percent && *number > kPercentMax)) return std::nullopt;
  amount.number = *number;
  return amount;
}

}  // namespace

std::optional<std::int64_t> concurrencyLimit(std::string_view text, std::int64_t targets) {
  const auto amount = parseAmount(text);
  if (!amount || amount->number == 0) return std::nullopt;
  return amount->percent ? std::max<std::int64_t>(1, targets * amount->number / kPercentMax) : amount->number;
}

std::optional<std::int64_t> errorLimit(std::string_view text, std::int64_t targets) {
  const auto amount = parseAmount(text);
  if (!amount) return std::nullopt;
  return amount->percent ? targets * amount->number / kPercentMax : amount->number;
}

std::int64_t count(const Tally& tally, std::string_view details) {
  const auto found = tally.find(std::string(details));
  return found == tally.end() ? 0 : found->second;
}

std::int64_t ended(const Tally& tally) {
  std::int64_t sum = 0;
  for (const auto& [details, number] : tally) sum += number;
  return sum;
}

std::int64_t errors(const Tally& tally) { return count(tally, "Failed") + count(tally, "ExecutionTimedOut"); }

std::int64_t mayStart(std::int64_t window, std::int64_t concurrency, std::int64_t running, std::int64_t waiting) {
  return std::clamp<std::int64_t>(std::min(window, concurrency) - running, 0, waiting);
}

Verdict commandVerdict(const Tally& tally, std::int64_t max_errors) {
  const auto all = ended(tally);
  if (all == 0) return {"Success", "NoInstancesInTag"};
  if (errors(tally) > max_errors) {
    if (count(tally, "Failed") == 0) return {"TimedOut", "ExecutionTimedOut"};
    return {"Failed", "Failed"};
  }
  if (count(tally, "LimitExceeded") > 0) return {"Cancelled", "LimitExceeded"};
  const auto success = count(tally, "Success");
  if (count(tally, "Cancelled") > 0) return {"Cancelled", "Cancelled"};
  if (success == all) return {"Success", "Success"};
  if (count(tally, "DeliveryTimedOut") == all) return {"TimedOut", "DeliveryTimedOut"};
  // Machines that cannot be reached at all do not spoil a command that worked on the others.
  const auto undelivered = count(tally, "Undeliverable") + count(tally, "InvalidPlatform") + count(tally, "AccessDenied");
  if (undelivered == all) return {"Failed", "Failed"};
  if (success > 0 && success + undelivered == all) return {"Success", "Success"};
  return {"Failed", "Incomplete"};
}

std::string_view statusOf(std::string_view details) {
  if (details == "ExecutionTimedOut" || details == "DeliveryTimedOut") return "TimedOut";
  if (details == "Undeliverable" || details == "InvalidPlatform" || details == "AccessDenied") return "Failed";
  if (details == "Terminated" || details == "LimitExceeded") return "Cancelled";
  if (details == "Delayed") return "Pending";
  return details;
}

}  // namespace sp::services::ssm

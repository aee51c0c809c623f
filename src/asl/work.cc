#include "asl/work.h"

#include <algorithm>

namespace sp::asl {
namespace {

constexpr std::int64_t kTextUnit = 16;

std::int64_t textCost(std::size_t bytes) { return 1 + static_cast<std::int64_t>(bytes) / kTextUnit; }

}  // namespace

bool Work::spendCopy(const json::Value& value) {
  if (value.is_string()) return spend(textCost(value.get_string().size()));
  if (!spend(1)) return false;
  if (value.is_array()) return std::ranges::all_of(value.get_array(), [this](const auto& element) { return spendCopy(element); });
  if (value.is_object())
    return std::ranges::all_of(value.get_object(),
                               [this](const auto& member) { return spend(textCost(member.key().size())) && spendCopy(member.value()); });
  return true;
}

}  // namespace sp::asl

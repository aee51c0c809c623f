#include "services/s3/wire/conditions.h"

#include <algorithm>
#include <limits>

#include "base/strings.h"
#include "base/time_format.h"

namespace sp::services::s3 {
namespace {

std::optional<Instant> dateOf(const Headers& headers, const std::string& name) {
  const auto text = findHeader(headers, name);
  if (!text) return std::nullopt;
  const auto date = parseHttpDate(trim(*text));
  if (!date) return std::nullopt;
  return *date;
}

std::optional<std::string> textOf(const Headers& headers, const std::string& name) {
  const auto text = findHeader(headers, name);
  return text ? std::optional(std::string(trim(*text))) : std::nullopt;
}

// Whole decimal digits; too large counts as the largest.
std::optional<std::uint64_t> digits(std::string_view text) {
  if (text.empty() || !std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; })) return std::nullopt;
  const auto value = parseInt(text);
  return value ? static_cast<std::uint64_t>(*value) : static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
}

}  // namespace

Conditions Conditions::of(const Headers& headers, std::string_view prefix) {
  const std::string p(prefix);
  return {textOf(headers, p + "if-match"), textOf(headers, p + "if-none-match"), dateOf(headers, p + "if-modified-since"),
          dateOf(headers, p + "if-unmodified-since")};
}

bool matchesEtag(std::string_view list, std::string_view etag) {
  for (auto tag : split(list, ',')) {
    tag = trim(tag);
    if (tag == "*") return true;
    if (tag.size() >= 2 && tag.front() == '"' && tag.back() == '"') tag = tag.substr(1, tag.size() - 2);
    if (tag == etag) return true;
  }
  return false;
}

Judgement judge(const Conditions& conditions, std::string_view etag, Instant modified) {
  // HTTP dates have whole seconds.
  const auto when = std::chrono::floor<std::chrono::seconds>(modified);
  if (conditions.if_match) {
    if (!matchesEtag(*conditions.if_match, etag)) return {Verdict::failed, "If-Match"};
  } else if (conditions.if_unmodified_since && when > *conditions.if_unmodified_since) {
    return {Verdict::failed, "If-Unmodified-Since"};
  }
  if (conditions.if_none_match) {
    if (matchesEtag(*conditions.if_none_match, etag)) return {Verdict::notModified, "If-None-Match"};
  } else if (conditions.if_modified_since && when <= *conditions.if_modified_since) {
    return {Verdict::notModified, "If-Modified-Since"};
  }
  return {};
}

aws::ApiError preconditionFailed(std::string_view condition) {
  aws::ApiError error{"PreconditionFailed", "At least one of the pre-conditions you specified did not hold", 412, true, {}};
  error.extra["Condition"] = condition;
  return error;
}

RangeAnswer parseRange(std::string_view header, std::uint64_t size) {
  constexpr std::string_view kUnit = "bytes=";
  if (!header.starts_with(kUnit)) return {};
  const auto spec = trim(header.substr(kUnit.size()));
  const auto dash = spec.find('-');
  if (dash == std::string_view::npos) return {};
  const auto left = trim(spec.substr(0, dash));
  const auto right = trim(spec.substr(dash + 1));
  if (left.empty()) {
    const auto suffix = digits(right);
    if (!suffix) return {};
    if (*suffix == 0 || size == 0) return Unsatisfiable{};
    return ByteRange{size - std::min(*suffix, size), size - 1};
  }
  const auto first = digits(left);
  if (!first) return {};
  std::uint64_t last = std::numeric_limits<std::uint64_t>::max();
  if (!right.empty()) {
    const auto given = digits(right);
    if (!given || *given < *first) return {};
    last = *given;
  }
  if (*first >= size) return Unsatisfiable{};
  return ByteRange{*first, std::min(last, size - 1)};
}

}  // namespace sp::services::s3

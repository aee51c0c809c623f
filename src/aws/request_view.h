// A request's head as the wire sees it, without owning it: what is signed is what stands here, byte for byte.
#pragma once
#include <optional>
#include <span>
#include <string_view>

#include "base/strings.h"

namespace sp::aws {

struct HeaderView {
  std::string_view name;
  std::string_view value;
};

struct RequestView {
  std::string_view method;
  /// Undecoded: path and query.
  std::string_view target;
  std::span<const HeaderView> headers;

  std::string_view path() const { return target.substr(0, target.find('?')); }
  /// Without the question mark; empty if there is none.
  std::string_view query() const {
    const auto mark = target.find('?');
    return mark == std::string_view::npos ? std::string_view{} : target.substr(mark + 1);
  }
  /// First value of that name (case-insensitive).
  std::optional<std::string_view> header(std::string_view name) const {
    for (const auto& entry : headers)
      if (entry.name.size() == name.size() && equalsIgnoreCase(entry.name, name)) return entry.value;
    return std::nullopt;
  }
  /// First query parameter of that name, decoded; nullopt if absent.
  std::optional<std::string> parameter(std::string_view name) const;
};

}  // namespace sp::aws

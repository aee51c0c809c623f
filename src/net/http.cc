#include "net/http.h"

#include "base/strings.h"

namespace sp::net {

std::optional<std::string_view> findHeader(const Headers& headers, std::string_view name) {
  for (const auto& header : headers)
    if (equalsIgnoreCase(header.name, name)) return header.value;
  return std::nullopt;
}

}  // namespace sp::net

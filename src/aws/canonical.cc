#include "aws/canonical.h"

#include <algorithm>

namespace sp::aws {
namespace {

bool unreserved(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
}

// Most names and values need no change at all.
bool isPlain(std::string_view text) { return std::ranges::all_of(text, unreserved); }

// What the client meant, encoded as the signature wants it; text that is not well encoded is taken literally.
std::string encodedOnce(std::string_view raw) {
  if (isPlain(raw)) return std::string(raw);
  const auto decoded = percentDecode(raw);
  return percentEncode(decoded ? std::string_view(*decoded) : raw);
}

void appendFolded(std::string& out, std::string_view value) {
  value = trim(value);
  bool blank = false;
  for (const char c : value) {
    const bool is_blank = c == ' ' || c == '\t';
    if (!is_blank) {
      if (blank) out += ' ';
      out += c;
    }
    blank = is_blank;
  }
}

}  // namespace

std::optional<std::string> RequestView::parameter(std::string_view name) const {
  for (const auto part : split(query(), '&')) {
    const auto equals = part.find('=');
    const auto key = percentDecode(part.substr(0, equals));
    if (!key || *key != name) continue;
    return equals == std::string_view::npos ? std::string{}
                                            : percentDecode(part.substr(equals + 1)).value_or(std::string(part.substr(equals + 1)));
  }
  return std::nullopt;
}

std::string canonicalPathOnce(std::string_view raw_path) {
  if (raw_path.empty()) return "/";
  std::string out;
  out.reserve(raw_path.size() + 16);
  bool first = true;
  for (const auto segment : split(raw_path, '/')) {
    if (!first) out += '/';
    first = false;
    out += encodedOnce(segment);
  }
  return out;
}

std::string canonicalPathTwice(std::string_view raw_path) {
  if (raw_path.empty() || raw_path == "/") return "/";
  std::vector<std::string_view> kept;
  for (const auto segment : split(raw_path, '/')) {
    if (segment.empty() || segment == ".") continue;
    if (segment != "..") {
      kept.push_back(segment);
    } else if (!kept.empty()) {
      kept.pop_back();
    }
  }
  std::string out;
  for (const auto segment : kept) out.append("/").append(percentEncode(segment));
  if (out.empty() || raw_path.ends_with('/')) out += '/';
  return out;
}

std::string canonicalQuery(std::string_view raw_query, std::string_view leave_out) {
  if (raw_query.empty()) return {};
  std::vector<std::pair<std::string, std::string>> parameters;
  for (const auto part : split(raw_query, '&')) {
    if (part.empty()) continue;
    const auto equals = part.find('=');
    auto name = encodedOnce(part.substr(0, equals));
    if (!leave_out.empty() && name == leave_out) continue;
    parameters.emplace_back(std::move(name), equals == std::string_view::npos ? std::string{} : encodedOnce(part.substr(equals + 1)));
  }
  std::ranges::sort(parameters);
  std::string out;
  for (const auto& [name, value] : parameters) {
    if (!out.empty()) out += '&';
    out.append(name).append("=").append(value);
  }
  return out;
}

std::string canonicalHeaders(const RequestView& request, const std::vector<std::string_view>& names) {
  std::string out;
  out.reserve(512);
  for (const auto name : names) {
    out.append(name).append(":");
    bool first = true;
    for (const auto& header : request.headers) {
      if (header.name.size() != name.size() || !equalsIgnoreCase(header.name, name)) continue;
      if (!first) out += ',';
      first = false;
      appendFolded(out, header.value);
    }
    out += '\n';
  }
  return out;
}

}  // namespace sp::aws

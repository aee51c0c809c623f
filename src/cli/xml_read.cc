#include "cli/api.h"

namespace sp::cli {
namespace {

std::string decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '&') {
      out += text[i];
      continue;
    }
    const auto end = text.find(';', i);
    const auto name = end == std::string_view::npos ? std::string_view() : text.substr(i + 1, end - i - 1);
    if (name == "amp") out += '&';
    else if (name == "lt") out += '<';
    else if (name == "gt") out += '>';
    else if (name == "quot") out += '"';
    else if (name == "apos" || name == "#39") out += '\'';
    else {
      out += text[i];
      continue;
    }
    i = end;
  }
  return out;
}

// Position after the matching end tag's inside: nested elements of the same name are counted.
std::size_t insideEnd(std::string_view xml, std::string_view name, std::size_t from) {
  const std::string open = "<" + std::string(name) + ">";
  const std::string close = "</" + std::string(name) + ">";
  std::size_t depth = 1;
  while (true) {
    const auto next_close = xml.find(close, from);
    if (next_close == std::string_view::npos) return std::string_view::npos;
    const auto next_open = xml.find(open, from);
    if (next_open < next_close) {
      ++depth;
      from = next_open + open.size();
      continue;
    }
    if (--depth == 0) return next_close;
    from = next_close + close.size();
  }
}

}  // namespace

std::vector<std::string> xmlAll(std::string_view xml, std::string_view name) {
  const std::string open = "<" + std::string(name) + ">";
  std::vector<std::string> found;
  for (auto at = xml.find(open); at != std::string_view::npos; at = xml.find(open, at)) {
    at += open.size();
    const auto end = insideEnd(xml, name, at);
    if (end == std::string_view::npos) break;
    found.emplace_back(xml.substr(at, end - at));
    at = end;
  }
  return found;
}

std::string xmlText(std::string_view xml, std::string_view name) {
  const auto all = xmlAll(xml, name);
  return all.empty() ? std::string() : decoded(all.front());
}

}  // namespace sp::cli

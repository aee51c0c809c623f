#include "services/s3/wire/listing.h"

#include <algorithm>

namespace sp::services::s3 {
namespace {

// So many records are read where a group may begin: all but the first of a group are read in vain. Twice as many after each reading
// whose records all stood for themselves.
constexpr std::size_t kFew = 4;

// The part of `key` that stands for its group, or empty if it stands for itself. What follows a NUL is no part of a key.
std::string_view groupOf(const ListAsk& ask, std::string_view key) {
  if (ask.delimiter.empty()) return {};
  key = key.substr(0, key.find('\0'));
  const auto at = key.find(ask.delimiter, ask.prefix.size());
  return at == std::string_view::npos ? std::string_view() : key.substr(0, at + ask.delimiter.size());
}

}  // namespace

std::string afterPrefix(std::string_view prefix) {
  std::string next(prefix);
  while (!next.empty() && static_cast<unsigned char>(next.back()) == 0xff) next.pop_back();
  if (!next.empty()) next.back() = static_cast<char>(static_cast<unsigned char>(next.back()) + 1);
  return next;
}

ListPage listPage(const ListAsk& ask, const ListSource& source) {
  ListPage page;
  if (ask.limit == 0) return page;
  // The first key that can stand for an item greater than `after`: beyond the whole group `after` lies in.
  std::string from = ask.after;
  if (const auto group = ask.after.starts_with(ask.prefix) ? groupOf(ask, ask.after) : std::string_view(); !group.empty())
    from = afterPrefix(group);
  if (from.empty() && !ask.after.empty()) return page;
  std::size_t items = 0;
  auto at_once = ask.delimiter.empty() ? ask.limit + 1 : kFew;
  while (true) {
    // One more than still fits tells whether there are more.
    const auto wanted = std::min(ask.limit - items + 1, at_once);
    auto records = source(from, wanted);
    const bool exhausted = records.size() < wanted;
    bool skipped = false;
    for (auto& record : records) {
      if (record.key == ask.after && !ask.after.empty()) continue;
      if (items == ask.limit) {
        page.truncated = true;
        return page;
      }
      ++items;
      const auto group = groupOf(ask, record.key);
      if (group.empty()) {
        page.last = record.key;
        page.records.push_back(std::move(record));
        continue;
      }
      page.last = group;
      page.common_prefixes.emplace_back(group);
      from = afterPrefix(group);
      at_once = kFew;
      skipped = true;
      break;
    }
    if (skipped && from.empty()) return page;
    if (skipped) continue;
    if (exhausted) return page;
    from = page.last + '\0';
    at_once *= 2;
  }
}

}  // namespace sp::services::s3

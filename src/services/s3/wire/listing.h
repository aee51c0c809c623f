// Listing keys with prefix, delimiter and pages; pure, over any ordered source.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-prefixes.html
#pragma once
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "store/store.h"

namespace sp::services::s3 {

struct ListAsk {
  std::string prefix;
  /// Empty: none.
  std::string delimiter;
  /// Items greater than this; an item is a key, or a common prefix ("a/").
  std::string after;
  std::size_t limit = 1000;
};

struct ListPage {
  std::vector<store::Record> records;
  std::vector<std::string> common_prefixes;
  bool truncated = false;
  /// The greatest item of this page: `after` of the next one. Empty if the page is.
  std::string last;
};

/// Records at or after `from` whose key starts with the ask's prefix, in byte order, at most `limit`.
using ListSource = std::function<std::vector<store::Record>(std::string_view from, std::size_t limit)>;

/// Keys that share what comes up to the delimiter (after the prefix) are one item. An item is on the page if it is greater
/// than `after`. Reads a few records for each item: a group is skipped, not walked.
ListPage listPage(const ListAsk& ask, const ListSource& source);

/// The least text greater than all texts that start with `prefix`; empty if there is none.
std::string afterPrefix(std::string_view prefix);

}  // namespace sp::services::s3

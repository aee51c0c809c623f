// Where scripts come from and outputs go: the buckets, as Run Command needs them.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "store/store.h"

namespace sp::services::ssm {

struct ScriptFile {
  std::string key;
  std::uint64_t size = 0;
  /// Hex; empty if nobody knows it without reading the object.
  std::string sha256;
};

/// Core thread only.
class ScriptStore {
 public:
  virtual ~ScriptStore() = default;
  virtual bool hasBucket(store::Txn& txn, std::string_view bucket) = 0;
  /// The object of that key alone, or all below it when there is none (a key of "folder" lists "folder/…"), at most
  /// `limit`; empty if there is nothing.
  virtual std::vector<ScriptFile> find(store::Txn& txn, std::string_view bucket, std::string_view key, std::size_t limit) = 0;
};

}  // namespace sp::services::ssm

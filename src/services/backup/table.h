// Records that are found by id and listed newest first: key = time of creation and id.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "base/log.h"
#include "json/json.h"
#include "store/store.h"

namespace sp::services::backup {

inline constexpr std::string_view kVaultKind = "backup_vault";
inline constexpr std::string_view kRepositoryKind = "vault_repository";
inline constexpr std::string_view kForgetKind = "vault_forget";
inline constexpr std::string_view kQuarantineKind = "vault_quarantine";
inline constexpr std::string_view kJobKind = "backup_job";
inline constexpr std::string_view kPointKind = "recovery_point";
inline constexpr std::string_view kRestoreKind = "restore_job";

inline std::string timeKey(Instant created, std::string_view id) { return fmt::format("{:020d}-{}", toMicros(created), id); }

/// A body of our own as T; a broken one is logged and taken as absent.
template <class T>
std::optional<T> decodeRecord(std::string_view kind, const std::string& key, const std::string& body) {
  auto parsed = json::parse(body);
  auto decoded = parsed && parsed->is_object() ? T::decode(parsed->get_object()) : Result<T>(fail("record.form", "not a JSON object"));
  if (decoded) return std::move(*decoded);
  log::error("a record cannot be read", {{"kind", kind}, {"key", key}, {"error", decoded.error().text()}});
  return std::nullopt;
}

template <class T>
std::optional<T> findById(store::Txn& txn, std::string_view kind, std::string_view id) {
  if (id.empty()) return std::nullopt;
  const auto found = txn.records().findBy(kind, "id", id, "", 1);
  if (found.empty()) return std::nullopt;
  return decodeRecord<T>(kind, found.front().key, found.front().body);
}

/// Writes the record and its index "id"; returns its key for further indexes.
template <class T>
std::string saveRecord(store::Txn& txn, std::string_view kind, const T& value) {
  auto key = timeKey(value.created, value.id);
  txn.records().put(kind, key, json::toText(value.encode()));
  txn.records().index(kind, key, "id", value.id);
  return key;
}

/// The newest below `before` (empty: from the newest) that `wanted` accepts; at most `limit`, with their keys.
template <class T, class Wanted>
std::vector<std::pair<std::string, T>> listBack(store::Txn& txn, std::string_view kind, std::string_view before, std::size_t limit,
                                                const Wanted& wanted) {
  constexpr std::size_t kAtOnce = 200;
  std::vector<std::pair<std::string, T>> out;
  std::string position(before);
  while (out.size() < limit) {
    const auto records = txn.records().scanBack(kind, "", position, kAtOnce);
    for (const auto& record : records) {
      position = record.key;
      auto value = decodeRecord<T>(kind, record.key, record.body);
      if (!value || !wanted(*value)) continue;
      out.emplace_back(record.key, std::move(*value));
      if (out.size() == limit) return out;
    }
    if (records.size() < kAtOnce) return out;
  }
  return out;
}

}  // namespace sp::services::backup

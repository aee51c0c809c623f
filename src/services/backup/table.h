// Records that are found by id and listed newest first: key = time of creation and id.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/log.h"
#include "json/json.h"
#include "store/store.h"

namespace sp::services::backup {

inline constexpr std::string_view kVaultKind = "backup_vault";
inline constexpr std::string_view kRepositoryKind = "vault_repository";
inline constexpr std::string_view kForgetKind = "vault_forget";
/// A vault that was deleted and whose folder may still lie under its name. Key: the vault's name.
inline constexpr std::string_view kRemovalKind = "vault_removal";
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

/// A list looks at so many records at most: a page may have fewer entries than it was asked for, or none, and go on all the same.
inline constexpr std::size_t kLookedAt = 5'000;

/// What a list, newest first, is asked for: records below the key `before` (empty: from the newest), none below the key `least`.
struct ListAsk {
  std::string before;
  std::string least;
  /// At least 1.
  std::size_t limit = 1;
};

/// Entries with their keys.
template <class T>
struct Listed {
  std::vector<std::pair<std::string, T>> entries;
  /// `before` of what follows; empty: nothing does.
  std::string next;
};

/// Those that `wanted` accepts among what `read(before, limit)` gives: records below a key, newest first.
template <class T, class Read, class Wanted>
Listed<T> listBack(std::string_view kind, const ListAsk& ask, const Read& read, const Wanted& wanted) {
  constexpr std::size_t kAtOnce = 200;
  Listed<T> out;
  auto position = ask.before;
  for (std::size_t looked = 0; looked < kLookedAt; looked += kAtOnce) {
    const auto records = read(position, kAtOnce);
    for (const auto& record : records) {
      if (record.key < ask.least) return out;
      auto value = decodeRecord<T>(kind, record.key, record.body);
      if (value && wanted(*value)) {
        if (out.entries.size() == ask.limit) {
          out.next = position;
          return out;
        }
        out.entries.emplace_back(record.key, std::move(*value));
      }
      position = record.key;
    }
    if (records.size() < kAtOnce) return out;
  }
  out.next = position;
  return out;
}

/// The same among all of a kind.
template <class T, class Wanted>
Listed<T> listBack(store::Txn& txn, std::string_view kind, const ListAsk& ask, const Wanted& wanted) {
  return listBack<T>(
      kind, ask, [&](std::string_view before, std::size_t limit) { return txn.records().scanBack(kind, "", before, limit); }, wanted);
}

}  // namespace sp::services::backup

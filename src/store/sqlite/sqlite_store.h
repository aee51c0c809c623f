// The embedded store: SQLite, WAL, synchronous=FULL, one connection on the core thread; checkpoints run in a thread of
// their own so that they do not stand in a commit's way.
#pragma once
#include <memory>
#include <string>

#include "base/result.h"
#include "store/store.h"

namespace sp::store {

/// Whether the disk's room for the first commits (10 MiB) is taken at once: they are quicker then. Lost again when the store closes.
enum class WalRoom { as_needed, ahead };

/// Opens (or makes) FILE and brings its schema up to date. Errors: "store.io", "store.newer" (made by a later version).
Result<std::unique_ptr<Store>> openSqlite(const std::string& file, WalRoom room = WalRoom::as_needed);

}  // namespace sp::store

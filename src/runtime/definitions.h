// The definitions of state machines as they are kept: by their content, shared by all machines and executions that have the same one.
// One that no machine has any more is removed once no execution is left that may have begun with it.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "store/store.h"

namespace sp::runtime::definitions {

/// Keeps a text that compiles; its name.
std::string add(store::Txn& txn, const std::string& text);
/// nullopt: there is none of this name.
std::optional<std::string> textOf(store::Txn& txn, std::string_view name);

/// One machine more has it.
void adopt(store::Txn& txn, std::string_view name);
/// One machine less has it; executions that run go on with it.
void release(store::Txn& txn, std::string_view name);

/// Looks at up to `limit` of them behind `after` and removes what nothing can need any more; the last one looked at, empty at the end.
std::string collect(store::Txn& txn, std::string_view after, std::size_t limit);

}  // namespace sp::runtime::definitions

// Which times of a schedule have run (schedule/ran.h), kept as a record of its own.
#pragma once
#include <optional>
#include <string_view>

#include "schedule/ran.h"
#include "store/store.h"

namespace sp::services {

/// Of the record of that kind and key; nothing, if it is of another expression.
schedule::Ran readRan(store::Txn& txn, std::string_view kind, std::string_view key, std::string_view expression);
void saveRan(store::Txn& txn, std::string_view kind, std::string_view key, std::string_view expression, const schedule::Ran& ran);
/// The timer of that kind, if it has come already: whoever sets timers anew leaves it alone, or what it stands for would not run.
std::optional<store::Timer> comeTimer(store::Txn& txn, std::string_view kind, std::string_view id);

}  // namespace sp::services

// Which times of a schedule have run (schedule/ran.h), kept as a record of its own.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "schedule/ran.h"
#include "store/store.h"

namespace sp::services {

/// Of the record of that kind and key; nothing, if it is of another expression.
schedule::Ran readRan(store::Txn& txn, std::string_view kind, std::string_view key, std::string_view expression);
void saveRan(store::Txn& txn, std::string_view kind, std::string_view key, std::string_view expression, const schedule::Ran& ran);
/// Ids of the timers of that kind that have come already: whoever sets timers anew leaves them alone.
std::vector<std::string> comeTimers(store::Txn& txn, std::string_view kind);

}  // namespace sp::services

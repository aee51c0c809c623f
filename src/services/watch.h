// A watch over a kind of record: told of each write of it, in its transaction, of what the record was and what it is now.
#pragma once
#include <functional>
#include <optional>

#include "store/store.h"

namespace sp::services {

template <class Record>
struct Watch {
  /// Asked before `changed`: whether a write is worth reading what was there before. Empty: always.
  std::function<bool(store::Txn&)> wanted;
  /// `before`: nullptr when the record is new.
  std::function<void(store::Txn&, const Record* before, const Record& now)> changed;

  /// Does the write; `read` gives what is there before it.
  template <class Read, class Write>
  void over(store::Txn& txn, const Record& now, const Read& read, const Write& write) const {
    if (!changed || (wanted && !wanted(txn))) return write();
    const std::optional<Record> before = read();
    write();
    changed(txn, before ? &*before : nullptr, now);
  }
};

}  // namespace sp::services

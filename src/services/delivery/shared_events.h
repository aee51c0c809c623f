// Events that stand once, however many deliveries were made of them: a delivery then holds what differs from the others (its target as it
// was when the event was routed, its tries) and the name of its event, which goes in the commit in which the last of them is over.
//
// A delivery whose event is shared has the member "of" (the event's key) and "size" (of its text, in bytes) where another has "event".
// Those of earlier versions, and small ones, hold their event themselves. Core thread only.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "json/json.h"
#include "store/store.h"

namespace sp::services::delivery {

class SharedEvents {
 public:
  /// Whether an event of so many bytes is better shared by so many deliveries.
  static bool worthwhile(std::size_t bytes, std::size_t deliveries);

  /// Keeps an event for so many more deliveries, which must be put in the same commit. `key` is no other event's, ever.
  static void share(store::Txn& txn, std::string_view key, std::string_view text, std::int64_t deliveries);
  /// The members by which a delivery names its event, which has about so many bytes.
  static void name(json::Object& delivery, std::string_view key, std::size_t bytes);
  /// A delivery with its event in it; empty if its event is not there.
  json::Object whole(store::Txn& txn, json::Object delivery);
  /// The delivery's text as it is kept: without an event that is shared.
  static std::string kept(const json::Object& delivery);
  /// The delivery as it is kept apart from all others: it holds its event, and nothing is shared any more.
  static json::Object apart(json::Object whole);
  /// The delivery is kept once more, and released once more.
  static void retain(store::Txn& txn, const json::Object& delivery);
  /// The delivery is over. Its event is removed if it was the last.
  static void release(store::Txn& txn, const json::Object& delivery);
  /// Of its event's text, if that is shared.
  static std::size_t bytesOf(const json::Object& delivery);

 private:
  /// The one that was asked for last: its deliveries come one after the other. A key has one text for ever, so it is never out of date.
  std::string last_key_;
  json::Object last_;
};

}  // namespace sp::services::delivery

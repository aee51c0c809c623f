// How much evaluating a state may look at and copy. Paths, filters and patterns can be written whose cost grows with a power of
// their input: they stop here, with an error, instead of holding up everybody else.
#pragma once
#include <cstdint>
#include <limits>

#include "json/json.h"

namespace sp::asl {

/// Counts places looked at; a copied text counts one for each sixteen bytes.
class Work {
 public:
  explicit Work(std::int64_t most = std::numeric_limits<std::int64_t>::max()) : most_(most) {}
  /// False once it is used up; from then on always.
  bool spend(std::int64_t amount) {
    used_ += amount;
    return used_ <= most_;
  }
  /// What copying `value` takes; stops counting when it is used up.
  bool spendCopy(const json::Value& value);
  bool exhausted() const { return used_ > most_; }
  std::int64_t used() const { return used_; }
  std::int64_t most() const { return most_; }

 private:
  std::int64_t most_;
  std::int64_t used_ = 0;
};

}  // namespace sp::asl

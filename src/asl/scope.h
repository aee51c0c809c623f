// What expressions are evaluated against.
#pragma once
#include <cstdint>
#include <expected>
#include <string>

#include "asl/work.h"
#include "json/json.h"

namespace sp::asl {

/// An error as States sees it: name and cause. The engine puts "An error occurred while executing the state …" before it.
struct EvalError {
  std::string error;
  std::string cause;
  /// By what other name it is caught; empty: none.
  std::string_view also = {};
};
template <class T>
using Eval = std::expected<T, EvalError>;

inline std::unexpected<EvalError> runtimeError(std::string cause) { return std::unexpected(EvalError{"States.Runtime", std::move(cause)}); }

/// A sequence of numbers that the seed decides alone; MathRandom, UUID and jitter draw from it.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : state_(seed) {}
  /// splitmix64.
  std::uint64_t next() {
    state_ += 0x9e3779b97f4a7c15ULL;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27U)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31U);
  }
  /// Uniform in [0, 1).
  double fraction() { return static_cast<double>(next() >> 11U) * 0x1.0p-53; }

 private:
  std::uint64_t state_;
};

/// The context object "$$", made when somebody asks for it.
class ContextSource {
 public:
  virtual ~ContextSource() = default;
  /// `with_input`: Execution.Input is asked for too (it may be large).
  virtual const json::Value& context(bool with_input) = 0;
};

struct Scope {
  const json::Value& input;
  ContextSource& context;
  Dice& dice;
  /// Null: as much as it takes.
  Work* work = nullptr;
};

}  // namespace sp::asl

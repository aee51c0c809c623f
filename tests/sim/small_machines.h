// All state machines of up to three states, out of a set of shapes, and all that their tasks may do.
#pragma once
#include <cstddef>
#include <string>
#include <vector>

#include "world.h"

namespace sp::sim {

/// Goes through all sequences of choices: where the same choices lead to the same next one, each path is gone exactly once.
class Choices {
 public:
  /// Begins with the next sequence; false: there is none.
  bool begin();
  /// One of 0 … bound-1.
  std::size_t choose(std::size_t bound);
  /// How many choices at the front are those of the sequence before, whose next one was another.
  std::size_t kept() const { return kept_; }

 private:
  struct Digit {
    std::size_t value = 0;
    std::size_t bound = 1;
  };
  std::vector<Digit> digits_;
  std::size_t at_ = 0;
  std::size_t kept_ = 0;
  bool begun_ = false;
};

/// A definition. Its input is kSmallInput. Some have states that nothing leads to: those do not compile.
std::string smallMachine(Choices& choices);
inline constexpr const char* kSmallInput = R"({"v":0,"items":[{"v":1},{"v":2}]})";

/// What a task may do: it succeeds, fails or is silent. Each answer takes its own time, of every state and item another, so
/// that what happens side by side does not happen at the same moment.
Plan smallPlan(Choices& choices, const Asked& asked);

}  // namespace sp::sim

// A JSON document on its way through an execution: shared, never changed, kept as text and as value, each made from the
// other when somebody asks for it. What passes through a state untouched is neither parsed nor written again, and keeps
// the very text it came with.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "json/json.h"

namespace sp::engine {

/// How deep a document may be nested: below what json::parse reads, so that a task's answer may wrap it.
inline constexpr std::size_t kDepthMax = 500;

/// Cheap to copy. Not thread-safe: text and value are made on demand.
class Payload {
 public:
  Payload() = default;
  /// `text` must be valid JSON (it was parsed by whoever let it in).
  static Payload fromText(std::string text);
  static Payload fromValue(json::Value value);

  explicit operator bool() const { return body_ != nullptr; }
  const std::string& text() const;
  const json::Value& value() const;
  /// Nested deeper than kDepthMax: its text could not be read again once it is stored.
  bool tooDeep() const;
  /// The text as a JSON string with quotes: how history and state hold it.
  const std::string& quoted() const;
  /// Same document in memory.
  const void* identity() const { return body_.get(); }

  /// The history event that holds this very document, so that later ones can name it instead of repeating it; 0: none yet.
  /// Belongs to the handle: who copies a payload knows it too, others do not.
  std::int64_t event = 0;

  friend bool operator==(const Payload& a, const Payload& b) {
    return a.event == b.event && (a.body_ == b.body_ || (a.body_ != nullptr && b.body_ != nullptr && a.text() == b.text()));
  }

 private:
  struct Body {
    std::optional<std::string> text;
    std::optional<json::Value> value;
    std::string quoted;
    std::optional<bool> too_deep;
  };
  std::shared_ptr<Body> body_;
};

}  // namespace sp::engine

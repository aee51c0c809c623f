// Writes history events as GetExecutionHistory shows them.
// https://docs.aws.amazon.com/step-functions/latest/apireference/API_HistoryEvent.html
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "engine/payload.h"

namespace sp::engine {

/// The members of one event's details object.
class Details {
 public:
  Details& text(std::string_view name, std::string_view value);
  /// Left out when empty.
  Details& textIf(std::string_view name, std::string_view value);
  /// An object with one text: "taskCredentials":{"roleArn":"…"}.
  Details& member(std::string_view name, std::string_view inner, std::string_view value);
  Details& number(std::string_view name, std::int64_t value);
  /// A document as a string ("input") and, beside it, "inputDetails":{"truncated":false}. A long one that an earlier event
  /// holds is stored as {"event":ID}, to be read there (namedEvent, resolveDocument).
  Details& document(std::string_view name, const Payload& payload);
  /// A document as a string alone.
  Details& plainDocument(std::string_view name, const Payload& payload);
  const std::string& members() const { return members_; }

 private:
  void name(std::string_view name);
  std::string members_;
};

/// Shorter documents are repeated rather than named.
constexpr std::size_t kRepeatedDocument = 512;

/// The JSON text for a document: itself as a string, or {"event":ID} for a long one that an event holds.
std::string documentText(const Payload& payload);

/// The event that holds the document a stored event only names; 0: it names none.
std::int64_t namedEvent(const json::Object& event);
/// Puts the document of `holder` where `event` names it.
void resolveDocument(json::Object& event, const json::Object& holder);
/// The text of the document that `event` itself holds; nullopt: it holds none.
std::optional<std::string> documentOf(const json::Object& event);

/// The events of one step.
class HistoryLog {
 public:
  HistoryLog(std::int64_t next_event, Instant now);

  /// Appends an event and returns its id. `details_name` empty: no details object.
  std::int64_t add(std::string_view type, std::int64_t previous, std::string_view details_name = {}, const Details& details = {});
  std::int64_t nextEvent() const { return next_event_; }
  std::int64_t firstEvent() const { return first_event_; }
  std::size_t size() const { return events_.size(); }
  std::vector<std::string> take() { return std::move(events_); }

 private:
  std::int64_t first_event_;
  std::int64_t next_event_;
  std::string timestamp_;
  std::vector<std::string> events_;
};

}  // namespace sp::engine

#include "engine/history.h"

#include <charconv>

#include <fmt/format.h>

#include "json/json.h"

namespace sp::engine {
namespace {

void appendNumber(std::string& out, std::int64_t number) {
  char buffer[24];
  out.append(buffer, std::to_chars(buffer, buffer + sizeof buffer, number).ptr);
}

bool isNamed(const Payload& payload) { return payload.event != 0 && payload.text().size() > kRepeatedDocument; }

}  // namespace

void Details::name(std::string_view name) {
  if (!members_.empty()) members_ += ',';
  members_ += '"';
  members_ += name;
  members_ += "\":";
}

Details& Details::text(std::string_view name_text, std::string_view value) {
  name(name_text);
  members_ += json::quote(value);
  return *this;
}

Details& Details::textIf(std::string_view name_text, std::string_view value) { return value.empty() ? *this : text(name_text, value); }

Details& Details::member(std::string_view name_text, std::string_view inner, std::string_view value) {
  name(name_text);
  members_ += "{\"";
  members_ += inner;
  members_ += "\":";
  members_ += json::quote(value);
  members_ += '}';
  return *this;
}

Details& Details::number(std::string_view name_text, std::int64_t value) {
  name(name_text);
  appendNumber(members_, value);
  return *this;
}

Details& Details::document(std::string_view name_text, const Payload& payload) {
  plainDocument(name_text, payload);
  members_ += ",\"";
  members_ += name_text;
  members_ += "Details\":{\"truncated\":false}";
  return *this;
}

Details& Details::plainDocument(std::string_view name_text, const Payload& payload) {
  if (isNamed(payload)) {
    name(name_text);
    members_ += documentText(payload);
    return *this;
  }
  const auto& quoted = payload.quoted();
  members_.reserve(members_.size() + quoted.size() + 64);
  name(name_text);
  members_ += quoted;
  return *this;
}

namespace {

/// The member of an event's details that is its document, or nullptr. `Event` is const or not.
template <class Event>
auto* documentIn(Event& event) {
  decltype(&event.begin()->value()) found = nullptr;
  for (auto& member : event) {
    if (!member.value().is_object()) continue;
    for (const auto* key : {"input", "output", "parameters"})
      if (auto* value = member.value().get_object().if_contains(key)) found = value;
  }
  return found;
}

}  // namespace

std::int64_t namedEvent(const json::Object& event) {
  const auto* document = documentIn(event);
  return document != nullptr && document->is_object() ? json::intOr(document->get_object(), "event", 0) : 0;
}

void resolveDocument(json::Object& event, const json::Object& holder) {
  auto* place = documentIn(event);
  const auto* document = documentIn(holder);
  if (place != nullptr && document != nullptr) *place = *document;
}

std::optional<std::string> documentOf(const json::Object& event) {
  const auto* document = documentIn(event);
  if (document == nullptr || !document->is_string()) return std::nullopt;
  return json::toStd(document->get_string());
}

std::string documentText(const Payload& payload) {
  if (!isNamed(payload)) return payload.quoted();
  std::string text = "{\"event\":";
  appendNumber(text, payload.event);
  return text += '}';
}

HistoryLog::HistoryLog(std::int64_t next_event, Instant now) : first_event_(next_event), next_event_(next_event) {
  const auto millis = toMicros(now) / 1000;
  timestamp_ = fmt::format("{}.{:03}", millis / 1000, millis % 1000);
}

std::int64_t HistoryLog::add(std::string_view type, std::int64_t previous, std::string_view details_name, const Details& details) {
  const auto id = next_event_++;
  std::string out;
  out.reserve(96 + type.size() + details_name.size() + details.members().size());
  out += "{\"timestamp\":";
  out += timestamp_;
  out += ",\"type\":\"";
  out += type;
  out += "\",\"id\":";
  appendNumber(out, id);
  out += ",\"previousEventId\":";
  appendNumber(out, previous);
  if (!details_name.empty()) {
    out += ",\"";
    out += details_name;
    out += "EventDetails\":{";
    out += details.members();
    out += '}';
  }
  out += '}';
  events_.push_back(std::move(out));
  return id;
}

}  // namespace sp::engine

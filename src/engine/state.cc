#include "engine/state.h"

#include <charconv>
#include <unordered_map>

#include <fmt/format.h>

#include "engine/history.h"

namespace sp::engine {
namespace {

constexpr std::int64_t kVersion = 1;

/// Writes documents once, however many places share them.
class Encoder {
 public:
  explicit Encoder(std::string& out) : out_(out) {}

  void number(std::int64_t value) {
    char buffer[24];
    comma();
    out_.append(buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr);
  }
  void text(std::string_view value) {
    comma();
    out_ += json::quote(value);
  }
  /// Its place in the list of documents and the event that holds it; -1 alone: none.
  void document(const Payload& payload) {
    if (!payload) return number(-1);
    const auto [found, fresh] = places_.emplace(payload.identity(), static_cast<std::int64_t>(documents_.size()));
    if (fresh) documents_.push_back(&payload);
    // One handle may know the event that holds it where another does not.
    auto*& known = documents_[static_cast<std::size_t>(found->second)];
    if (known->event == 0) known = &payload;
    number(found->second);
    number(payload.event);
  }
  void open() {
    comma();
    out_ += '[';
    first_ = true;
  }
  void close() {
    out_ += ']';
    first_ = false;
  }
  void documents() {
    open();
    for (const auto* payload : documents_) {
      comma();
      out_ += documentText(*payload);
    }
    close();
  }

 private:
  void comma() {
    if (!first_) out_ += ',';
    first_ = false;
  }
  std::string& out_;
  bool first_ = true;
  std::unordered_map<const void*, std::int64_t> places_;
  std::vector<const Payload*> documents_;
};

void encodeFrame(Encoder& e, const Frame& f) {
  e.open();
  for (const auto n :
       {f.id, f.parent, f.branch, static_cast<std::int64_t>(f.state), static_cast<std::int64_t>(f.phase), toMicros(f.entered),
        f.entered_event, f.last_event, f.waiting, f.timeout_timer, f.heartbeat_timer, f.heartbeat_seconds, f.retry_count})
    e.number(n);
  e.document(f.input);
  e.document(f.item);
  e.open();
  for (const auto n : f.attempts) e.number(n);
  e.close();
  if (f.phase == Phase::children) {
    e.document(f.effective);
    e.document(f.items);
    for (const auto n : {f.next_item, f.running, f.finished, f.failed, f.concurrency, f.tolerated}) e.number(n);
    e.open();
    for (const auto& result : f.results) e.document(result);
    e.close();
  }
  if (f.borne) e.number(1);
  e.close();
}

std::unexpected<Error> damaged() {
  return fail("engine.state", "the stored state of an execution is damaged or was written by a later version");
}

/// Reads one array member after member; `ok` turns false at the first that is not as expected.
class Decoder {
 public:
  explicit Decoder(const json::Value& value) : array_(value.is_array() ? &value.get_array() : nullptr) { ok = array_ != nullptr; }

  const json::Value* next() {
    if (!ok || at_ == array_->size()) {
      ok = false;
      return nullptr;
    }
    return &(*array_)[at_++];
  }
  std::int64_t number() {
    const auto* value = next();
    if (value != nullptr && value->is_int64()) return value->get_int64();
    ok = false;
    return 0;
  }
  std::string text() {
    const auto* value = next();
    if (value != nullptr && value->is_string()) return json::toStd(value->get_string());
    ok = false;
    return {};
  }
  const json::Array* list() {
    const auto* value = next();
    if (value != nullptr && value->is_array()) return &value->get_array();
    ok = false;
    return nullptr;
  }
  Payload document(const std::vector<Payload>& documents) {
    const auto place = number();
    if (place == -1) return {};
    if (place < 0 || place >= static_cast<std::int64_t>(documents.size())) {
      ok = false;
      return {};
    }
    auto payload = documents[static_cast<std::size_t>(place)];
    payload.event = number();
    ok = ok && payload.event >= 0;
    return payload;
  }
  bool more() const { return ok && at_ < array_->size(); }

  bool ok = true;

 private:
  const json::Array* array_;
  std::size_t at_ = 0;
};

bool decodeFrame(const json::Value& value, const std::vector<Payload>& documents, Frame& f) {
  Decoder d(value);
  f.id = d.number();
  f.parent = d.number();
  f.branch = d.number();
  f.state = static_cast<int>(d.number());
  const auto phase = d.number();
  if (phase < 0 || phase > static_cast<std::int64_t>(Phase::children)) return false;
  f.phase = static_cast<Phase>(phase);
  f.entered = fromMicros(d.number());
  for (auto* n : {&f.entered_event, &f.last_event, &f.waiting, &f.timeout_timer, &f.heartbeat_timer, &f.heartbeat_seconds, &f.retry_count})
    *n = d.number();
  f.input = d.document(documents);
  f.item = d.document(documents);
  if (const auto* attempts = d.list())
    for (const auto& one : *attempts) f.attempts.push_back(one.is_int64() ? one.get_int64() : 0);
  if (f.phase == Phase::children) {
    f.effective = d.document(documents);
    f.items = d.document(documents);
    for (auto* n : {&f.next_item, &f.running, &f.finished, &f.failed, &f.concurrency, &f.tolerated}) *n = d.number();
    if (const auto* results = d.next()) {
      Decoder r(*results);
      while (r.more()) f.results.push_back(r.document(documents));
      d.ok = d.ok && r.ok;
    }
  }
  if (d.more()) f.borne = d.number() != 0;
  return d.ok;
}

}  // namespace

// [version, [identity…], [counters…], [input], [[frame…], …], [document, …]]
std::string encode(const State& state) {
  std::string out = "[";
  Encoder e(out);
  e.number(kVersion);
  e.open();
  const auto& id = *state.identity;
  for (const auto* text : {&id.arn, &id.name, &id.machine_arn, &id.machine_name, &id.role_arn, &id.definition}) e.text(*text);
  e.number(toMicros(id.started));
  e.number(id.unlimited ? 1 : 0);
  e.close();
  e.open();
  for (const auto n : {state.next_event, state.next_frame, state.next_number, state.deadline_timer, state.resume_timer,
                       static_cast<std::int64_t>(state.ended), state.redrives, toMicros(state.redriven)})
    e.number(n);
  e.close();
  e.open();
  e.document(state.input);
  e.close();
  e.open();
  for (const auto& [frame_id, frame] : state.frames) encodeFrame(e, frame);
  e.close();
  e.documents();
  out += ']';
  return out;
}

Result<State> decode(std::string_view text, const HeldDocument& held) {
  const auto parsed = json::parse(text);
  if (!parsed) return damaged();
  Decoder d(*parsed);
  if (d.number() != kVersion) return damaged();
  const auto* identity = d.next();
  const auto* counters = d.next();
  const auto* input = d.next();
  const auto* frames = d.list();
  const auto* texts = d.list();
  if (!d.ok) return damaged();

  State state;
  Decoder i(*identity);
  Identity id;
  for (auto* one : {&id.arn, &id.name, &id.machine_arn, &id.machine_name, &id.role_arn, &id.definition}) *one = i.text();
  id.started = fromMicros(i.number());
  id.unlimited = i.number() != 0;
  state.identity = std::make_shared<const Identity>(std::move(id));
  Decoder c(*counters);
  for (auto* one : {&state.next_event, &state.next_frame, &state.next_number, &state.deadline_timer, &state.resume_timer})
    *one = c.number();
  state.ended = c.number() != 0;
  // States written before executions could be redriven end here.
  if (c.more()) {
    state.redrives = c.number();
    state.redriven = fromMicros(c.number());
  }
  std::vector<Payload> documents;
  for (const auto& one : *texts) {
    if (one.is_string()) {
      documents.push_back(Payload::fromText(json::toStd(one.get_string())));
      continue;
    }
    const auto event = one.is_object() ? json::intOr(one.get_object(), "event", 0) : 0;
    auto document = event > 0 && held ? held(event) : std::nullopt;
    if (!document) return damaged();
    documents.push_back(Payload::fromText(std::move(*document)));
  }
  Decoder first(*input);
  state.input = first.document(documents);
  if (!i.ok || !c.ok || !first.ok || !state.input) return damaged();
  for (const auto& one : *frames) {
    Frame frame;
    if (!decodeFrame(one, documents, frame)) return damaged();
    state.frames.emplace(frame.id, std::move(frame));
  }
  return state;
}

}  // namespace sp::engine

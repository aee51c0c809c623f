#include "agent/freeze_rules.h"

#include <fmt/format.h>

namespace sp::agent {
namespace {

constexpr std::size_t kStoredOutput = 4096;

/// The result as it is kept for ever: the heads of its outputs only.
json::Object trimmed(json::Object result) {
  auto* steps = result.if_contains("steps");
  if (!steps || !steps->is_array()) return result;
  for (auto& step : steps->get_array()) {
    if (!step.is_object()) continue;
    for (const char* stream : {"stdout", "stderr"}) {
      auto* text = step.get_object().if_contains(stream);
      if (!text || !text->is_string() || text->get_string().size() <= kStoredOutput) continue;
      auto& string = text->get_string();
      std::size_t size = kStoredOutput;
      while (size > 0 && (static_cast<unsigned char>(string[size]) & 0xC0U) == 0x80U) --size;
      string.resize(size);
    }
  }
  return result;
}

}  // namespace

std::string FreezeTag::attemptKey() const { return fmt::format("{}/{}", thaw ? "thaw" : "freeze", attempt); }

std::optional<FreezeTag> FreezeTag::of(const json::Object& request) {
  const auto* value = json::find(request, "freeze");
  if (!value || !value->is_object()) return std::nullopt;
  const auto& object = value->get_object();
  FreezeTag tag{json::textOr(object, "id"), json::textOr(object, "phase") == "thaw", json::intOr(object, "attempt", 1)};
  if (tag.id.empty()) return std::nullopt;
  return tag;
}

Freeze onAccept(std::optional<Freeze> before, const FreezeTag& tag, const std::string& request_id, const std::string& guard_why) {
  Freeze freeze = before ? std::move(*before) : Freeze();
  freeze.attempts.emplace(tag.attemptKey(), request_id);
  if (tag.thaw && !freeze.refused) {
    freeze.refused = true;
    freeze.why = fmt::format("freeze {} was already thawed", tag.id);
  }
  if (tag.byGuard()) {
    if (freeze.guard) freeze.guard->attempts = -tag.attempt;
    if (freeze.broken.empty()) freeze.broken = guard_why;
  }
  return freeze;
}

Hold holdOf(const std::optional<Freeze>& freeze, const std::string& freeze_id) {
  if (!freeze) return {false, fmt::format("the agent knows nothing of freeze {}: its state directory was emptied or set back", freeze_id)};
  if (!freeze->broken.empty()) return {false, freeze->broken};
  if (freeze->refused) return {false, freeze->why};
  if (!freeze->guard) return {false, fmt::format("freeze {} was never guarded", freeze_id)};
  return {true, ""};
}

FreezeDecision decide(const Freeze& freeze, const FreezeTag& tag, const std::string& request_id) {
  FreezeDecision decision;
  if (tag.thaw && freeze.thawed) {
    decision.kind = FreezeDecision::Kind::answer;
    decision.result = *freeze.thawed;
    return decision;
  }
  if (!tag.thaw && freeze.refused) {
    decision.kind = FreezeDecision::Kind::refuse;
    decision.message = freeze.why;
    return decision;
  }
  const auto owner = freeze.attempts.find(tag.attemptKey());
  if (owner != freeze.attempts.end() && owner->second != request_id) {
    decision.kind = FreezeDecision::Kind::refuse;
    decision.message = fmt::format("attempt {} to {} freeze {} was already made by {}; a new try needs a new attempt number", tag.attempt,
                                   tag.thaw ? "thaw" : "begin", tag.id, owner->second);
  }
  return decision;
}

Freeze onResult(Freeze before, const FreezeTag& tag, const json::Object& result) {
  const auto status = json::textOr(result, "status");
  if (!tag.thaw && before.guard) before.guard->pre = status;
  if (tag.thaw && !before.thawed && status == "Success") {
    before.thawed = trimmed(result);
    before.guard.reset();
  }
  return before;
}

Freeze onCancel(Freeze before, const FreezeTag& tag) {
  if (!tag.thaw && !before.refused) {
    before.refused = true;
    before.why = fmt::format("freeze {} was cancelled", tag.id);
  }
  return before;
}

}  // namespace sp::agent

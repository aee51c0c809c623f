#include "engine/payload.h"

#include <algorithm>

#include "base/assert.h"
#include "json/big_integer.h"

namespace sp::engine {

namespace {

bool deeperThan(const json::Value& value, std::size_t limit) {
  if (!value.is_structured()) return false;
  if (limit == 0) return true;
  if (const auto* array = value.if_array()) return std::ranges::any_of(*array, [=](const auto& one) { return deeperThan(one, limit - 1); });
  return std::ranges::any_of(value.get_object(), [=](const auto& member) { return deeperThan(member.value(), limit - 1); });
}

/// Of a text that is valid JSON.
bool textDeeperThan(std::string_view text, std::size_t limit) {
  std::size_t depth = 0;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c == '\\') ++i;
      else if (c == '"') quoted = false;
    } else if (c == '"') {
      quoted = true;
    } else if (c == '[' || c == '{') {
      if (++depth > limit) return true;
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
  return false;
}

}  // namespace

Payload Payload::fromText(std::string text) {
  Payload made;
  made.body_ = std::make_shared<Body>();
  made.body_->text = std::move(text);
  return made;
}

Payload Payload::fromValue(json::Value value) {
  Payload made;
  made.body_ = std::make_shared<Body>();
  made.body_->value = std::move(value);
  return made;
}

const std::string& Payload::text() const {
  SP_ASSERT(body_ != nullptr);
  if (!body_->text) body_->text = json::toText(*body_->value);
  return *body_->text;
}

const json::Value& Payload::value() const {
  SP_ASSERT(body_ != nullptr);
  if (!body_->value) {
    auto parsed = json::parseExact(*body_->text);
    SP_ASSERT(parsed.has_value());
    body_->value = std::move(*parsed);
  }
  return *body_->value;
}

bool Payload::tooDeep() const {
  SP_ASSERT(body_ != nullptr);
  // A document passes through many states: it is looked at once.
  if (!body_->too_deep) body_->too_deep = body_->value ? deeperThan(*body_->value, kDepthMax) : textDeeperThan(*body_->text, kDepthMax);
  return *body_->too_deep;
}

const std::string& Payload::quoted() const {
  if (body_->quoted.empty()) body_->quoted = json::quote(text());
  return body_->quoted;
}

}  // namespace sp::engine

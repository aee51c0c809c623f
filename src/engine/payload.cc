#include "engine/payload.h"

#include "base/assert.h"

namespace sp::engine {

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
    auto parsed = json::parse(*body_->text);
    SP_ASSERT(parsed.has_value());
    body_->value = std::move(*parsed);
  }
  return *body_->value;
}

const std::string& Payload::quoted() const {
  if (body_->quoted.empty()) body_->quoted = json::quote(text());
  return body_->quoted;
}

}  // namespace sp::engine

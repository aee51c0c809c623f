// The context object of tests.
#pragma once
#include "asl/scope.h"

namespace sp::asl {

class Context final : public ContextSource {
 public:
  const json::Value& context(bool) override { return value; }
  json::Value value = *json::parse(R"({"State":{"Name":"S"}})");
};

}  // namespace sp::asl

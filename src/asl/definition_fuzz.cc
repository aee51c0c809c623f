// libFuzzer target: whatever bytes come, a definition compiles or is refused, and paths and intrinsics do not run away.
//   clang++-19 -std=c++23 -fsanitize=fuzzer,address -Isrc … src/asl/definition_fuzz.cc, corpus in tests/corpus/asl
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "asl/definition.h"

namespace {

class NoContext final : public sp::asl::ContextSource {
 public:
  const sp::json::Value& context(bool) override { return value_; }

 private:
  sp::json::Value value_ = sp::json::Object();
};

}  // namespace

// The first byte chooses what the others are.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sp;
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  static const auto document = *json::parse(R"({"a":{"b":[1,2,{"c":"x"}]},"l":[{"n":1},{"n":2.5}],"s":"text","z":null})");
  NoContext context;
  asl::Dice dice(data[0]);
  switch (data[0] % 3) {
    case 0: static_cast<void>(asl::compile(text)); break;
    case 1:
      if (const auto path = asl::Path::parse(text)) static_cast<void>(path->read(document));
      break;
    default:
      if (const auto expression = asl::Expression::parse(text)) static_cast<void>(expression->evaluate({document, context, dice}, "f"));
  }
  return 0;
}

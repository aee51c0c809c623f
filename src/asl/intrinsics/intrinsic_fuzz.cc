// libFuzzer target: any text as an expression. What parses evaluates to a value or an error, the same one twice with the
// same dice, and its value is JSON that can be written and read.
#include <cstdint>

#include "asl/intrinsics/expression.h"
#include "base/assert.h"
#include "base/strings.h"

namespace {

class Context final : public sp::asl::ContextSource {
 public:
  const sp::json::Value& context(bool) override { return value_; }

 private:
  sp::json::Value value_ = *sp::json::parse(R"({"Execution":{"Id":"arn:x","Input":{"a":1}},"State":{"Name":"S","RetryCount":0}})");
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sp;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  // It comes out of a JSON text.
  if (!isUtf8(text)) return 0;
  static const auto kDocument = *json::parse(
      R"({"a":{"b":[1,2,{"c":"x"}]},"l":[3,1,2,1],"s":"a,b.c","t":"{\"k\":1}","b":"aGVsbG8=","n":-7,"f":2.5,"z":null,"y":true})");
  static Context context;
  const auto expression = asl::Expression::parse(text);
  if (!expression) return 0;
  asl::Dice first(size);
  asl::Dice second(size);
  const auto value = expression->evaluate({kDocument, context, first}, "f");
  const auto again = expression->evaluate({kDocument, context, second}, "f");
  SP_ASSERT(value.has_value() == again.has_value());
  if (!value) {
    SP_ASSERT(value.error().error.starts_with("States."));
    return 0;
  }
  const auto written = json::toText(*value);
  SP_ASSERT(written == json::toText(*again));
  SP_ASSERT(json::parse(written).has_value());
  return 0;
}

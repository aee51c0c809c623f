// libFuzzer target: any text as condition and as projection. What parses must resolve or be refused, and what resolves must
// evaluate, without touching memory it should not; the answer of a condition and its negation must differ.
#include <cstdint>

#include "base/assert.h"
#include "services/dynamodb/expression/evaluate.h"
#include "services/dynamodb/expression/key_condition.h"
#include "services/dynamodb/request.h"

namespace {

const sp::json::Object& item() {
  static const auto kItem =
      sp::json::parse(R"({"a":{"S":"x"},"b":{"N":"1"},"c":{"L":[{"M":{"d":{"B":"QQ=="}}}]},"e":{"SS":["x"]}})")->get_object();
  return kItem;
}

// Names and values that a short expression can reach; unused ones would refuse it, so only those that occur are given.
sp::json::Object requestWith(const char* kind, std::string_view text) {
  sp::json::Object input{{kind, text}};
  sp::json::Object names;
  sp::json::Object values;
  if (text.find("#a") != std::string_view::npos) names["#a"] = "a";
  if (text.find(":s") != std::string_view::npos) values[":s"] = sp::json::Object{{"S", "x"}};
  if (text.find(":n") != std::string_view::npos) values[":n"] = sp::json::Object{{"N", "1"}};
  if (!names.empty()) input["ExpressionAttributeNames"] = names;
  if (!values.empty()) input["ExpressionAttributeValues"] = values;
  return input;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sp::dynamodb;
  const std::string text(data, data + size);
  if (!sp::json::parse(sp::json::quote(text))) return 0;
  const auto filter = requestWith("FilterExpression", text);
  if (const auto read = Expressions::read(Request(filter), {"FilterExpression"})) {
    const bool yes = meets(*read->filter, item());
    const auto negated = requestWith("FilterExpression", "NOT (" + text + ")");
    if (const auto inverse = Expressions::read(Request(negated), {"FilterExpression"})) SP_ASSERT(meets(*inverse->filter, item()) != yes);
  }
  const auto projection = requestWith("ProjectionExpression", text);
  if (const auto read = Expressions::read(Request(projection), {"ProjectionExpression"}))
    SP_ASSERT(project(*read->projection, item()).size() <= item().size());
  const auto keys = requestWith("KeyConditionExpression", text);
  if (const auto read = Expressions::read(Request(keys), {"KeyConditionExpression"})) {
    Table table;
    table.hash = {"a", "S"};
    table.range = KeyAttribute{"b", "N"};
    if (const auto range = keyRange(*read->key_condition, table)) SP_ASSERT(range->partition == "x");
  }
  return 0;
}

// libFuzzer target: any text as condition, projection, key condition and update. What parses must resolve or be refused, and
// what resolves must evaluate, without touching memory it should not. The answer of a condition and its negation must differ;
// what an update makes of an item must be an item, with the key it had, and the same when it is made again.
#include <algorithm>
#include <cstdint>

#include "base/assert.h"
#include "services/dynamodb/expression/evaluate.h"
#include "services/dynamodb/expression/key_condition.h"
#include "services/dynamodb/expression/update.h"
#include "services/dynamodb/request.h"
#include "services/dynamodb/value.h"

namespace {

using namespace sp::dynamodb;

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
  const auto give = [&](std::string_view name, std::string_view type, sp::json::Value value) {
    if (text.find(name) != std::string_view::npos) values[name] = sp::json::Object{{type, std::move(value)}};
  };
  if (text.find("#a") != std::string_view::npos) names["#a"] = "a";
  if (text.find("#k") != std::string_view::npos) names["#k"] = "key";
  give(":s", "S", "x");
  give(":n", "N", "1");
  give(":l", "L", sp::json::Array{sp::json::Object{{"N", "9e125"}}});
  give(":m", "M", sp::json::Object{{"d", sp::json::Object{{"L", sp::json::Array{}}}}});
  give(":t", "SS", sp::json::Array{"x", "y"});
  if (!names.empty()) input["ExpressionAttributeNames"] = names;
  if (!values.empty()) input["ExpressionAttributeValues"] = values;
  return input;
}

void tryCondition(const std::string& text) {
  const auto filter = requestWith("FilterExpression", text);
  const auto read = Expressions::read(Request(filter), {"FilterExpression"});
  if (!read) return;
  const bool yes = meets(*read->filter, item());
  const auto negated = requestWith("FilterExpression", "NOT (" + text + ")");
  if (const auto inverse = Expressions::read(Request(negated), {"FilterExpression"})) SP_ASSERT(meets(*inverse->filter, item()) != yes);
}

void tryProjection(const std::string& text) {
  const auto projection = requestWith("ProjectionExpression", text);
  if (const auto read = Expressions::read(Request(projection), {"ProjectionExpression"}))
    SP_ASSERT(project(*read->projection, item()).size() <= item().size());
}

void tryKeys(const std::string& text) {
  const auto keys = requestWith("KeyConditionExpression", text);
  const auto read = Expressions::read(Request(keys), {"KeyConditionExpression"});
  if (!read) return;
  Table table;
  table.hash = {"a", "S"};
  table.range = KeyAttribute{"b", "N"};
  if (const auto range = keyRange(*read->key_condition, table)) SP_ASSERT(range->partition == "x");
}

void tryUpdate(const std::string& text) {
  const auto request = requestWith("UpdateExpression", text);
  const auto read = Expressions::read(Request(request), {"UpdateExpression"});
  if (!read) return;
  const sp::json::Object key{{"key", sp::json::Object{{"S", "k"}}}};
  auto whole = item();
  whole["key"] = key.at("key");
  for (const auto& old : {std::optional(whole), std::optional<sp::json::Object>()}) {
    const auto after = updated(*read->update, old, key);
    if (!after) continue;
    const auto checked = checkItem(*after);
    SP_ASSERT((checked && checked->canonical) || (!checked && checked.error().message.starts_with("Nesting Levels")));
    const bool names_key = std::ranges::any_of(read->update->actions, [](const auto& action) { return action.path.root() == "key"; });
    SP_ASSERT(names_key || after->at("key") == key.at("key"));
    SP_ASSERT(*updated(*read->update, old, key) == *after);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(data, data + size);
  if (!sp::json::parse(sp::json::quote(text))) return 0;
  tryCondition(text);
  tryProjection(text);
  tryKeys(text);
  tryUpdate(text);
  return 0;
}

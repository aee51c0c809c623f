#include "services/dynamodb/expression/evaluate.h"

#include <algorithm>
#include <cstring>

#include "base/hash.h"
#include "base/strings.h"
#include "services/dynamodb/value.h"

namespace sp::dynamodb {
namespace {

const json::Value* step(const Path::Step& where, const json::Value& value) {
  const auto found = typed(value);
  if (const auto* name = std::get_if<std::string>(&where))
    return found.type == "M" ? json::find(found.content->get_object(), *name) : nullptr;
  const auto index = std::get<std::size_t>(where);
  if (found.type != "L" || index >= found.content->get_array().size()) return nullptr;
  return &found.content->get_array()[index];
}

// Length of a string as DynamoDB tells it: UTF-16 units.
std::size_t lengthOf(std::string_view text) {
  std::size_t units = 0;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte & 0xc0U) != 0x80U) units += byte >= 0xf0 ? 2 : 1;
  }
  return units;
}

std::optional<std::size_t> sizeOfOperand(const json::Value& value) {
  const auto found = typed(value);
  if (found.type == "S") return lengthOf(json::toView(found.content->get_string()));
  if (found.type == "B") return fromBase64(json::toView(found.content->get_string())).value_or("").size();
  if (found.content->is_array()) return found.content->get_array().size();
  if (found.type == "M") return found.content->get_object().size();
  return std::nullopt;
}

// The value of one side; `made` holds it where it had to be made (size()).
const json::Value* valueOf(const Operand& operand, const json::Object& item, json::Value& made) {
  if (operand.value != nullptr) return operand.value;
  if (const auto* path = operand.path()) return valueAt(*path, item);
  const auto* function = operand.function();
  if (function == nullptr) return nullptr;
  json::Value inner;
  const auto* argument = valueOf(function->arguments.front(), item, inner);
  if (argument == nullptr) return nullptr;
  const auto size = sizeOfOperand(*argument);
  if (!size) return nullptr;
  made = json::Object{{"N", std::to_string(*size)}};
  return &made;
}

bool compare(std::string_view op, const json::Value* a, const json::Value* b) {
  if (op == "<>") return a == nullptr || b == nullptr ? a != b : !equalValues(*a, *b);
  if (a == nullptr || b == nullptr) return false;
  if (op == "=") return equalValues(*a, *b);
  const auto order = orderOfValues(*a, *b);
  if (!order) return false;
  if (op == "<") return *order < 0;
  if (op == "<=") return *order <= 0;
  return op == ">" ? *order > 0 : *order >= 0;
}

// memmem takes a time that grows with the two lengths, find() one that grows with their product.
bool holds(std::string_view whole, std::string_view part) {
  return part.empty() || ::memmem(whole.data(), whole.size(), part.data(), part.size()) != nullptr;
}

// Of base64: groups of four are bytes of their own but for a padded last one.
bool beginsWithBytes(std::string_view whole, std::string_view prefix) {
  const auto groups = prefix.ends_with('=') ? prefix.size() - 4 : prefix.size();
  if (!whole.starts_with(prefix.substr(0, groups))) return false;
  return fromBase64(whole.substr(groups, 4)).value_or("").starts_with(fromBase64(prefix.substr(groups)).value_or(""));
}

bool beginsWith(const json::Value& whole, const json::Value& prefix) {
  const auto a = typed(whole);
  const auto b = typed(prefix);
  if (a.type != b.type || (a.type != "S" && a.type != "B")) return false;
  const auto x = json::toView(a.content->get_string());
  const auto y = json::toView(b.content->get_string());
  return a.type == "S" ? x.starts_with(y) : beginsWithBytes(x, y);
}

bool containsValue(const json::Value& whole, const json::Value& part) {
  const auto a = typed(whole);
  const auto b = typed(part);
  if (a.type == "L") return std::ranges::any_of(a.content->get_array(), [&](const auto& element) { return equalValues(element, part); });
  if (a.content->is_array())
    return a.type.substr(0, 1) == b.type && std::ranges::find(a.content->get_array(), *b.content) != a.content->get_array().end();
  if (a.type != b.type || (a.type != "S" && a.type != "B")) return false;
  const auto x = json::toView(a.content->get_string());
  const auto y = json::toView(b.content->get_string());
  if (y.size() > x.size()) return false;
  return a.type == "S" ? holds(x, y) : holds(fromBase64(x).value_or(""), fromBase64(y).value_or(""));
}

bool callMeets(const Function& function, const json::Object& item) {
  json::Value made_first;
  json::Value made_second;
  const auto* first = valueOf(function.arguments.front(), item, made_first);
  if (function.name == "attribute_exists") return first != nullptr;
  if (function.name == "attribute_not_exists") return first == nullptr;
  const auto* second = valueOf(function.arguments[1], item, made_second);
  if (first == nullptr || second == nullptr) return false;
  if (function.name == "attribute_type") return typed(*first).type == json::toView(typed(*second).content->get_string());
  return function.name == "begins_with" ? beginsWith(*first, *second) : containsValue(*first, *second);
}

void want(Wanted& tree, const Path& path) {
  auto* node = &tree;
  for (const auto& one : path.steps) node = &node->parts[one];
  node->all = true;
}

json::Object members(const Wanted& wanted, const json::Object& from);

// The asked part of a value, or nullopt if nothing of it is there.
std::optional<json::Value> part(const Wanted& wanted, const json::Value& value) {
  if (wanted.all) return value;
  const auto found = typed(value);
  if (found.type == "M") {
    auto kept = members(wanted, found.content->get_object());
    if (kept.empty()) return std::nullopt;
    return json::Value(json::Object{{"M", std::move(kept)}});
  }
  if (found.type != "L") return std::nullopt;
  json::Array kept;
  for (const auto& [where, deeper] : wanted.parts) {
    const auto* element = step(where, value);
    if (element == nullptr) continue;
    if (auto inner = part(deeper, *element)) kept.push_back(std::move(*inner));
  }
  if (kept.empty()) return std::nullopt;
  return json::Value(json::Object{{"L", std::move(kept)}});
}

json::Object members(const Wanted& wanted, const json::Object& from) {
  json::Object out;
  for (const auto& [where, deeper] : wanted.parts) {
    const auto* name = std::get_if<std::string>(&where);
    const auto* value = name == nullptr ? nullptr : json::find(from, *name);
    if (value == nullptr) continue;
    if (auto kept = part(deeper, *value)) out.emplace(*name, std::move(*kept));
  }
  return out;
}

}  // namespace

const json::Value* valueAt(const Path& path, const json::Object& item) {
  const auto* value = json::find(item, path.root());
  for (std::size_t i = 1; value != nullptr && i < path.steps.size(); ++i) value = step(path.steps[i], *value);
  return value;
}

bool meets(const Condition& condition, const json::Object& item) {
  if (condition.op == "AND") return meets(*condition.children[0], item) && meets(*condition.children[1], item);
  if (condition.op == "OR") return meets(*condition.children[0], item) || meets(*condition.children[1], item);
  if (condition.op == "NOT") return !meets(*condition.children[0], item);
  if (condition.op == "call") return callMeets(*condition.operands.front().function(), item);
  json::Value made;
  const auto* first = valueOf(condition.operands.front(), item, made);
  const auto other = [&](std::size_t index, std::string_view op) {
    json::Value made_other;
    return compare(op, first, valueOf(condition.operands[index], item, made_other));
  };
  if (condition.op == "BETWEEN") return other(1, ">=") && other(2, "<=");
  if (condition.op != "IN") return other(1, condition.op);
  for (std::size_t i = 1; i < condition.operands.size(); ++i)
    if (other(i, "=")) return true;
  return false;
}

Wanted wantedBy(const std::vector<Path>& paths) {
  Wanted tree;
  for (const auto& path : paths) want(tree, path);
  return tree;
}

json::Object project(const Wanted& wanted, const json::Object& item) { return members(wanted, item); }

json::Object project(const std::vector<Path>& paths, const json::Object& item) { return project(wantedBy(paths), item); }

}  // namespace sp::dynamodb

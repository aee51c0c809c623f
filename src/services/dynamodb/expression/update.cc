#include "services/dynamodb/expression/update.h"

#include <algorithm>

#include "services/dynamodb/expression/evaluate.h"
#include "services/dynamodb/number.h"
#include "services/dynamodb/value.h"

namespace sp::dynamodb {
namespace {

using Kind = UpdateAction::Kind;
using Evaluated = std::expected<json::Value, aws::ApiError>;

std::unexpected<aws::ApiError> invalid(std::string message) { return std::unexpected(aws::ApiError::validation(std::move(message))); }
std::unexpected<aws::ApiError> wrongType() { return invalid("An operand in the update expression has an incorrect data type"); }

// `value` absent: the path is to be removed.
struct Change {
  const Path* path;
  std::optional<json::Value> value;
};

Evaluated sum(const json::Value& a, const json::Value& b, char sign) {
  const auto left = typed(a);
  const auto right = typed(b);
  if (left.type != "N" || right.type != "N") return wrongType();
  SP_TRY(const auto x, Decimal::parse(json::toView(left.content->get_string())));
  SP_TRY(const auto y, Decimal::parse(json::toView(right.content->get_string())));
  SP_TRY(const auto result, sign == '-' ? x.minus(y) : x.plus(y));
  return json::Object{{"N", result.text()}};
}

Evaluated evaluate(const Operand& operand, const json::Object& item) {
  if (operand.value != nullptr) return *operand.value;
  if (const auto* path = operand.path()) {
    const auto* found = valueAt(*path, item);
    if (found == nullptr) return invalid("The provided expression refers to an attribute that does not exist in the item");
    return *found;
  }
  const auto& function = *operand.function();
  if (function.name == "if_not_exists") {
    const auto* found = valueAt(*function.arguments[0].path(), item);
    return found != nullptr ? Evaluated(*found) : evaluate(function.arguments[1], item);
  }
  SP_TRY(const auto first, evaluate(function.arguments[0], item));
  SP_TRY(const auto second, evaluate(function.arguments[1], item));
  const auto head = typed(first);
  const auto tail = typed(second);
  if (head.type != "L" || tail.type != "L") return wrongType();
  // What is put together ends in the item; calls within calls would copy it again and again.
  if (sizeOfValue(first) + sizeOfValue(second) > kItemSizeMax) return itemTooLarge();
  auto all = head.content->get_array();
  all.insert(all.end(), tail.content->get_array().begin(), tail.content->get_array().end());
  return json::Object{{"L", std::move(all)}};
}

// The elements of a set that another of its type has not.
json::Array subtract(const json::Array& from, const json::Array& less) {
  const auto texts = sortedTexts(less);
  json::Array kept;
  for (const auto& element : from)
    if (!std::ranges::binary_search(texts, json::toView(element.get_string()))) kept.push_back(element);
  return kept;
}
json::Array unite(json::Array into, const json::Array& more) {
  const auto fresh = subtract(more, into);
  into.insert(into.end(), fresh.begin(), fresh.end());
  return into;
}

Evaluated added(const json::Value* current, const json::Value& more) {
  if (current == nullptr) return more;
  const auto now = typed(*current);
  const auto given = typed(more);
  if (now.type != given.type) return wrongType();
  if (now.type == "N") return sum(*current, more, '+');
  json::Object out;
  out.emplace(now.type, unite(now.content->get_array(), given.content->get_array()));
  return out;
}

// What is left of a set; nullopt if nothing is.
std::expected<std::optional<json::Value>, aws::ApiError> lessened(const json::Value* current, const json::Value& less) {
  if (current == nullptr) return std::nullopt;
  const auto now = typed(*current);
  const auto given = typed(less);
  if (now.type != given.type) return wrongType();
  auto kept = subtract(now.content->get_array(), given.content->get_array());
  if (kept.empty()) return std::nullopt;
  json::Object out;
  out.emplace(now.type, std::move(kept));
  return std::optional<json::Value>(std::move(out));
}

std::expected<Change, aws::ApiError> changeOf(const UpdateAction& action, const json::Object& old) {
  Change change{&action.path, std::nullopt};
  if (action.kind == Kind::remove) return change;
  if (action.kind == Kind::erase) {
    SP_TRY(change.value, lessened(valueAt(action.path, old), *action.operands.front().value));
  } else if (action.kind == Kind::add) {
    SP_TRY(change.value, added(valueAt(action.path, old), *action.operands.front().value));
  } else {
    SP_TRY(change.value, evaluate(action.operands.front(), old));
    if (action.arithmetic == '\0') return change;
    SP_TRY(const auto second, evaluate(action.operands[1], old));
    SP_TRY(change.value, sum(*change.value, second, action.arithmetic));
  }
  return change;
}

// The members or elements in which a path's last step lies.
struct Place {
  json::Object* members = nullptr;
  json::Array* elements = nullptr;
};

// Stored values have one member: type and content.
json::Value& contentOf(json::Value& value) { return value.get_object().begin()->value(); }

std::expected<Place, aws::ApiError> placeOf(const Path& path, json::Object& item) {
  Place place{&item, nullptr};
  for (std::size_t i = 0; i < path.steps.size(); ++i) {
    const auto* name = std::get_if<std::string>(&path.steps[i]);
    if ((name == nullptr) != (place.members == nullptr)) break;
    if (i + 1 == path.steps.size()) return place;
    json::Value* inner = nullptr;
    if (name != nullptr) inner = place.members->if_contains(*name);
    else if (const auto at = std::get<std::size_t>(path.steps[i]); at < place.elements->size()) inner = &(*place.elements)[at];
    if (inner == nullptr) break;
    const auto type = typed(*inner).type;
    place.members = type == "M" ? &contentOf(*inner).get_object() : nullptr;
    place.elements = type == "L" ? &contentOf(*inner).get_array() : nullptr;
    if (place.members == nullptr && place.elements == nullptr) break;
  }
  return invalid("The document path provided in the update expression is invalid for update");
}

std::expected<void, aws::ApiError> put(Change& change, json::Object& item) {
  SP_TRY(const auto place, placeOf(*change.path, item));
  const auto& last = change.path->steps.back();
  if (place.members != nullptr) {
    (*place.members)[std::get<std::string>(last)] = *std::move(change.value);
    return {};
  }
  const auto at = std::get<std::size_t>(last);
  if (at < place.elements->size()) (*place.elements)[at] = *std::move(change.value);
  else place.elements->push_back(*std::move(change.value));
  return {};
}

std::expected<void, aws::ApiError> remove(const Change& change, bool is_there, json::Object& item) {
  SP_TRY(const auto place, placeOf(*change.path, item));
  if (!is_there) return {};
  const auto& last = change.path->steps.back();
  if (place.members != nullptr) place.members->erase(std::get<std::string>(last));
  else place.elements->erase(place.elements->begin() + static_cast<std::ptrdiff_t>(std::get<std::size_t>(last)));
  return {};
}

}  // namespace

std::unexpected<aws::ApiError> itemTooLarge() { return invalid("Item size to update has exceeded the maximum allowed size"); }

bool onlyRemoves(const Update& update) {
  return std::ranges::all_of(update.actions, [](const auto& action) { return action.kind == Kind::remove || action.kind == Kind::erase; });
}

std::expected<json::Object, aws::ApiError> updated(const Update& update, const std::optional<json::Object>& old,
                                                   const json::Object& fresh) {
  const json::Object nothing;
  const auto& before = old ? *old : nothing;
  std::vector<Change> puts;
  std::vector<Change> removals;
  // Paths do not overlap, so the item holds all that is put. Hundreds of actions may put one large value each.
  std::size_t bytes = 0;
  for (const auto& action : update.actions) {
    SP_TRY(auto change, changeOf(action, before));
    if (change.value) bytes += sizeOfValue(*change.value);
    if (bytes > kItemSizeMax) return itemTooLarge();
    (change.value ? puts : removals).push_back(std::move(change));
  }
  auto item = old ? *old : fresh;
  // Elements beyond the end of a list are appended in the order of their positions; then what is removed goes from the end, so
  // that no position moves before its turn.
  const auto byPath = [](const Change& change) -> const std::vector<Path::Step>& { return change.path->steps; };
  std::ranges::sort(puts, {}, byPath);
  std::ranges::sort(removals, std::ranges::greater(), byPath);
  for (auto& change : puts) SP_CHECK_OK(put(change, item));
  if (!old) return item;
  for (const auto& change : removals) SP_CHECK_OK(remove(change, valueAt(*change.path, before) != nullptr, item));
  return item;
}

}  // namespace sp::dynamodb

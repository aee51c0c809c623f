// Whether an item meets a condition, and what a projection leaves of it.
#pragma once
#include <map>
#include <vector>

#include "json/json.h"
#include "services/dynamodb/expression/ast.h"

namespace sp::dynamodb {

/// `condition` must be resolved. An item that does not exist is an empty object.
bool meets(const Condition& condition, const json::Object& item);

/// The attribute value at a path, or nullptr.
const json::Value* valueAt(const Path& path, const json::Object& item);

/// What is asked of an item, an attribute or an element: all of it, or parts.
struct Wanted {
  bool all = false;
  std::map<Path::Step, Wanted> parts;
};
Wanted wantedBy(const std::vector<Path>& paths);

/// The item with nothing but what is wanted; list elements move together, as AWS answers them.
json::Object project(const Wanted& wanted, const json::Object& item);
json::Object project(const std::vector<Path>& paths, const json::Object& item);

}  // namespace sp::dynamodb

// What describes an execution to people, as the JSON text of its row: role, definition, input, output, error, cause, redrives. A long
// document stands in the history only, and is named here by its event.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "engine/step.h"
#include "json/json.h"
#include "store/store.h"

namespace sp::runtime {

/// Of an execution with this input, at its start.
std::string describeStart(const engine::Identity& identity, const engine::Payload& input);

/// Ends the row: status, time, what came of it. Its state is gone with that.
void describeEnd(store::ExecutionRow& row, const engine::Finish& end, Instant now);

/// The members as they are stored; a text that cannot be read has none.
json::Object descriptionOf(const store::ExecutionRow& row);

/// The text of the document that an event of the history holds; nullopt: there is none.
std::optional<std::string> heldDocument(store::Txn& txn, std::string_view arn, std::int64_t event);

/// The text of `name` ("input" or "output"), read from the history where it stands there; nullopt: there is none.
std::optional<std::string> documentOf(store::Txn& txn, const store::ExecutionRow& row, const json::Object& description,
                                      std::string_view name);

}  // namespace sp::runtime

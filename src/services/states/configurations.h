// What state machines and activities are configured with besides their definitions: logging, tracing, encryption, tags.
#pragma once
#include <optional>

#include "json/json.h"
#include "services/states/input.h"
#include "services/states/machines.h"

namespace sp::services::states {

/// The member loggingConfiguration with its defaults filled in; nullopt: it is not given. ValidationException, SerializationException
/// or InvalidLoggingConfiguration.
Answer<std::optional<json::Object>> loggingOf(Input& input);
/// A stored one with its defaults filled in: earlier versions kept it as it was given.
json::Object withDefaults(json::Object logging);
/// The same of tracingConfiguration.
Answer<std::optional<json::Object>> tracingOf(Input& input);
/// Whether the member encryptionConfiguration is given. Keys of one's own are refused: ValidationException.
Answer<bool> encryptionOf(Input& input);
/// Tags of a request ([{key, value}]) put to the existing ones; ValidationException, SerializationException or TooManyTags.
Answer<json::Object> tagsOf(const json::Array* list, const json::Object& existing);

}  // namespace sp::services::states

// aws:runDocument of a document that lies on this machine.
#pragma once
#include <string>

#include "json/json.h"

namespace sp::agent {

/// The steps of the document that `step` names ("documentPath", below `downloads` unless absolute; empty: the only file there), with
/// "documentParameters" put in, in the form in which the server sends steps. Such a document fetches nothing from buckets and runs
/// no documents but those that lie on the machine. Errors "document.…", "os.…".
Result<json::Array> readLocalDocument(const json::Object& step, const std::string& downloads);

}  // namespace sp::agent

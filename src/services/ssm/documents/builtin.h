// The documents of AWS's that are served here, each in its one version.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sp::services::ssm {

/// Names of all, in their order.
const std::vector<std::string>& builtinDocuments();
/// The content of "AWS-RunShellScript" …; nullopt if there is no such document.
std::optional<std::string_view> builtinDocument(std::string_view name);

}  // namespace sp::services::ssm

#include "services/ssm/outputs.h"

#include <fmt/format.h>

namespace sp::services::ssm {
namespace {

constexpr std::string_view kStreamMark = "--output truncated--";
constexpr std::string_view kErrorTitle = "\n----------ERROR-------\n";
constexpr std::string_view kOutputMark = "\n---Output truncated---";
constexpr std::string_view kErrorMark = "\n---Error truncated----";
constexpr std::int64_t kStopAsSuccess = 168;

/// At most `limit` bytes, no character cut in two.
std::string_view head(std::string_view text, std::size_t limit) {
  if (text.size() <= limit) return text;
  while (limit > 0 && (static_cast<unsigned char>(text[limit]) & 0xC0U) == 0x80U) --limit;
  return text.substr(0, limit);
}

/// `text` whole, or cut so that it fits with its mark.
std::string fitted(std::string_view text, bool incomplete, std::size_t space, std::string_view mark) {
  if (!incomplete && text.size() <= space) return std::string(text);
  return std::string(head(text, space - std::min(space, mark.size()))) + std::string(mark);
}

}  // namespace

std::string truncatedStream(std::string_view text, std::int64_t whole_bytes, std::size_t limit) {
  return fitted(text, std::cmp_greater(whole_bytes, text.size()), limit, kStreamMark);
}

std::string pluginOutput(const StepRecord& step) {
  const bool out_cut = std::cmp_greater(step.output_bytes, step.output.size());
  if (step.error.empty() || step.exit_code == kStopAsSuccess) return fitted(step.output, out_cut, kPluginOutputMax, kOutputMark);
  const bool error_cut = std::cmp_greater(step.error_bytes, step.error.size());
  const auto space = kPluginOutputMax - kErrorTitle.size();
  auto out_space = space / 2;
  auto error_space = space - out_space;
  if (step.output.size() <= out_space && !out_cut) {
    out_space = step.output.size();
    error_space = space - out_space;
  } else if (step.error.size() <= error_space && !error_cut) {
    error_space = step.error.size();
    out_space = space - error_space;
  }
  return fitted(step.output, out_cut, out_space, kOutputMark) + std::string(kErrorTitle) +
         fitted(step.error, error_cut, error_space, kErrorMark);
}

std::string withoutColons(std::string_view text) {
  std::string kept;
  for (const char c : text)
    if (c != ':') kept += c;
  return kept;
}

std::string pluginKeyPrefix(std::string_view prefix, std::string_view command, std::string_view instance, const StepRecord& step) {
  return fmt::format("{}{}{}/{}/{}", prefix, prefix.empty() || prefix.ends_with('/') ? "" : "/", command, instance,
                     withoutColons(step.plugin));
}

std::string outputKey(std::string_view prefix, std::string_view command, std::string_view instance, const StepRecord& step,
                      std::string_view stream, std::string_view part) {
  // Documents of the old schema name no steps: their place stands for the name.
  const auto name =
      part.empty() ? (step.name == step.plugin ? "0." + withoutColons(step.plugin) : withoutColons(step.name)) : withoutColons(part);
  return fmt::format("{}/{}/{}", pluginKeyPrefix(prefix, command, instance, step), name, stream);
}

}  // namespace sp::services::ssm

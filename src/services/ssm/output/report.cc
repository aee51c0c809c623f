#include "services/ssm/output/report.h"

#include <algorithm>

#include "base/time_format.h"

namespace sp::services::ssm {
namespace {

constexpr std::string_view kScript = "aws:runShellScript";

/// Where the whole of a stream is: in the record, or in a file of its own.
json::Object streamReport(const Invocation& invocation, const StepRecord& step, std::string_view stream, const std::string& text,
                          std::int64_t bytes, const store::OutputStore& outputs) {
  const auto state = outputs.state({invocation.command_id, invocation.instance_id, step.name, std::string(stream)});
  bool whole_parts = true;
  std::int64_t in_parts = 0;
  for (const auto& part : outputs.steps(invocation.command_id, invocation.instance_id)) {
    if (!part.starts_with(step.name + "/")) continue;
    const auto each = outputs.state({invocation.command_id, invocation.instance_id, part, std::string(stream)});
    whole_parts = whole_parts && (each.have == 0 || each.whole());
    in_parts += static_cast<std::int64_t>(each.have + (each.ended ? each.total - each.tail_at : 0));
  }
  if (in_parts > 0)
    return {{"Bytes", std::max(bytes, in_parts)}, {"KeptBytes", in_parts}, {"Complete", isTerminal(invocation.status) && whole_parts}};
  const bool filed = state.have > 0 || state.ended;
  const auto here = filed ? state.have + (state.ended ? state.total - state.tail_at : 0) : text.size();
  const auto whole =
      filed ? (state.ended ? static_cast<std::int64_t>(state.total) : std::max(bytes, static_cast<std::int64_t>(state.have))) : bytes;
  const bool complete = filed ? state.whole() : isTerminal(invocation.status) && std::cmp_equal(text.size(), bytes);
  return {{"Bytes", whole}, {"KeptBytes", here}, {"Complete", complete}};
}

json::Object usageReport(const json::Object& usage) {
  const auto seconds = [&](const char* name) { return static_cast<double>(json::intOr(usage, name, 0)) / 1e6; };
  return {{"UserCpuSeconds", seconds("userUs")},
          {"SystemCpuSeconds", seconds("systemUs")},
          {"MaxResidentBytes", json::intOr(usage, "maxRssKiB", 0) * 1024},
          {"ReadBytes", json::intOr(usage, "readBytes", 0)},
          {"WrittenBytes", json::intOr(usage, "writtenBytes", 0)}};
}

json::Object stepReport(const Invocation& invocation, const StepRecord& step, const store::OutputStore& outputs) {
  json::Object out{{"Name", step.name},
                   {"Plugin", step.plugin},
                   {"Status", step.status},
                   {"StatusDetails", step.details},
                   {"ExitCode", step.exit_code},
                   {"Output", streamReport(invocation, step, "stdout", step.output, step.output_bytes, outputs)},
                   {"Error", streamReport(invocation, step, "stderr", step.error, step.error_bytes, outputs)}};
  if (step.started) out["StartTime"] = toIso8601Millis(*step.started);
  if (step.ended) out["EndTime"] = toIso8601Millis(*step.ended);
  if (step.started && step.ended) out["Seconds"] = static_cast<double>((*step.ended - *step.started).count()) / 1e6;
  if (!step.sha256.empty()) out["ScriptSha256"] = step.sha256;
  if (!step.scripts.empty()) {
    json::Array scripts;
    for (const auto& each : step.scripts)
      if (each.is_object())
        scripts.push_back(
            json::Object{{"Name", json::textOr(each.get_object(), "name")}, {"Sha256", json::textOr(each.get_object(), "sha256")}});
    out["Scripts"] = std::move(scripts);
  }
  if (!step.usage.empty()) out["Usage"] = usageReport(step.usage);
  if (!step.output_note.empty()) out["OutputNote"] = step.output_note;
  if (!step.files.empty()) {
    json::Array files;
    for (const auto& each : step.files)
      if (each.is_object())
        files.push_back(json::Object{{"Path", json::textOr(each.get_object(), "path")},
                                     {"Bytes", json::intOr(each.get_object(), "bytes", 0)},
                                     {"Sha256", json::textOr(each.get_object(), "sha256")}});
    out["Files"] = std::move(files);
  }
  return out;
}

}  // namespace

std::int64_t exitCodeOf(const Invocation& invocation) {
  const auto bad = std::ranges::find_if(invocation.steps, [](const StepRecord& step) { return step.status != "Success"; });
  if (bad != invocation.steps.end()) return bad->exit_code;
  for (auto step = invocation.steps.rbegin(); step != invocation.steps.rend(); ++step)
    if (step->plugin == kScript) return step->exit_code;
  return invocation.steps.empty() ? -1 : invocation.steps.back().exit_code;
}

json::Object invocationReport(const Invocation& invocation, const std::string& status, const std::string& details,
                              const store::OutputStore& outputs) {
  json::Array steps;
  for (const auto& step : invocation.steps) steps.push_back(stepReport(invocation, step, outputs));
  json::Object out{{"CommandId", invocation.command_id},
                   {"InstanceId", invocation.instance_id},
                   {"DocumentName", invocation.document_name},
                   {"RequestedTime", toIso8601Millis(invocation.requested)},
                   {"Status", status},
                   {"StatusDetails", details},
                   {"ExitCode", exitCodeOf(invocation)},
                   {"Steps", std::move(steps)}};
  if (!invocation.message.empty()) out["Message"] = invocation.message;
  if (invocation.ended) out["EndTime"] = toIso8601Millis(*invocation.ended);
  return out;
}

}  // namespace sp::services::ssm

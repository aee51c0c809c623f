#include "agent/backup/backup_runner.h"

#include <fmt/format.h>

#include "agent/backup/restic_process.h"
#include "agent/backup/tree.h"
#include "base/failpoint.h"
#include "base/strings.h"

namespace sp::agent {
namespace {

constexpr std::size_t kNamesKept = 100;
constexpr int kExitIncomplete = 3;

json::Object result(std::string_view state, std::string_view message) {
  return {{"type", "backup.result"}, {"state", state}, {"message", plainText(message)}};
}

std::vector<std::string> texts(const json::Object& request, std::string_view key) {
  std::vector<std::string> out;
  const auto* value = json::find(request, key);
  if (value == nullptr || !value->is_array()) return out;
  for (const auto& entry : value->get_array())
    if (entry.is_string()) out.push_back(json::toStd(entry.get_string()));
  return out;
}

/// What restic says while it reads.
class Reading final : public ResticListener {
 public:
  explicit Reading(RequestContext& context) : context_(context) {}

  void line(bool error_stream, std::string_view text) override {
    if (error_stream && text.find("does not exist, skipping") != std::string_view::npos) vanished_ = plainText(trim(text));
    if (!text.starts_with("{")) return;
    const auto parsed = json::parse(plainText(text));
    if (!parsed || !parsed->is_object()) return;
    const auto& message = parsed->get_object();
    const auto type = json::textOr(message, "message_type");
    if (type == "status") takeStatus(message);
    else if (type == "summary") takeSummary(message);
    else if (type == "error") takeError(message);
  }

  void tick(pid_t) override {
    if (!fresh_) return;
    fresh_ = false;
    json::Object members{
        {"bytesDone", bytes_}, {"filesDone", files_}, {"message", fmt::format("Reading: {} of {} files.", files_, total_files_)}};
    members["percent"] = percent_;
    members["bytesTotal"] = total_bytes_;
    members["filesTotal"] = total_files_;
    context_.progress(std::move(members));
  }

  std::uint64_t moved() const override { return static_cast<std::uint64_t>(bytes_) + static_cast<std::uint64_t>(files_) + lines_; }

  void again() override {
    fresh_ = summarised_ = false;
    lines_ = 0;
    percent_ = 0;
    files_ = bytes_ = total_files_ = total_bytes_ = failed_count_ = 0;
    failed_.clear();
    vanished_.clear();
  }

  bool summarised() const { return summarised_; }
  const std::string& vanished() const { return vanished_; }
  void addTo(json::Object& message) const {
    message["bytesProcessed"] = bytes_;
    message["filesProcessed"] = files_;
    json::Array names;
    for (const auto& name : failed_) names.emplace_back(name);
    message["failedFiles"] = std::move(names);
    message["failedCount"] = failed_count_;
  }

 private:
  void takeStatus(const json::Object& message) {
    const auto* percent = json::find(message, "percent_done");
    if (percent != nullptr && percent->is_number()) percent_ = percent->to_number<double>() * 100.0;
    total_files_ = json::intOr(message, "total_files", total_files_);
    total_bytes_ = json::intOr(message, "total_bytes", total_bytes_);
    files_ = json::intOr(message, "files_done", files_);
    bytes_ = json::intOr(message, "bytes_done", bytes_);
    fresh_ = true;
  }
  void takeSummary(const json::Object& message) {
    summarised_ = true;
    ++lines_;
    files_ = json::intOr(message, "total_files_processed", files_);
    bytes_ = json::intOr(message, "total_bytes_processed", bytes_);
  }
  void takeError(const json::Object& message) {
    ++failed_count_;
    if (failed_.size() < kNamesKept) failed_.push_back(json::textOr(message, "item"));
  }

  RequestContext& context_;
  bool fresh_ = false;
  bool summarised_ = false;
  std::uint64_t lines_ = 0;
  double percent_ = 0;
  std::int64_t files_ = 0;
  std::int64_t bytes_ = 0;
  std::int64_t total_files_ = 0;
  std::int64_t total_bytes_ = 0;
  std::vector<std::string> failed_;
  std::int64_t failed_count_ = 0;
  std::string vanished_;
};

std::vector<std::string> argumentsFor(const json::Object& request) {
  std::vector<std::string> out{"backup", "--files-from-raw", std::string(kFilesArgument), "--host", json::textOr(request, "hostname")};
  for (const auto& tag : texts(request, "tags")) {
    out.emplace_back("--tag");
    out.push_back(tag);
  }
  for (const auto& pattern : texts(request, "excludes")) {
    out.emplace_back("--exclude");
    out.push_back(pattern);
  }
  if (const auto parent = json::textOr(request, "parent"); !parent.empty()) {
    out.emplace_back("--parent");
    out.push_back(parent);
  }
  return out;
}

json::Object judge(const ResticOutcome& outcome, const Reading& reading, std::chrono::milliseconds stall) {
  if (outcome.end == ResticEnd::cancelled) return result("ABORTED", "The backup was cancelled.");
  if (outcome.end == ResticEnd::stalled) {
    return result("FAILED", fmt::format("No byte moved and no file was finished for {} seconds. {}", stall.count() / 1000, outcome.words));
  }
  if (!reading.vanished().empty()) return result("FAILED", "A path to back up vanished: " + reading.vanished());
  if (outcome.status.code == kExitIncomplete && reading.summarised()) return result("PARTIAL", "Some files could not be read.");
  if (outcome.status.ok() && reading.summarised()) return result("COMPLETED", "");
  return result("FAILED", fmt::format("restic ended with {}: {}", outcome.status.text(), outcome.words));
}

}  // namespace

json::Object BackupRunner::run(RequestContext& context) {
  const auto& request = context.request();
  if (context.cancelled()) return result("ABORTED", "The backup was cancelled before it began.");
  ResticRun run;
  run.access = ResticAccess::of(request);
  run.arguments = argumentsFor(request);
  run.stall = std::chrono::milliseconds(json::intOr(request, "stallMs", 600'000));
  const bool volumes = json::boolOr(request, "volumes", false);
  const auto instance = json::textOr(request, "instance");
  PowerHandler::Look before;
  if (volumes) {
    const auto looked = power_.look(instance);
    if (!looked) return result("FAILED", "Whether the machine is off could not be seen: " + looked.error().message);
    if (looked->running) return result("FAILED", fmt::format("Machine {} runs: its volumes cannot be read from outside.", instance));
    before = *looked;
  } else if (json::boolOr(request, "outside", false)) {
    auto root = machineRoot(context.identity(), json::textOr(request, "instance"));
    if (!root) return result("FAILED", root.error().message);
    run.root = std::move(*root);
  }
  // restic itself passes over what is missing and exits 0.
  for (const auto& path : texts(request, "paths")) {
    if (auto present = checkPresent(run.root, path); !present)
      return result("FAILED", "A path to back up is missing: " + present.error().message);
    run.files += path;
    run.files.push_back('\0');
  }
  if (run.files.empty()) return result("FAILED", "The job names no path to back up.");
  context.progress({{"percent", 0.0}, {"message", "Starting."}, {"waiting", true}});
  Reading reading(context);
  const auto outcome = runRestic(
      context, run, reading, [&](std::string_view what) { context.progress({{"percent", 0.0}, {"message", what}, {"waiting", true}}); });
  if (failpoint::hit("agent.backup_done")) return result("FAILED", "made to fail");
  if (!outcome) return result("FAILED", outcome.error().text());
  auto message = judge(*outcome, reading, run.stall);
  if (volumes) {
    // What somebody wrote while it was read is in the copy by half.
    const auto after = power_.look(instance);
    if (!after) message = result("FAILED", "Whether the machine stayed off could not be seen: " + after.error().message);
    else if (after->running || after->generation != before.generation)
      message = result("FAILED", fmt::format("Machine {} did not stay off while its volumes were read.", instance));
  }
  reading.addTo(message);
  return message;
}

}  // namespace sp::agent

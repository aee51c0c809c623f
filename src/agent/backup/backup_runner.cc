#include "agent/backup/backup_runner.h"

#include <fmt/format.h>

#include "agent/backup/own_state.h"
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

double numberOr(const json::Object& object, std::string_view key, double otherwise) {
  const auto* value = json::find(object, key);
  return value != nullptr && value->is_number() ? value->to_number<double>() : otherwise;
}

/// What restic is told, and what it says while it reads.
class Reading final : public ResticTask {
 public:
  Reading(RequestContext& context, PowerHandler& power) : context_(context), power_(power) {}

  Result<ResticRun> prepare() override;

  void line(bool error_stream, std::string_view text) override {
    if (error_stream && text.find("does not exist, skipping") != std::string_view::npos) heard_.vanished = plainText(trim(text));
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
    json::Object members{{"bytesDone", heard_.bytes},
                         {"filesDone", heard_.files},
                         {"message", fmt::format("Reading: {} of {} files.", heard_.files, heard_.total_files)}};
    members["percent"] = heard_.percent;
    members["bytesTotal"] = heard_.total_bytes;
    members["filesTotal"] = heard_.total_files;
    context_.progress(std::move(members));
  }

  std::uint64_t moved() const override {
    return static_cast<std::uint64_t>(heard_.bytes) + static_cast<std::uint64_t>(heard_.files) + (heard_.summarised ? 1 : 0);
  }

  json::Object kept() const override {
    json::Object out{{"files", heard_.files},
                     {"bytes", heard_.bytes},
                     {"totalFiles", heard_.total_files},
                     {"totalBytes", heard_.total_bytes},
                     {"failedFiles", failedNames()},
                     {"failedCount", heard_.failed_count},
                     {"vanished", heard_.vanished},
                     {"summarised", heard_.summarised}};
    out["percent"] = heard_.percent;
    return out;
  }
  void recall(const json::Object& kept) override {
    heard_.files = json::intOr(kept, "files", 0);
    heard_.bytes = json::intOr(kept, "bytes", 0);
    heard_.total_files = json::intOr(kept, "totalFiles", 0);
    heard_.total_bytes = json::intOr(kept, "totalBytes", 0);
    heard_.failed = textsOf(kept, "failedFiles");
    heard_.failed_count = json::intOr(kept, "failedCount", 0);
    heard_.vanished = json::textOr(kept, "vanished");
    heard_.summarised = json::boolOr(kept, "summarised", false);
    heard_.percent = numberOr(kept, "percent", 0);
    fresh_ = true;
  }

  json::Object judge(const ResticOutcome& outcome, std::chrono::milliseconds stall) const;
  /// Whether a machine whose volumes were read was off all the while; why not, else empty.
  std::string stayedOff() const;
  void addTo(json::Object& message) const {
    message["bytesProcessed"] = heard_.bytes;
    message["filesProcessed"] = heard_.files;
    message["failedFiles"] = failedNames();
    message["failedCount"] = heard_.failed_count;
  }

 private:
  /// Of one try.
  struct Heard {
    bool summarised = false;
    double percent = 0;
    std::int64_t files = 0;
    std::int64_t bytes = 0;
    std::int64_t total_files = 0;
    std::int64_t total_bytes = 0;
    std::vector<std::string> failed{};
    std::int64_t failed_count = 0;
    std::string vanished{};
  };

  bool ofVolumes() const { return json::boolOr(context_.request(), "volumes", false); }
  std::string instance() const { return json::textOr(context_.request(), "instance"); }
  Result<void> seeOff();
  json::Array failedNames() const {
    json::Array names;
    for (const auto& name : heard_.failed) names.emplace_back(name);
    return names;
  }
  void takeStatus(const json::Object& message) {
    heard_.percent = numberOr(message, "percent_done", heard_.percent / 100.0) * 100.0;
    heard_.total_files = json::intOr(message, "total_files", heard_.total_files);
    heard_.total_bytes = json::intOr(message, "total_bytes", heard_.total_bytes);
    heard_.files = json::intOr(message, "files_done", heard_.files);
    heard_.bytes = json::intOr(message, "bytes_done", heard_.bytes);
    fresh_ = true;
  }
  void takeSummary(const json::Object& message) {
    heard_.summarised = true;
    heard_.files = json::intOr(message, "total_files_processed", heard_.files);
    heard_.bytes = json::intOr(message, "total_bytes_processed", heard_.bytes);
  }
  void takeError(const json::Object& message) {
    ++heard_.failed_count;
    if (heard_.failed.size() < kNamesKept) heard_.failed.push_back(json::textOr(message, "item"));
  }

  RequestContext& context_;
  PowerHandler& power_;
  Heard heard_;
  /// Something that was not told yet.
  bool fresh_ = false;
  /// Boots of the machine before its volumes were read, where this process saw it.
  std::optional<std::int64_t> generation_;
};

std::vector<std::string> argumentsFor(const json::Object& request) {
  std::vector<std::string> out{"backup", "--files-from-raw", std::string(kFilesArgument), "--host", json::textOr(request, "hostname")};
  for (const auto& tag : textsOf(request, "tags")) {
    out.emplace_back("--tag");
    out.push_back(tag);
  }
  for (const auto& pattern : textsOf(request, "excludes")) {
    out.emplace_back("--exclude");
    out.push_back(pattern);
  }
  if (const auto parent = json::textOr(request, "parent"); !parent.empty()) {
    out.emplace_back("--parent");
    out.push_back(parent);
  }
  return out;
}

Result<ResticRun> Reading::prepare() {
  const auto& request = context_.request();
  heard_ = {};
  ResticRun run;
  run.arguments = argumentsFor(request);
  if (ofVolumes()) {
    SP_CHECK_OK(seeOff());
  } else if (json::boolOr(request, "outside", false)) {
    SP_TRY(run.root, machineRoot(context_.identity(), instance()));
  }
  const auto paths = textsOf(request, "paths");
  if (run.root.empty()) {
    // What is the agent's own only the agent knows: the server's list has the usual place.
    const OwnState own(context_.identity());
    for (const auto& path : paths)
      if (auto outside = own.checkOutside(path, false); !outside)
        return fail(outside.error().code, "A path to back up is not taken: " + outside.error().message);
    for (auto& pattern : own.patternsFor(paths)) {
      run.arguments.emplace_back("--exclude");
      run.arguments.push_back(std::move(pattern));
    }
  }
  // restic itself passes over what is missing and exits 0.
  for (const auto& path : paths) {
    if (auto present = checkPresent(run.root, path); !present)
      return fail(present.error().code, "A path to back up is missing: " + present.error().message);
    run.files += path;
    run.files.push_back('\0');
  }
  if (run.files.empty()) return fail("backup.paths", "The job names no path to back up.");
  return run;
}

Result<void> Reading::seeOff() {
  const auto looked = power_.look(instance());
  if (!looked) return fail(looked.error().code, "Whether the machine is off could not be seen: " + looked.error().message);
  if (looked->running) return fail("backup.running", fmt::format("Machine {} runs: its volumes cannot be read from outside.", instance()));
  generation_ = looked->generation;
  return context_.note({{"generation", looked->generation}});
}

std::string Reading::stayedOff() const {
  if (!ofVolumes()) return {};
  auto before = generation_;
  if (!before && !context_.notes().empty()) before = json::intOr(context_.notes().back(), "generation", -1);
  const auto after = power_.look(instance());
  if (!after) return "Whether the machine stayed off could not be seen: " + after.error().message;
  // What somebody wrote while it was read is in the copy by half.
  if (after->running || after->generation != before)
    return fmt::format("Machine {} did not stay off while its volumes were read.", instance());
  return {};
}

json::Object Reading::judge(const ResticOutcome& outcome, std::chrono::milliseconds stall) const {
  if (outcome.end == ResticEnd::cancelled) return result("ABORTED", "The backup was cancelled.");
  if (outcome.end == ResticEnd::stalled) {
    return result("FAILED", fmt::format("No byte moved and no file was finished for {} seconds. {}", stall.count() / 1000, outcome.words));
  }
  if (outcome.end == ResticEnd::lost) return result("FAILED", "restic was ended from outside again and again. " + outcome.words);
  if (const auto why = stayedOff(); !why.empty()) return result("FAILED", why);
  if (!heard_.vanished.empty()) return result("FAILED", "A path to back up vanished: " + heard_.vanished);
  if (outcome.status.code == kExitIncomplete && heard_.summarised) return result("PARTIAL", "Some files could not be read.");
  if (outcome.status.ok() && heard_.summarised) return result("COMPLETED", "");
  return result("FAILED", fmt::format("restic ended with {}: {}", outcome.status.text(), outcome.words));
}

}  // namespace

json::Object BackupRunner::run(RequestContext& context) {
  if (context.cancelled() && !context.adopted()) return result("ABORTED", "The backup was cancelled before it began.");
  const auto waiting = [&](std::string_view what) { context.progress({{"percent", 0.0}, {"message", what}, {"waiting", true}}); };
  if (!context.adopted()) waiting("Starting.");
  const std::chrono::milliseconds stall(json::intOr(context.request(), "stallMs", 600'000));
  Reading reading(context, power_);
  const auto outcome = runRestic(context, reading, stall, waiting);
  if (failpoint::hit("agent.backup_done")) return result("FAILED", "made to fail");
  auto message = outcome ? reading.judge(*outcome, stall) : result("FAILED", outcome.error().text());
  reading.addTo(message);
  return message;
}

void BackupRunner::settled(const std::string& id) { removeResticRun(identity_, id); }

}  // namespace sp::agent

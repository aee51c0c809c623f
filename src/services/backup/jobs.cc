#include "services/backup/jobs.h"

#include <set>

#include "base/hash.h"
#include "base/strings.h"
#include "services/backup/grants.h"
#include "services/backup/plans/plans.h"
#include "services/backup/recovery_points.h"
#include "services/backup/shapes.h"
#include "services/backup/table.h"
#include "services/backup/vaults.h"
#include "services/ec2/instances.h"

namespace sp::services::backup {
namespace {

constexpr std::int64_t kCompleteWindowDefault = 7 * 24 * 60;
constexpr std::int64_t kWindowMost = 52'560'000;
constexpr std::int64_t kStallDefault = 600;
constexpr std::int64_t kStallMost = 7 * 24 * 3600;

/// What never belongs to a machine's volume: other file systems of a running machine. Their empty folders are kept, so
/// that a restored tree boots.
constexpr std::array<std::string_view, 4> kNotVolume{"/proc", "/sys", "/dev", "/run"};
/// Bound from the host into every demo machine.
constexpr std::string_view kPrograms = "/usr";
constexpr std::string_view kProgram = "/opt/stillpoint";

std::string hashOf(const StartSpec& spec) {
  json::Object all{{"vault", spec.vault},
                   {"resource", spec.resource_arn},
                   {"role", spec.role_arn},
                   {"start", spec.start_window_minutes.value_or(-1)},
                   {"complete", spec.complete_window_minutes.value_or(-1)},
                   {"delete", spec.delete_after_days},
                   {"by", spec.by}};
  json::Object options;
  for (const auto& [key, value] : spec.options) options[key] = value;
  json::Object tags;
  for (const auto& [key, value] : spec.recovery_point_tags) tags[key] = value;
  all["options"] = options;
  all["tags"] = tags;
  return sha256Hex(json::toText(all));
}

aws::ApiError invalid(std::string message) { return apiError("InvalidParameterValueException", std::move(message)); }

/// Paths as they are compared and shown: no double slash, no "." or "..", no slash at the end.
std::optional<std::string> cleanPath(std::string_view text) {
  if (text.empty() || text[0] != '/' || text.find('\0') != std::string_view::npos) return std::nullopt;
  std::string out;
  for (const auto part : split(text, '/')) {
    if (part == "." || part == "..") return std::nullopt;
    if (!part.empty()) out += fmt::format("/{}", part);
  }
  return out.empty() ? "/" : out;
}

bool isBelow(std::string_view path, std::string_view folder) {
  return path == folder || (path.starts_with(folder) && path.size() > folder.size() && path[folder.size()] == '/');
}

/// "/a" or ["/a","/b"].
std::expected<std::vector<std::string>, aws::ApiError> parsePaths(const std::string& text) {
  std::vector<std::string> given;
  if (text.starts_with("[")) {
    const auto parsed = json::parse(text);
    if (!parsed || !parsed->is_array())
      return std::unexpected(invalid("BackupOptions Paths must be an absolute path or a JSON list of them: " + text));
    for (const auto& value : parsed->get_array()) given.push_back(value.is_string() ? json::toStd(value.get_string()) : std::string());
  } else {
    given.push_back(text);
  }
  std::vector<std::string> out;
  for (const auto& path : given) {
    const auto clean = cleanPath(path);
    if (!clean)
      return std::unexpected(invalid(fmt::format("BackupOptions Paths: '{}' is not an absolute path without '.' and '..'", path)));
    if (isBelow(*clean, kAgentState)) {
      return std::unexpected(invalid(fmt::format("BackupOptions Paths: '{}' is the agent's own state, which is never backed up", path)));
    }
    if (std::ranges::find(out, *clean) == out.end()) out.push_back(*clean);
  }
  if (out.empty() || out.size() > 100) return std::unexpected(invalid("BackupOptions Paths must name 1 to 100 paths"));
  return out;
}

/// A folder that a path was asked for below is read there; the agent's state never is.
std::vector<std::string> excludesFor(const std::vector<std::string>& paths, bool demo_machine) {
  std::vector<std::string> out{std::string(kAgentState)};
  const auto leaveOut = [&](std::string_view folder) {
    if (std::ranges::none_of(paths, [&](const auto& path) { return isBelow(path, folder); })) out.push_back(fmt::format("{}/*", folder));
  };
  if (demo_machine) {
    out.emplace_back(kProgram);
    leaveOut(kPrograms);
  }
  for (const auto folder : kNotVolume) leaveOut(folder);
  return out;
}

std::optional<aws::ApiError> checkWindows(const StartSpec& spec, Job& job) {
  const auto start = spec.start_window_minutes.value_or(kStartWindowDefault);
  const auto complete = spec.complete_window_minutes.value_or(kCompleteWindowDefault);
  if (start < kStartWindowLeast || start > kWindowMost) {
    return invalid(fmt::format("StartWindowMinutes must be between {} and {}: {}", kStartWindowLeast, kWindowMost, start));
  }
  if (complete < 1 || complete > kWindowMost)
    return invalid(fmt::format("CompleteWindowMinutes must be between 1 and {}: {}", kWindowMost, complete));
  if (spec.complete_window_minutes && complete < start) {
    return invalid(fmt::format("CompleteWindowMinutes ({}) must not be less than StartWindowMinutes ({})", complete, start));
  }
  job.start_by = job.created + std::chrono::minutes(start);
  job.complete_by = job.created + std::chrono::minutes(complete);
  job.delete_after_days = spec.delete_after_days;
  return std::nullopt;
}

std::optional<aws::ApiError> checkOptions(const StartSpec& spec, bool demo_machine, Job& job) {
  job.stall_seconds = kStallDefault;
  job.paths = {"/"};
  for (const auto& [key, value] : spec.options) {
    if (key == "Paths") {
      auto paths = parsePaths(value);
      if (!paths) return paths.error();
      job.paths = std::move(*paths);
    } else if (key == "StallTimeoutInSeconds") {
      const auto seconds = parseInt(value);
      if (!seconds || *seconds < 1 || *seconds > kStallMost) {
        return invalid(fmt::format("BackupOptions StallTimeoutInSeconds must be between 1 and {}: '{}'", kStallMost, value));
      }
      job.stall_seconds = *seconds;
    } else {
      return invalid(fmt::format("BackupOptions: '{}' is not known; there are Paths and StallTimeoutInSeconds", key));
    }
  }
  job.excludes = excludesFor(job.paths, demo_machine);
  return std::nullopt;
}

}  // namespace

std::optional<aws::ApiError> Jobs::check(store::Txn& txn, const StartSpec& spec, Job& job) const {
  if (auto refused = checkVaultName(spec.vault)) return refused;
  if (auto refused = checkRoleArn(spec.role_arn, context_.realm)) return refused;
  const auto instance = instanceOfArn(spec.resource_arn, context_.realm);
  if (!instance) {
    return invalid(
        fmt::format("Invalid ResourceArn: '{}'. Give an instance: {}", spec.resource_arn, context_.realm.arn("ec2", "instance/i-…")));
  }
  if (!vaults_.find(txn, spec.vault)) return noVault(spec.vault);
  const auto found = instances_.find(txn, *instance);
  if (!found || found->isGone()) return apiError("ResourceNotFoundException", fmt::format("Instance {} does not exist", *instance));
  job.instance = *instance;
  job.vault = spec.vault;
  job.resource_arn = spec.resource_arn;
  job.role_arn = spec.role_arn;
  if (auto refused = checkWindows(spec, job)) return refused;
  return checkOptions(spec, found->isMade(), job);
}

std::expected<Job, aws::ApiError> Jobs::make(store::Txn& txn, const StartSpec& spec) const {
  Job job;
  job.created = spec.since.value_or(txn.now());
  if (auto refused = check(txn, spec, job)) return std::unexpected(std::move(*refused));
  job.arguments_hash = hashOf(spec);
  job.id = context_.random.uuid();
  job.recovery_point = context_.random.uuid();
  job.token = spec.token;
  job.by = spec.by;
  job.boot = spec.boot;
  job.freeze = spec.freeze;
  if (spec.by.starts_with("run:")) job.created_by = planOfRun(txn, std::string_view(spec.by).substr(4));
  job.needs_stopped = spec.needs_stopped;
  job.options = spec.options;
  job.recovery_point_tags = spec.recovery_point_tags;
  save(txn, job);
  return job;
}

std::expected<Job, aws::ApiError> Jobs::expire(store::Txn& txn, const StartSpec& spec, const std::string& why) {
  auto job = make(txn, spec);
  if (!job) return job;
  end(txn, *job, JobState::expired, why);
  return job;
}

std::expected<Job, aws::ApiError> Jobs::start(store::Txn& txn, const StartSpec& spec) {
  if (!spec.token.empty()) {
    const auto earlier = txn.records().findBy(kJobKind, "token", spec.token, "", 1);
    if (!earlier.empty()) {
      auto same = decodeRecord<Job>(kJobKind, earlier.front().key, earlier.front().body);
      if (same && same->arguments_hash == hashOf(spec)) return *same;
      return std::unexpected(
          apiError("InvalidRequestException", "IdempotencyToken was used for another backup job with other parameters."));
    }
  }
  auto made = make(txn, spec);
  if (!made) return made;
  auto& job = *made;
  txn.timers().set({"backup.start", job.id, job.start_by, ""});
  txn.timers().set({"backup.complete", job.id, job.complete_by, ""});
  vaults_.ensure(txn, job.vault, job.instance);
  // Granted within the call if the machine is free: the job may be under way when this returns.
  if (job.by.empty()) context_.locks.acquire(txn, job.instance, "job:" + job.id);
  else begin(txn, job);
  return *find(txn, job.id);
}

void Jobs::save(store::Txn& txn, const Job& job) const {
  std::string key;
  watch_.over(txn, job, [&] { return findById<Job>(txn, kJobKind, job.id); }, [&] { key = saveRecord(txn, kJobKind, job); });
  if (!job.token.empty()) txn.records().index(kJobKind, key, "token", job.token);
  txn.records().index(kJobKind, key, "open", isFinal(job.state) ? "" : "yes");
  txn.records().index(kJobKind, key, "machine", isFinal(job.state) ? "" : job.instance);
  txn.records().index(kJobKind, key, "waitsFor", isFinal(job.state) ? "" : job.waits_for);
}

std::optional<Job> Jobs::find(store::Txn& txn, std::string_view id) const {
  auto job = findById<Job>(txn, kJobKind, id);
  if (job) addLive(*job);
  return job;
}

// The figures of a running job change several times a second: the record gets them now and then, the answer always.
void Jobs::addLive(Job& job) const {
  const auto live = live_.find(job.id);
  if (live == live_.end() || isFinal(job.state)) return;
  const auto& figures = live->second.figures;
  job.percent = figures.percent;
  job.bytes_done = figures.bytes_done;
  job.bytes_total = figures.bytes_total;
  job.files_done = figures.files_done;
  job.files_total = figures.files_total;
  job.message = figures.message;
  job.stored_bytes = live->second.stored_before + static_cast<std::int64_t>(grants_.movedBy(job.id).received);
}

Listed<Job> Jobs::list(store::Txn& txn, const ListAsk& ask, const std::function<bool(const Job&)>& wanted) const {
  auto found = listBack<Job>(txn, kJobKind, ask, wanted);
  for (auto& entry : found.entries) addLive(entry.second);
  return found;
}

std::vector<Job> Jobs::openOf(store::Txn& txn, std::string_view instance) const {
  std::vector<Job> out;
  for (const auto& record : txn.records().findBy(kJobKind, "machine", instance, "", 1000))
    if (auto job = decodeRecord<Job>(kJobKind, record.key, record.body)) out.push_back(std::move(*job));
  return out;
}

bool Jobs::usesVault(store::Txn& txn, std::string_view vault) const {
  for (const auto& record : txn.records().findBy(kJobKind, "open", "yes", "", 100'000)) {
    const auto job = decodeRecord<Job>(kJobKind, record.key, record.body);
    if (job && job->vault == vault) return true;
  }
  return false;
}

std::expected<void, aws::ApiError> Jobs::stop(store::Txn& txn, std::string_view id) {
  auto job = find(txn, id);
  if (!job) return std::unexpected(apiError("ResourceNotFoundException", fmt::format("Backup job {} does not exist.", id)));
  if (isFinal(job->state)) {
    return std::unexpected(
        apiError("InvalidRequestException", fmt::format("Backup job {} is in state {} and cannot be stopped.", id, name(job->state))));
  }
  if (job->state == JobState::aborting) return {};
  doom(txn, *job, JobState::aborted, "Backup job was stopped by user.");
  return {};
}

void Jobs::prepare(store::Txn& txn, std::string_view vault, std::string_view instance) {
  if (vaults_.find(txn, vault)) vaults_.ensure(txn, std::string(vault), std::string(instance));
}

}  // namespace sp::services::backup

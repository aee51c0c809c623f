#include "services/backup/restores.h"

#include "base/hash.h"
#include "base/log.h"
#include "base/strings.h"
#include "services/backup/grants.h"
#include "services/backup/recovery_points.h"
#include "services/backup/shapes.h"
#include "services/backup/table.h"
#include "services/backup/vaults.h"
#include "services/ec2/instances.h"

namespace sp::services::backup {
namespace {

constexpr std::string_view kPrefix = "restore/";
constexpr std::string_view kHost = "host";
constexpr std::string_view kAgentState = "/var/lib/stillpoint-agent";
constexpr auto kStall = std::chrono::seconds(600);
constexpr auto kStallGrace = std::chrono::seconds(30);
constexpr auto kWatchEvery = std::chrono::seconds(10);
constexpr std::size_t kMostOpen = 10'000;

aws::ApiError invalid(std::string message) { return apiError("InvalidParameterValueException", std::move(message)); }

std::string holderOf(const RestoreJob& job) { return "restore:" + job.id; }
std::string requestId(const RestoreJob& job) { return std::string(kPrefix) + job.id; }

bool isCleanPath(std::string_view path) {
  if (path.empty() || path[0] != '/' || path.find('\0') != std::string_view::npos) return false;
  for (const auto part : split(path, '/'))
    if (part == "." || part == "..") return false;
  return true;
}

std::string hashOf(const RestoreSpec& spec) {
  json::Object all{{"point", spec.recovery_point}, {"role", spec.role_arn}};
  json::Object metadata;
  for (const auto& [key, value] : spec.metadata) metadata[key] = value;
  all["metadata"] = metadata;
  return sha256Hex(json::toText(all));
}

std::expected<std::vector<std::string>, aws::ApiError> parseIncludes(const std::string& text) {
  std::vector<std::string> out;
  if (!text.starts_with("[")) {
    if (!text.empty()) out.push_back(text);
  } else {
    const auto parsed = json::parse(text);
    const auto is_text = [](const json::Value& value) { return value.is_string(); };
    if (!parsed || !parsed->is_array() || !std::ranges::all_of(parsed->get_array(), is_text))
      return std::unexpected(invalid("Metadata includePaths must be an absolute path or a JSON list of them: " + text));
    for (const auto& value : parsed->get_array()) out.push_back(json::toStd(value.get_string()));
  }
  if (out.empty())
    return std::unexpected(
        invalid(fmt::format("Metadata includePaths names no path: '{}'. Name at least one, or leave it out to restore everything", text)));
  for (const auto& path : out)
    if (!isCleanPath(path))
      return std::unexpected(invalid(fmt::format("Metadata includePaths: '{}' is not an absolute path without '.' and '..'", path)));
  return out;
}

std::optional<aws::ApiError> readMetadata(const TextMap& metadata, RestoreJob& job) {
  for (const auto& [key, value] : metadata) {
    if (key == "targetInstanceId") {
      job.target = value;
    } else if (key == "targetPath") {
      job.target_path = value;
    } else if (key == "includePaths") {
      auto paths = parseIncludes(value);
      if (!paths) return paths.error();
      job.include_paths = std::move(*paths);
    } else if (key == "inPlace") {
      if (value != "true" && value != "false") return invalid(fmt::format("Metadata inPlace must be 'true' or 'false': '{}'", value));
      job.in_place = value == "true";
    } else {
      return invalid(fmt::format("Metadata: '{}' is not known; there are targetInstanceId, targetPath, includePaths and inPlace", key));
    }
  }
  if (job.target.empty())
    return invalid("Metadata targetInstanceId is required: an instance id, or 'host' for a folder of the server's own host");
  if (job.target == kHost && job.in_place) return invalid("Metadata inPlace is for machines; on the host give an empty folder");
  if (job.target_path.empty() && job.in_place && job.target != kHost) job.target_path = "/";
  if (!isCleanPath(job.target_path)) {
    return invalid(fmt::format("Metadata targetPath must be an absolute path without '.' and '..': '{}'", job.target_path));
  }
  if (job.target_path == kAgentState || job.target_path.starts_with(std::string(kAgentState) + "/")) {
    return invalid("Metadata targetPath lies in the agent's own state: " + job.target_path);
  }
  if (job.target_path == "/" && !job.in_place)
    return invalid("Metadata targetPath '/' is not empty: restoring over a machine needs inPlace 'true'");
  return std::nullopt;
}

}  // namespace

Restores::Restores(Context& context, ec2::Instances& instances, Vaults& vaults, Grants& grants, RecoveryPoints& points)
    : context_(context), instances_(instances), vaults_(vaults), grants_(grants), points_(points) {
  context_.locks.onGranted("restore", [this](store::Txn& txn, const std::string&, const std::string& holder) {
    if (auto job = find(txn, std::string_view(holder).substr(8))) begin(txn, *job);
  });
  vaults_.onChanged([this](store::Txn& txn, const Repository&) { wake(txn); });
  instances_.onSettled([this](store::Txn& txn, const Instance& instance, const std::string&) { settledPower(txn, instance.id); });
  context_.reports.on("progress",
                      [this](store::Txn& txn, const std::string&, const json::Object& message) { handleProgress(txn, message); });
  context_.reports.on("restore.result",
                      [this](store::Txn& txn, const std::string&, const json::Object& message) { handleResult(txn, message); });
  context_.reports.on("refused", [this](store::Txn& txn, const std::string&, const json::Object& message) {
    if (auto job = openJob(txn, message))
      end(txn, *job, RestoreStatus::failed,
          (json::textOr(message, "fate") == "unknown" ? "The restore was broken off: " : "The agent cannot restore: ") +
              json::textOr(message, "message"));
  });
  context_.core.onTimer("restore.watch", [this](store::Txn& txn, const store::Timer& timer) { watch(txn, timer.id); });
}

std::optional<aws::ApiError> Restores::check(store::Txn& txn, const RestoreSpec& spec, RestoreJob& job) const {
  if (!spec.role_arn.empty()) {
    if (auto refused = checkRoleArn(spec.role_arn, context_.realm)) return refused;
  }
  const auto point = points_.find(txn, spec.recovery_point);
  if (!point || point->isGoing())
    return apiError("ResourceNotFoundException", fmt::format("Recovery point {} does not exist.", points_.arn(spec.recovery_point)));
  job.recovery_point = point->id;
  job.vault = point->vault;
  job.source = point->instance;
  job.size = point->size;
  job.role_arn = spec.role_arn;
  if (auto refused = readMetadata(spec.metadata, job)) return refused;
  if (job.target == kHost) return std::nullopt;
  const auto instance = instances_.find(txn, job.target);
  if (!instance || instance->isGone()) return invalid(fmt::format("Metadata targetInstanceId: instance '{}' does not exist", job.target));
  return std::nullopt;
}

std::expected<RestoreJob, aws::ApiError> Restores::start(store::Txn& txn, const RestoreSpec& spec) {
  RestoreJob job;
  job.arguments_hash = hashOf(spec);
  if (!spec.token.empty()) {
    const auto earlier = txn.records().findBy(kRestoreKind, "token", spec.token, "", 1);
    if (!earlier.empty()) {
      auto same = decodeRecord<RestoreJob>(kRestoreKind, earlier.front().key, earlier.front().body);
      if (same && same->arguments_hash == job.arguments_hash) return *same;
      return std::unexpected(invalid("IdempotencyToken was used for another restore job with other parameters."));
    }
  }
  job.created = txn.now();
  if (auto refused = check(txn, spec, job)) return std::unexpected(std::move(*refused));
  job.id = context_.random.uuid();
  job.token = spec.token;
  save(txn, job);
  if (job.target == kHost) begin(txn, job);
  else context_.locks.acquire(txn, job.target, holderOf(job));
  return *find(txn, job.id);
}

void Restores::save(store::Txn& txn, const RestoreJob& job) const {
  std::string key;
  watch_.over(txn, job, [&] { return findById<RestoreJob>(txn, kRestoreKind, job.id); }, [&] { key = saveRecord(txn, kRestoreKind, job); });
  if (!job.token.empty()) txn.records().index(kRestoreKind, key, "token", job.token);
  txn.records().index(kRestoreKind, key, "open", isFinal(job.status) ? "" : "yes");
}

std::optional<RestoreJob> Restores::find(store::Txn& txn, std::string_view id) const {
  auto job = findById<RestoreJob>(txn, kRestoreKind, id);
  if (!job) return job;
  const auto live = live_.find(job->id);
  if (live != live_.end() && !isFinal(job->status)) {
    job->percent = live->second.figures.percent;
    job->bytes = live->second.figures.bytes;
    job->message = live->second.figures.message;
  }
  return job;
}

Listed<RestoreJob> Restores::list(store::Txn& txn, const ListAsk& ask, const std::function<bool(const RestoreJob&)>& wanted) const {
  return listBack<RestoreJob>(txn, kRestoreKind, ask, wanted);
}

std::vector<RestoreJob> Restores::open(store::Txn& txn) const {
  std::vector<RestoreJob> out;
  for (const auto& record : txn.records().findBy(kRestoreKind, "open", "yes", "", kMostOpen))
    if (auto job = decodeRecord<RestoreJob>(kRestoreKind, record.key, record.body)) out.push_back(std::move(*job));
  return out;
}

bool Restores::usesVault(store::Txn& txn, std::string_view vault) const {
  return std::ranges::any_of(open(txn), [&](const auto& job) { return job.vault == vault; });
}

std::set<std::string> Restores::pointsInUse(store::Txn& txn) const {
  std::set<std::string> out;
  for (const auto& job : open(txn)) out.insert(job.recovery_point);
  return out;
}

void Restores::begin(store::Txn& txn, RestoreJob& job) {
  if (job.status != RestoreStatus::pending || !job.agent.empty()) return;
  const auto repository = vaults_.repository(txn, job.vault, job.source);
  const auto point = points_.find(txn, job.recovery_point);
  if (!repository || !point || point->isGoing())
    return end(txn, job, RestoreStatus::failed, "The recovery point was deleted before the restore began.");
  if (repository->state != "ready") return;
  if (job.target == kHost) {
    job.agent = kHost;
    return dispatch(txn, job);
  }
  if (context_.locks.holder(txn, job.target) != holderOf(job)) return;
  const auto instance = instances_.find(txn, job.target);
  if (!instance || instance->isGone()) return end(txn, job, RestoreStatus::failed, fmt::format("Instance {} was terminated.", job.target));
  if (instance->state != InstanceState::running && instance->state != InstanceState::stopped) return;
  job.outside = instance->state == InstanceState::stopped;
  if (job.outside && !instance->isMade())
    return end(
        txn, job, RestoreStatus::failed,
        fmt::format("Instance {} is stopped, and its files cannot be written from outside: start it, or restore into a folder of the "
                    "server's host (without targetInstanceId) and put the volume in place there.",
                    job.target));
  // Nobody starts it while its files are being written.
  if (job.outside) instances_.setReading(txn, job.target, job.id);
  job.agent = job.outside ? std::string(kHost) : job.target;
  dispatch(txn, job);
}

void Restores::dispatch(store::Txn& txn, RestoreJob& job) {
  const auto repository = *vaults_.repository(txn, job.vault, job.source);
  const auto point = *points_.find(txn, job.recovery_point);
  const auto secret = context_.random.hex(48);
  job.secret_hash = sha256Hex(secret);
  openGrant(job);
  json::Array includes;
  for (const auto& path : job.include_paths) includes.emplace_back(path);
  context_.agents.request(txn, job.agent,
                          {{"type", "restore.run"},
                           {"id", requestId(job)},
                           {"repository", fmt::format("/vault/{}/{}/", job.vault, job.source)},
                           {"user", job.id},
                           {"secret", secret},
                           {"key", repository.key},
                           {"snapshotId", point.snapshot},
                           {"outside", job.outside},
                           {"instance", job.target},
                           {"targetPath", job.target_path},
                           {"includePaths", includes},
                           {"inPlace", job.in_place},
                           {"size", job.size},
                           {"stallMs", std::chrono::milliseconds(kStall).count()}});
  job.status = RestoreStatus::running;
  live_[job.id] = Live{job, txn.now(), 0};
  tellOfAgent(live_[job.id]);
  txn.timers().set({"restore.watch", job.id, txn.now() + kWatchEvery, ""});
  save(txn, job);
}

// Nothing is told by an agent that is not there.
void Restores::tellOfAgent(Live& live) const {
  const auto waits = fmt::format("Waits for the agent of {}, which is not connected; fails after {} seconds without a byte.",
                                 live.figures.agent, kStall.count());
  if (!context_.agents.connected(live.figures.agent)) live.figures.message = waits;
  else if (live.figures.message == waits) live.figures.message.clear();
}

void Restores::openGrant(const RestoreJob& job) {
  grants_.open({job.id, job.agent, job.vault, job.source, runtime::VaultDirection::restore}, job.secret_hash);
}

std::optional<RestoreJob> Restores::openJob(store::Txn& txn, const json::Object& message) const {
  const auto id = json::textOr(message, "id");
  if (!id.starts_with(kPrefix)) return std::nullopt;
  auto job = find(txn, std::string_view(id).substr(kPrefix.size()));
  if (!job || isFinal(job->status)) return std::nullopt;
  return job;
}

void Restores::handleProgress(store::Txn& txn, const json::Object& message) {
  const auto job = openJob(txn, message);
  if (!job) return;
  auto& live = live_.try_emplace(job->id, Live{*job, txn.now(), 0}).first->second;
  const auto bytes = json::intOr(message, "bytesDone", live.figures.bytes);
  if (bytes != live.figures.bytes || json::boolOr(message, "waiting", false)) live.moved = txn.now();
  live.figures.bytes = bytes;
  live.figures.message = json::textOr(message, "message", live.figures.message);
  const auto* percent = json::find(message, "percent");
  if (percent != nullptr && percent->is_number()) live.figures.percent = std::clamp(percent->to_number<double>(), 0.0, 100.0);
}

void Restores::handleResult(store::Txn& txn, const json::Object& message) {
  auto job = openJob(txn, message);
  if (!job) return;
  const auto said = parseRestoreStatus(json::textOr(message, "state"));
  job->bytes = json::intOr(message, "bytes", job->bytes);
  job->files = json::intOr(message, "files", 0);
  if (!job->doomed.empty()) return end(txn, *job, RestoreStatus::failed, job->doomed);
  if (said && *said == RestoreStatus::completed) {
    if (auto point = points_.find(txn, job->recovery_point)) {
      point->restored = txn.now();
      points_.save(txn, *point);
    }
    return end(txn, *job, RestoreStatus::completed, "");
  }
  const auto text = json::textOr(message, "message");
  end(txn, *job, said && isFinal(*said) ? *said : RestoreStatus::failed, text.empty() ? "The agent's restore failed." : text);
}

void Restores::end(store::Txn& txn, RestoreJob& job, RestoreStatus status, const std::string& message) {
  job.status = status;
  job.message = message;
  job.ended = txn.now();
  if (status == RestoreStatus::completed) job.percent = 100;
  txn.timers().drop("restore.watch", job.id);
  grants_.close(job.id);
  live_.erase(job.id);
  if (!job.agent.empty()) context_.agents.withdraw(txn, job.agent, requestId(job));
  if (job.outside) instances_.setReading(txn, job.target, "");
  save(txn, job);
  log::info("restore job ended", {{"job", job.id}, {"target", job.target}, {"status", name(status)}, {"message", message}});
  if (ended_) ended_(txn, job);
  vaults_.maintain(txn, job.vault, job.source);
  if (job.target != kHost) context_.locks.release(txn, job.target, holderOf(job));
}

void Restores::wake(store::Txn& txn) {
  for (auto& job : open(txn)) begin(txn, job);
}

void Restores::settledPower(store::Txn& txn, const std::string& id) {
  const auto instance = instances_.find(txn, id);
  const bool gone = !instance || instance->isGone();
  for (auto& job : open(txn)) {
    if (job.target != id) continue;
    const bool live = !job.agent.empty() && !job.outside;
    if (gone) end(txn, job, RestoreStatus::failed, fmt::format("Instance {} was terminated.", id));
    else if (live && instance->state == InstanceState::stopped)
      end(txn, job, RestoreStatus::failed, fmt::format("Instance {} went down during the restore.", id));
    else begin(txn, job);
  }
}

void Restores::watch(store::Txn& txn, const std::string& id) {
  auto job = find(txn, id);
  if (!job || isFinal(job->status)) return;
  auto& live = live_.try_emplace(job->id, Live{*job, txn.now(), 0}).first->second;
  const auto counts = grants_.movedBy(id);
  if (counts.received + counts.sent != live.seen_bytes) {
    live.seen_bytes = counts.received + counts.sent;
    live.moved = txn.now();
  }
  tellOfAgent(live);
  if (txn.now() - live.moved > kStall + kStallGrace) {
    const auto still = fmt::format("No byte moved for {} seconds.", kStall.count());
    return breakOff(txn, *job,
                    context_.agents.connected(job->agent)
                        ? still
                        : fmt::format("The agent of {} is not connected. {} Start it, and the restore again.", job->agent, still));
  }
  txn.timers().set({"restore.watch", id, txn.now() + kWatchEvery, ""});
}

void Restores::breakOff(store::Txn& txn, RestoreJob& job, const std::string& why) {
  if (context_.agents.connected(job.agent)) {
    context_.agents.request(txn, job.agent, {{"type", "cancel"}, {"id", "cancel/" + context_.random.uuid()}, {"target", requestId(job)}});
  }
  end(txn, job, RestoreStatus::failed, why);
}

void Restores::recover(store::Txn& txn) {
  for (auto& job : open(txn)) {
    if (job.agent.empty()) {
      begin(txn, job);
      continue;
    }
    openGrant(job);
    live_[job.id] = Live{job, txn.now(), 0};
  }
}

}  // namespace sp::services::backup

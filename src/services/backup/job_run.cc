// Jobs on their way: dispatch to an agent, progress, watch, result, end.
#include "base/hash.h"
#include "base/log.h"
#include "services/backup/grants.h"
#include "services/backup/jobs.h"
#include "services/backup/places.h"
#include "services/backup/recovery_points.h"
#include "services/backup/table.h"
#include "services/backup/vaults.h"
#include "services/ec2/instances.h"
#include "services/ssm/agent_info.h"

namespace sp::services::backup {
namespace {

constexpr std::string_view kPrefix = "job/";
/// Jobs of no run share the places of one owner.
constexpr std::string_view kPlacesOwner = "jobs";
constexpr auto kSaveEvery = std::chrono::seconds(5);
/// The agent finds a stall first; the server only when the agent itself is lost.
constexpr auto kStallGrace = std::chrono::seconds(30);
constexpr auto kWatchEvery = std::chrono::seconds(10);
/// For an agent to stop restic (20 s until it is killed) and to say so.
constexpr auto kKillAfter = std::chrono::seconds(40);
/// While somebody else is at work on the machine.
constexpr auto kBusyPause = std::chrono::seconds(2);

std::string holderOf(const Job& job) { return "job:" + job.id; }

std::string requestId(const Job& job) { return std::string(kPrefix) + job.id; }

json::Array texts(const std::vector<std::string>& values) {
  json::Array out;
  for (const auto& value : values) out.emplace_back(value);
  return out;
}

std::vector<std::string> textsOf(const json::Object& message, std::string_view key) {
  std::vector<std::string> out;
  const auto* value = json::find(message, key);
  if (value == nullptr || !value->is_array()) return out;
  for (const auto& entry : value->get_array())
    if (entry.is_string()) out.push_back(json::toStd(entry.get_string()));
  return out;
}

/// "a, b and 3 more": what a StatusMessage can hold.
std::string nameSome(const std::vector<std::string>& files, std::int64_t count) {
  constexpr std::size_t kShown = 5;
  std::string out;
  for (std::size_t i = 0; i < std::min(files.size(), kShown); ++i) out += (i == 0 ? "" : ", ") + files[i];
  const auto shown = static_cast<std::int64_t>(std::min(files.size(), kShown));
  if (count > shown) out += fmt::format("{}{} more", shown > 0 ? " and " : "", count - shown);
  return out;
}

std::string bootedSince(const Job& job) {
  return fmt::format("Instance {} was rebooted after its pre-script had prepared it: the copy would not be consistent.", job.instance);
}

}  // namespace

Jobs::Jobs(Context& context, ec2::Instances& instances, Vaults& vaults, Grants& grants, RecoveryPoints& points, Places& places)
    : context_(context), instances_(instances), vaults_(vaults), grants_(grants), points_(points), places_(places) {
  context_.locks.onGranted("job", [this](store::Txn& txn, const std::string&, const std::string& holder) {
    if (auto job = find(txn, std::string_view(holder).substr(4))) begin(txn, *job);
  });
  context_.locks.onIdle("job", [this](store::Txn& txn, const std::string&, const std::string& holder) {
    const auto job = find(txn, std::string_view(holder).substr(4));
    return job && job->state == JobState::created && job->agent.empty();
  });
  places_.onGranted("job", [this](store::Txn& txn, const std::string& holder) {
    auto job = find(txn, std::string_view(holder).substr(4));
    if (!job || isFinal(job->state)) return places_.leave(txn, holder);
    begin(txn, *job);
  });
  grants_.onSnapshot([this](store::Txn& txn, const std::string& id, const std::string& snapshot) { snapshotStored(txn, id, snapshot); });
  grants_.onSnapshotComing(
      [this](store::Txn& txn, const std::string& id, const std::string& snapshot) { return snapshotComing(txn, id, snapshot); });
  grants_.onFull([this](store::Txn& txn, const std::string& id, const std::string& why) { diskFull(txn, id, why); });
  vaults_.onChanged([this](store::Txn& txn, const Repository& repository) { wake(txn, repository.name); });
  instances_.onSettled([this](store::Txn& txn, const Instance& instance, const std::string&) { settledPower(txn, instance.id); });
  context_.reports.on("progress",
                      [this](store::Txn& txn, const std::string&, const json::Object& message) { handleProgress(txn, message); });
  context_.reports.on("backup.result",
                      [this](store::Txn& txn, const std::string&, const json::Object& message) { handleResult(txn, message); });
  context_.reports.on("refused", [this](store::Txn& txn, const std::string&, const json::Object& message) {
    auto job = openJob(txn, message);
    if (!job) return;
    if (!job->doomed.empty()) return end(txn, *job, job->doomed_state, job->doomed);
    end(txn, *job, JobState::failed,
        (json::textOr(message, "fate") == "unknown" ? "No backup: " : "The agent cannot take backups: ") +
            json::textOr(message, "message"));
  });
  context_.reports.on(
      "hello", [this](store::Txn& txn, const std::string& agent, const json::Object& message) { hello(txn, agent, ssm::bootOf(message)); });
  context_.reports.on("connected", [this](store::Txn& txn, const std::string& agent, const json::Object&) {
    for (const auto& record : txn.records().findBy(kJobKind, "waitsFor", agent, "", 100'000))
      // Read anew: one that began meanwhile keeps the others waiting.
      if (const auto waiting = decodeRecord<Job>(kJobKind, record.key, record.body))
        if (auto job = find(txn, waiting->id)) begin(txn, *job);
  });
  context_.core.onClockSet([this](store::Txn& txn, Duration by) { clockSet(txn, by); });
  context_.core.onTimer("backup.again", [this](store::Txn& txn, const store::Timer& timer) {
    if (auto job = find(txn, timer.id)) begin(txn, *job);
  });
  context_.core.onTimer("backup.start", [this](store::Txn& txn, const store::Timer& timer) {
    auto job = find(txn, timer.id);
    if (!job || job->state != JobState::created) return;
    const auto holder = context_.locks.holder(txn, job->instance);
    const bool busy = job->agent.empty() && job->by.empty() && holder && *holder != holderOf(*job);
    doom(txn, *job, JobState::expired,
         busy ? "Backup job failed because there was a running job for the same resource." : "Backup job expired before it could start.");
  });
  context_.core.onTimer("backup.complete", [this](store::Txn& txn, const store::Timer& timer) {
    auto job = find(txn, timer.id);
    if (job && !isFinal(job->state)) doom(txn, *job, JobState::expired, "Backup job expired before completion.");
  });
  askFreezes();
  context_.core.onTimer("backup.watch", [this](store::Txn& txn, const store::Timer& timer) { watch(txn, timer.id); });
  context_.core.onTimer("backup.kill", [this](store::Txn& txn, const store::Timer& timer) {
    auto job = find(txn, timer.id);
    if (!job || isFinal(job->state) || job->doomed.empty()) return;
    end(txn, *job, job->doomed_state, job->doomed);
  });
}

// Whoever cannot begin gives its place to others and asks for one again when what it waits for has come.
void Jobs::begin(store::Txn& txn, Job& job) {
  if (job.state != JobState::created || !job.agent.empty()) return;
  if (!canBegin(txn, job)) {
    if (job.by.empty() && places_.holds(txn, holderOf(job))) places_.leave(txn, holderOf(job));
    return;
  }
  if (job.by.empty() && !places_.take(txn, kPlacesOwner, holderOf(job))) return;
  const auto instance = instances_.find(txn, job.instance);
  job.waits_for.clear();
  job.outside = instance->state == InstanceState::stopped;
  job.boot_generation = instance->boot_generation;
  if (const auto change = powerChange(txn, job); !change.empty()) return end(txn, job, JobState::failed, change);
  // What it was prepared for was a read while it runs: off, it is as whatever ended it left it.
  if (job.outside && !job.needs_stopped && (!job.boot.empty() || !job.freeze.empty()))
    return end(txn, job, JobState::failed,
               fmt::format("Instance {} went down after its pre-script had prepared it: the copy would not be consistent.", job.instance));
  const bool volumes = job.outside && !instance->isMade();
  if (volumes)
    if (const auto why = readVolumes(job, *instance); !why.empty()) return end(txn, job, JobState::failed, why);
  if (job.outside) instances_.setReading(txn, job.instance, job.id);
  dispatch(txn, job, job.outside ? instance->held_by : job.instance, volumes);
}

bool Jobs::canBegin(store::Txn& txn, Job& job) {
  const auto fails = [&](const std::string& why) {
    end(txn, job, JobState::failed, why);
    return false;
  };
  const bool alone = job.by.empty();
  if (alone && context_.locks.holder(txn, job.instance) != holderOf(job)) return false;
  for (const auto& other : openOf(txn, job.instance))
    if (other.id != job.id && !other.agent.empty()) return false;
  const auto repository = vaults_.repository(txn, job.vault, job.instance);
  if (!repository) return fails(fmt::format("The machine's repository in vault {} is gone.", job.vault));
  if (repository->state == "broken") return fails("The machine's repository could not be made: " + repository->error);
  if (repository->state != "ready") return false;
  const auto instance = instances_.find(txn, job.instance);
  if (!instance || instance->isGone()) return fails(fmt::format("Instance {} was terminated.", job.instance));
  if (instance->state != InstanceState::running && instance->state != InstanceState::stopped) return false;
  // A reboot shows in no state.
  if (!instance->power_request.empty()) return false;
  if (job.needs_stopped && instance->state == InstanceState::running)
    return fails(fmt::format("Instance {} had been stopped for this backup and was started before its files were read.", job.instance));
  if (!alone) return true;
  if (busy_ && busy_(txn, job.instance)) {
    txn.timers().set({"backup.again", job.id, txn.now() + kBusyPause, ""});
    return false;
  }
  // It is not sent to an agent that is away: all that had waited for theirs would begin at once, without a place, when they come back.
  const auto& reader = instance->state == InstanceState::stopped ? instance->held_by : job.instance;
  if (context_.agents.connected(reader)) return true;
  if (job.waits_for != reader) {
    job.waits_for = reader;
    save(txn, job);
  }
  return false;
}

std::string Jobs::readVolumes(Job& job, const Instance& instance) const {
  if (instance.volumes.empty())
    return fmt::format(
        "Instance {} is stopped and cannot be read from outside: no volumes are known on the host of agent '{}'. Name them with "
        "`stillpoint instance power {} --volume PATH`, or start the machine.",
        instance.id, instance.held_by, instance.id);
  if (job.options.contains("Paths"))
    return fmt::format(
        "Instance {} is stopped: BackupOptions Paths are paths inside the machine, and only its volumes can be read from outside.",
        instance.id);
  job.paths = instance.volumes;
  job.excludes = {std::string(kAgentState)};
  return {};
}

void Jobs::dispatch(store::Txn& txn, Job& job, const std::string& agent, bool volumes) {
  const auto repository = *vaults_.repository(txn, job.vault, job.instance);
  const auto secret = context_.random.hex(48);
  job.agent = agent;
  job.secret_hash = sha256Hex(secret);
  openGrant(job);
  // What stands in the snapshot's own tags is enough to write the recovery point's record anew.
  const json::Array tags{fmt::format("job={}", job.id), fmt::format("vault={}", job.vault), fmt::format("instance={}", job.instance),
                         fmt::format("recovery-point={}", job.recovery_point), fmt::format("started={}", toMicros(txn.now()))};
  context_.agents.request(txn, agent,
                          {{"type", "backup.run"},
                           {"id", requestId(job)},
                           {"jobId", job.id},
                           {"instance", job.instance},
                           {"outside", job.outside},
                           {"volumes", volumes},
                           {"paths", texts(job.paths)},
                           {"excludes", texts(job.excludes)},
                           {"repository", fmt::format("/vault/{}/{}/", job.vault, job.instance)},
                           {"user", job.id},
                           {"secret", secret},
                           {"key", repository.key},
                           {"tags", tags},
                           {"hostname", job.instance},
                           {"stallMs", job.stall_seconds * 1000}});
  if (context_.agents.connected(agent)) markRunning(txn, job);
  save(txn, job);
}

void Jobs::openGrant(const Job& job) {
  grants_.open({job.id, job.agent, job.vault, job.instance, runtime::VaultDirection::backup}, job.secret_hash);
}

void Jobs::markRunning(store::Txn& txn, Job& job) {
  job.state = JobState::running;
  job.started = txn.now();
  if (job.by.empty()) places_.occupy(txn, kPlacesOwner, holderOf(job));
  live_[job.id] = Live{job, txn.now(), txn.now(), 0, job.stored_bytes};
  txn.timers().drop("backup.start", job.id);
  txn.timers().set({"backup.watch", job.id, txn.now() + kWatchEvery, ""});
}

std::optional<Job> Jobs::openJob(store::Txn& txn, const json::Object& message) const {
  const auto id = json::textOr(message, "id");
  if (!id.starts_with(kPrefix)) return std::nullopt;
  auto job = find(txn, std::string_view(id).substr(kPrefix.size()));
  if (!job || isFinal(job->state)) return std::nullopt;
  return job;
}

void Jobs::handleProgress(store::Txn& txn, const json::Object& message) {
  auto job = openJob(txn, message);
  if (!job || job->agent.empty()) return;
  if (job->state == JobState::created) {
    markRunning(txn, *job);
    save(txn, *job);
  }
  auto& live = live_.try_emplace(job->id, Live{*job, txn.now(), txn.now(), 0, job->stored_bytes}).first->second;
  auto& figures = live.figures;
  const auto bytes = json::intOr(message, "bytesDone", figures.bytes_done);
  const auto files = json::intOr(message, "filesDone", figures.files_done);
  if (bytes != figures.bytes_done || files != figures.files_done || json::boolOr(message, "waiting", false)) live.moved = txn.now();
  figures.bytes_done = bytes;
  figures.files_done = files;
  figures.bytes_total = json::intOr(message, "bytesTotal", figures.bytes_total);
  figures.files_total = json::intOr(message, "filesTotal", figures.files_total);
  figures.message = json::textOr(message, "message", figures.message);
  const auto* percent = json::find(message, "percent");
  if (percent != nullptr && percent->is_number()) figures.percent = std::clamp(percent->to_number<double>(), 0.0, 100.0);
  if (txn.now() - live.saved < kSaveEvery) return;
  live.saved = txn.now();
  addLive(*job);
  save(txn, *job);
}

bool Jobs::snapshotComing(store::Txn& txn, std::string_view id, std::string_view snapshot) {
  auto job = find(txn, id);
  if (!job || isFinal(job->state)) return false;
  if (job->snapshot == snapshot || std::ranges::find(job->superseded, snapshot) != job->superseded.end()) return true;
  // Until it is stored it counts as one that an interrupted try left: the end of the job removes it.
  job->superseded.emplace_back(snapshot);
  save(txn, *job);
  return true;
}

void Jobs::diskFull(store::Txn& txn, std::string_view id, const std::string& why) {
  auto job = find(txn, id);
  if (!job || isFinal(job->state) || !job->doomed.empty()) return;
  log::error("the disk of a vault is full", {{"job", job->id}, {"vault", job->vault}, {"why", why}});
  // What was stored of it serves nobody and fills the disk.
  vaults_.dropLeftovers(txn, job->vault, job->instance);
  doom(txn, *job, JobState::failed, fmt::format("The disk of vault {} is full: {}", job->vault, why));
}

void Jobs::snapshotStored(store::Txn& txn, std::string_view id, std::string_view snapshot) {
  auto job = find(txn, id);
  if (!job || isFinal(job->state)) return;
  if (job->snapshot == snapshot) return;
  // A second snapshot comes only when a killed agent began anew: the newer one is the job's.
  std::erase(job->superseded, snapshot);
  if (!job->snapshot.empty()) job->superseded.push_back(job->snapshot);
  job->snapshot = snapshot;
  job->cut = txn.now();
  save(txn, *job);
  // Before anybody who waits for the cut has the machine woken.
  if (mustBeHeld(*job)) ask(txn, *job);
  for (const auto& listener : cut_) listener(txn, *job);
}

void Jobs::handleResult(store::Txn& txn, const json::Object& message) {
  auto job = openJob(txn, message);
  if (!job) return;
  job->bytes_done = json::intOr(message, "bytesProcessed", job->bytes_done);
  job->files_done = json::intOr(message, "filesProcessed", job->files_done);
  job->failed_files = textsOf(message, "failedFiles");
  job->failed_count = json::intOr(message, "failedCount", static_cast<std::int64_t>(job->failed_files.size()));
  if (!job->doomed.empty()) return end(txn, *job, job->doomed_state, job->doomed);
  settle(txn, *job, message);
}

void Jobs::settle(store::Txn& txn, Job& job, const json::Object& message) {
  const auto said = parseJobState(json::textOr(message, "state"));
  const auto text = json::textOr(message, "message");
  if (!said || (*said != JobState::completed && *said != JobState::partial)) {
    return end(txn, job, said && *said == JobState::aborted ? JobState::aborted : JobState::failed,
               text.empty() ? "The agent's backup failed." : text);
  }
  if (job.snapshot.empty())
    return end(txn, job, JobState::failed, "The agent said that it had finished, but no snapshot reached the vault.");
  if (const auto change = powerChange(txn, job); !change.empty()) return end(txn, job, JobState::failed, change);
  if (*said == JobState::completed) return finish(txn, job, JobState::completed, "");
  finish(txn, job, JobState::partial,
         fmt::format("{} of the machine's files could not be read: {}", job.failed_count, nameSome(job.failed_files, job.failed_count)));
}

// A machine that ran while it was read from outside may have changed anything: such a copy is no backup. Nor is one of a machine that runs
// no longer as its pre-script left it.
std::string Jobs::powerChange(store::Txn& txn, const Job& job) const {
  if (!job.outside) {
    const auto agent = job.boot.empty() ? std::nullopt : ssm::findAgentInfo(txn, job.instance);
    return agent && ssm::rebooted(job.boot, agent->boot) ? bootedSince(job) : "";
  }
  const auto instance = instances_.find(txn, job.instance);
  if (!instance) return fmt::format("Instance {} was terminated while its files were read.", job.instance);
  if (instance->state != InstanceState::stopped || instance->boot_generation != job.boot_generation) {
    return fmt::format("Instance {} did not stay stopped while its files were read.", job.instance);
  }
  return {};
}

void Jobs::doom(store::Txn& txn, Job& job, JobState state, const std::string& why) {
  if (job.agent.empty() || job.verdict) return end(txn, job, state, why);
  // Also to one that is away: what it began goes on without it, and nobody needs it any more.
  if (job.doomed.empty())
    context_.agents.request(txn, job.agent, {{"type", "cancel"}, {"id", "cancel/" + context_.random.uuid()}, {"target", requestId(job)}});
  if (!context_.agents.connected(job.agent)) return end(txn, job, state, why);
  if (!job.doomed.empty()) return;
  job.doomed = why;
  job.doomed_state = state;
  if (state == JobState::aborted) job.state = JobState::aborting;
  txn.timers().set({"backup.kill", job.id, txn.now() + kKillAfter, ""});
  save(txn, job);
}

void Jobs::addRecoveryPoint(store::Txn& txn, const Job& job, JobState state) {
  RecoveryPoint point;
  point.id = job.recovery_point;
  point.vault = job.vault;
  point.instance = job.instance;
  point.resource_arn = job.resource_arn;
  point.role_arn = job.role_arn;
  point.job = job.id;
  point.snapshot = job.snapshot;
  point.status = name(state);
  point.message = job.message;
  point.created = job.created;
  point.completed = txn.now();
  point.size = job.bytes_done;
  point.files = job.files_done;
  point.delete_after_days = job.delete_after_days;
  point.paths = job.paths;
  point.created_by = job.created_by;
  point.tags = job.recovery_point_tags;
  points_.add(txn, point);
}

void Jobs::end(store::Txn& txn, Job& job, JobState state, const std::string& message) {
  // Only what the vault counted: the agent's last word on bytes and files is newer than its last progress.
  if (const auto live = live_.find(job.id); live != live_.end()) {
    job.stored_bytes = live->second.stored_before + static_cast<std::int64_t>(grants_.movedBy(job.id).received);
  }
  job.state = state;
  job.message = message;
  job.ended = txn.now();
  job.verdict.reset();
  job.verdict_message.clear();
  const bool kept = state == JobState::completed || state == JobState::partial;
  if (kept) {
    job.percent = 100;
    job.bytes_total = job.bytes_done;
    job.files_total = job.files_done;
    addRecoveryPoint(txn, job, state);
  }
  for (const auto* timer : {"backup.start", "backup.complete", "backup.watch", "backup.kill", "backup.frozen"})
    txn.timers().drop(timer, job.id);
  grants_.close(job.id);
  live_.erase(job.id);
  if (!job.agent.empty()) context_.agents.withdraw(txn, job.agent, requestId(job));
  if (job.outside) instances_.setReading(txn, job.instance, "");
  for (const auto& snapshot : job.superseded) vaults_.forget(txn, job.vault, job.instance, snapshot, "");
  if (!kept && !job.snapshot.empty()) vaults_.forget(txn, job.vault, job.instance, job.snapshot, "");
  save(txn, job);
  log::info("backup job ended", {{"job", job.id}, {"instance", job.instance}, {"state", name(state)}, {"message", message}});
  for (const auto& listener : ended_) listener(txn, job);
  // One that never came to an agent has used nothing: a run that holds the machine may be about to.
  vaults_.maintain(txn, job.vault, job.instance, job.agent.empty() ? Vaults::Moment::any : Vaults::Moment::afterUse);
  if (job.by.empty()) {
    context_.locks.release(txn, job.instance, holderOf(job));
    places_.leave(txn, holderOf(job));
  }
  wake(txn, job.instance);
}

void Jobs::wake(store::Txn& txn, std::string_view instance) {
  for (const auto& waiting : openOf(txn, instance))
    // Read anew: one that began meanwhile keeps the others waiting.
    if (auto job = find(txn, waiting.id)) begin(txn, *job);
}

void Jobs::settledPower(store::Txn& txn, const std::string& id) {
  const auto instance = instances_.find(txn, id);
  const bool gone = !instance || instance->isGone();
  for (auto& job : openOf(txn, id)) {
    const bool live = !job.agent.empty() && !job.outside;
    if (gone) end(txn, job, JobState::failed, fmt::format("Instance {} was terminated.", id));
    else if (live && instance->state == InstanceState::stopped) {
      end(txn, job, JobState::failed, fmt::format("Instance {} went down while its files were read.", id));
    } else if (job.outside && !job.agent.empty() && job.doomed.empty() && !powerChange(txn, job).empty()) {
      doom(txn, job, JobState::failed, powerChange(txn, job));
    }
  }
  wake(txn, id);
}

// No power state tells of a reboot, nor is one heard of at all where nobody holds a power driver.
void Jobs::hello(store::Txn& txn, const std::string& instance, const std::string& boot) {
  for (auto& job : openOf(txn, instance))
    if (!job.outside && job.doomed.empty() && ssm::rebooted(job.boot, boot)) doom(txn, job, JobState::failed, bootedSince(job));
}

void Jobs::watch(store::Txn& txn, const std::string& id) {
  auto job = find(txn, id);
  if (!job || isFinal(job->state) || job->verdict) return;
  auto& live = live_.try_emplace(job->id, Live{*job, txn.now(), txn.now(), 0, job->stored_bytes}).first->second;
  const auto counts = grants_.movedBy(id);
  if (counts.received + counts.sent != live.seen_bytes) {
    live.seen_bytes = counts.received + counts.sent;
    live.moved = txn.now();
  }
  if (job->doomed.empty() && txn.now() - live.moved > std::chrono::seconds(job->stall_seconds) + kStallGrace) {
    return doom(txn, *job, JobState::failed, fmt::format("No byte moved and no file was finished for {} seconds.", job->stall_seconds));
  }
  txn.timers().set({"backup.watch", id, txn.now() + kWatchEvery, ""});
}

// The windows are those of AWS: so many minutes. All else is counted from now.
void Jobs::clockSet(store::Txn& txn, Duration by) {
  txn.afterCommit([this, by] {
    for (auto& [id, live] : live_) {
      live.saved += by;
      live.moved += by;
    }
  });
  for (const auto& record : txn.records().findBy(kJobKind, "open", "yes", "", 100'000)) {
    auto job = decodeRecord<Job>(kJobKind, record.key, record.body);
    if (!job) continue;
    job->start_by += by;
    job->complete_by += by;
    if (job->state == JobState::created) {
      txn.timers().set({"backup.start", job->id, job->start_by, ""});
      txn.timers().set({"backup.again", job->id, txn.now(), ""});
    }
    txn.timers().set({"backup.complete", job->id, job->complete_by, ""});
    if (job->verdict) txn.timers().set({"backup.frozen", job->id, askedUntil(txn), ""});
    else if (live_.contains(job->id)) txn.timers().set({"backup.watch", job->id, txn.now() + kWatchEvery, ""});
    if (!job->doomed.empty()) txn.timers().set({"backup.kill", job->id, txn.now() + kKillAfter, ""});
    addLive(*job);
    save(txn, *job);
  }
}

void Jobs::recover(store::Txn& txn) {
  std::set<std::string> machines;
  for (const auto& record : txn.records().findBy(kJobKind, "open", "yes", "", 100'000)) {
    const auto job = decodeRecord<Job>(kJobKind, record.key, record.body);
    if (!job) continue;
    if (!job->agent.empty()) {
      openGrant(*job);
      live_[job->id] = Live{*job, txn.now(), txn.now(), 0, job->stored_bytes};
    }
    // Nobody could answer while the server was away.
    if (job->verdict) txn.timers().set({"backup.frozen", job->id, askedUntil(txn), ""});
    machines.insert(job->instance);
  }
  for (const auto& machine : machines) wake(txn, machine);
}

}  // namespace sp::services::backup

// What was read of a machine that runs is worth something only if its application stood still until the end. A machine that wakes itself
// when it hears nothing for too long is therefore asked when the snapshot of it lies in the vault, and once more with the job's end if it
// has not answered by then: the answer comes after the read, whatever the clocks of the two hosts show.
#include "agentwire/messages.h"
#include "base/log.h"
#include "services/backup/jobs.h"

namespace sp::services::backup {
namespace {

/// Beyond the lease: a machine that has not answered by then has woken, or will never tell.
constexpr auto kAnswerGrace = std::chrono::seconds(60);
constexpr std::string_view kTimer = "backup.frozen";

}  // namespace

void Jobs::askFreezes() {
  context_.reports.on(std::string(agentwire::kLeased),
                      [this](store::Txn& txn, const std::string& agent, const json::Object& message) { leased(txn, agent, message); });
  context_.reports.on("connected", [this](store::Txn& txn, const std::string& agent, const json::Object&) {
    for (const auto& job : openOf(txn, agent))
      if (job.verdict) ask(txn, job);
  });
  context_.core.onTimer(std::string(kTimer), [this](store::Txn& txn, const store::Timer& timer) {
    auto job = find(txn, timer.id);
    if (!job || !job->verdict) return;
    end(txn, *job, JobState::failed,
        fmt::format(
            "The agent of instance {} did not say within {} s of the read that the machine had been frozen until then: the copy may "
            "not be consistent.",
            job->instance, std::chrono::duration_cast<std::chrono::seconds>(lease_ + kAnswerGrace).count()));
  });
}

Instant Jobs::askedUntil(store::Txn& txn) const { return txn.now() + lease_ + kAnswerGrace; }

// Each snapshot has its question: a read that began anew is answered for anew.
std::string Jobs::question(const Job& job) { return job.id + "/" + job.snapshot; }

bool Jobs::mustBeHeld(const Job& job) {
  return !job.freeze.empty() && !job.outside && (job.held_snapshot.empty() || job.held_snapshot != job.snapshot);
}

void Jobs::ask(store::Txn& txn, const Job& job) {
  context_.agents.tell(txn, job.instance, {{"type", agentwire::kLease}, {"freeze", job.freeze}, {"leaseMs", 0}, {"ask", question(job)}});
}

void Jobs::finish(store::Txn& txn, Job& job, JobState state, const std::string& message) {
  // It was asked when its snapshot lay in the vault, and has answered: whatever woke it since may.
  if (!mustBeHeld(job)) return end(txn, job, state, message);
  // It may have been read by an agent that was away when it was sent there.
  if (job.state == JobState::created) markRunning(txn, job);
  job.verdict = state;
  job.verdict_message = message;
  job.message = fmt::format("Its files were read. It waits for the agent of instance {} to say that the machine was frozen until then.",
                            job.instance);
  // What was last told of a running job is shown, and kept for its end.
  if (const auto live = live_.find(job.id); live != live_.end()) live->second.figures = job;
  txn.timers().drop("backup.watch", job.id);
  txn.timers().set({std::string(kTimer), job.id, askedUntil(txn), ""});
  save(txn, job);
  ask(txn, job);
}

// Only the machine itself knows: another agent may have read it.
void Jobs::leased(store::Txn& txn, const std::string& agent, const json::Object& message) {
  const auto freeze = json::textOr(message, "freeze");
  if (freeze.empty()) return;
  const bool held = json::boolOr(message, "held", false);
  for (const auto& each : openOf(txn, agent)) {
    if (each.freeze != freeze) continue;
    auto job = find(txn, each.id);
    if (!job || !mustBeHeld(*job)) continue;
    if (!held) {
      broken(txn, *job, json::textOr(message, "why"));
    } else if (!job->snapshot.empty() && json::textOr(message, "ask") == question(*job)) {
      job->held_snapshot = job->snapshot;
      save(txn, *job);
      if (job->verdict) end(txn, *job, *job->verdict, std::string(job->verdict_message));
    }
  }
}

void Jobs::woken(store::Txn& txn, std::string_view id, const std::string& why) {
  auto job = find(txn, id);
  if (job && !isFinal(job->state) && mustBeHeld(*job)) broken(txn, *job, why);
}

void Jobs::broken(store::Txn& txn, Job& job, std::string_view why) {
  if (!job.doomed.empty()) return;
  while (why.ends_with('.')) why.remove_suffix(1);
  log::warn("a machine was not still while it was read", {{"job", job.id}, {"instance", job.instance}, {"why", why}});
  doom(txn, job, JobState::failed,
       fmt::format("The machine woke its application before its files were read: {}. The copy would not be consistent.",
                   why.empty() ? std::string_view("it does not say why") : why));
}

}  // namespace sp::services::backup

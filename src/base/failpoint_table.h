// The list of fail points. A point is added here and passed as failpoint::hit("name") where it lies.
#pragma once
#include <array>

#include "base/failpoint.h"

namespace sp::failpoint {

inline constexpr std::array kPoints = {
    Point{"store.before_commit", "server", "a batch was executed, nothing of it is durable"},
    Point{"store.after_commit", "server", "a batch is durable, nobody was told"},
    Point{"agent.journal.before_fsync", "agent", "a record of the journal is written and not fsynced"},
    Point{"agent.journal.after_fsync", "agent", "a record of the journal is durable and nothing was done on it"},
    Point{"agent.journal.compact_written", "agent", "the shorter journal is written aside"},
    Point{"agent.journal.compact_renamed", "agent", "the shorter journal stands in place"},
    Point{"agent.request.accepted", "agent", "a request is accepted durably, the server was not told"},
    Point{"agent.script.starting", "agent", "'starting' is durable, the supervisor is not started"},
    Point{"agent.script.started", "agent", "the supervisor runs"},
    Point{"agent.script.ended", "agent", "the script's status is on disk, its result is not in the journal"},
    Point{"agent.result.journaled", "agent", "a result is durable and not sent"},
    Point{"agent.result.sent", "agent", "a result is sent and not settled"},
    Point{"agent.settled", "agent", "the server has settled a request, the journal has not"},
    Point{"agent.machine.made", "agent", "a machine's files are made aside, not in place"},
    Point{"agent.machine.starting", "agent", "a machine's boot is counted, its pid 1 is not started"},
    Point{"agent.machine.launching", "agent", "a machine's launcher runs, nobody waits for it yet"},
    Point{"agent.power.stopping", "agent", "a machine was asked to shut down"},
    Point{"agent.power.done", "agent", "a power change has happened, its result is not in the journal"},
    Point{"fleet.before_send", "server", "a request to an agent is durable and was not sent"},
    Point{"fleet.result_received", "server", "an agent's message arrived, nothing of it is durable"},
    Point{"fleet.before_settled", "server", "an agent's result is durable, the agent was not told"},
    Point{"blob.write", "server", "a piece of a blob is to be written aside"},
    Point{"blob.written", "server", "a blob's bytes are written aside, nothing of it is durable"},
    Point{"blob.durable", "server", "a blob is durable, no row names it"},
    Point{"s3.replaced", "server", "a row is durable that no longer names a blob, the blob is still there"},
    Point{"s3.task_answered", "server", "an S3 task's object is written and its outcome with it, nothing told of it"},
    Point{"vault.opening", "server", "a client asks for its repository's config to open it, it was not answered"},
    Point{"vault.before_store", "server", "a file for a vault is complete and fsynced, not under its name"},
    Point{"vault.after_store", "server", "a file lies in its vault, its client was not told"},
    Point{"backup.before_snapshot", "server", "a snapshot lies in its vault, its job does not know"},
    Point{"backup.after_snapshot", "server", "the job knows its snapshot, restic was not told"},
    Point{"backup.expiring", "server", "recovery points are to be removed by their lifecycle, nothing of it is durable"},
    Point{"backup.plan_due", "server", "a plan's runs and its next time are written, not yet durable"},
    Point{"vault.maintaining", "server", "a repository is leased for maintenance, nothing was done to it"},
    Point{"vault.forgotten", "server", "snapshots are gone from a repository, their space is not free"},
    Point{"vault.pruned", "server", "a repository's space is free, the core does not know"},
    Point{"flow.freeze_intent", "server", "a pre-script and its thaw debt are written, not yet durable"},
    Point{"flow.stop_intent", "server", "a stop and its start debt are written, not yet durable"},
    Point{"flow.job_intent", "server", "a run's backup job is written, not yet durable"},
    Point{"flow.thaw_sent", "server", "a post-script that pays a debt is written, not yet durable"},
    Point{"flow.payer_start", "server", "the payer is about to start a machine"},
    Point{"flow.lane_over", "server", "a lane has ended, its machine is not yet given up"},
    Point{"flow.row_written", "server", "the job log's row is written, not yet durable"},
    Point{"events.routed", "server", "an event's deliveries are written, not yet durable"},
    Point{"events.started", "server", "what an event or a schedule starts is written, not yet durable"},
    Point{"schedule.due", "server", "a schedule's delivery and its next timer are written, not yet durable"},
    Point{"agent.restic.starting", "agent", "restic's run is written down, its supervisor is not started"},
    Point{"agent.restic.started", "agent", "restic's supervisor runs"},
    Point{"agent.restic.adopted", "agent", "a restic of an earlier agent was found, nothing of it is read"},
    Point{"agent.restic.ended", "agent", "restic's status is on disk and read"},
    Point{"agent.backup_done", "agent", "restic has ended, its result is not in the journal"},
    Point{"agent.restore_moving", "agent", "restored files lie aside, none is in place"},
};

}  // namespace sp::failpoint

"""Runs that meet: one machine at a time, start windows that pass, and places among the backups at once."""
import contextlib
import json
import sqlite3

import pytest

from tests.api.test_events_out import Told
from tests.support import runs
from tests.support.own_model import stillpoint
from tests.support.server import REGION, ACCOUNT, Server
from tests.support.until import until

MINUTE = 60 * 1_000_000
HOLD = '#!/bin/sh\necho "pre $SSM_COMMAND_ID" >> /var/tmp/steps\nuntil [ -e /var/tmp/go ]; do sleep 0.1; done\n'
INSTANCE = f"arn:aws:ec2:{REGION}:{ACCOUNT}:instance/"


def lanes(server, arn):
    return runs.own(server, "DescribeRun", {"ExecutionArn": arn})["Lanes"]


def windows(minutes):
    return {"BackupVaultName": "Default", "IamRoleArn": runs.ROLE, "StartWindowMinutes": minutes}


@contextlib.contextmanager
def stopped(server):
    """The store of a server that does not run, as if time had passed."""
    server.stop()
    with contextlib.closing(sqlite3.connect(server.data / "store.db")) as database, database:
        yield database
    server.start()


class Held:
    """A server with machines, and a run that holds the first of them until let_go()."""

    def __init__(self, server, machines):
        self.server = server
        runs.upload_scripts(server)
        server.client("s3").put_object(Bucket=runs.BUCKET, Key="hold.sh", Body=HOLD.encode())
        self.ids = runs.launch(server, machines, tags={"held": "yes"})
        value = runs.run_input(5, ids=self.ids[:1])
        value["RemoteRunCommandDetails"]["PreBackupScriptDetails"] = {"SourceS3Path": f"s3://{runs.BUCKET}/hold.sh", "CommandToRun": "hold.sh"}
        self.arn = runs.start(server, "holder", value)
        until(lambda: lanes(server, self.arn)[0]["PreBackupScriptStatus"] == "InProgress", 60, "the pre-script of the run that holds the machine")

    def let_go(self):
        runs.shell(self.server, self.ids[0], "touch /var/tmp/go")
        ended = runs.finished(self.server, self.arn, 120)
        assert ended["status"] == "SUCCEEDED", ended

    def waits(self, arn):
        return until(lambda: [lane for lane in lanes(self.server, arn) if lane["CurrentStep"] == "ReserveMachine"], 60, f"{arn} waits")


@pytest.fixture
def held(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("data")).start()
    yield Held(server, 1)
    server.close()


def window_passes(server):
    with stopped(server) as database:
        assert database.execute("UPDATE timers SET due = due - 480 * ? WHERE kind = 'stillpoint.start_window'", (MINUTE,)).rowcount == 1


def test_a_machine_that_another_run_holds_is_skipped(held):
    server, (id,) = held.server, held.ids
    told = Told(server, {"source": ["stillpoint.runs"]})
    second = runs.start(server, "second", runs.run_input(5, ids=[id], BackupDetails=windows(1)))
    scripts = [word for step in ("pre", "post") for word in (f"--{step}", f"s3://{runs.BUCKET}/{step}.sh")]
    third = server.cli(["run", "--instance", id, *scripts, "--name", "third", "--start-window", "480", "--detach"]).stdout.strip()
    assert json.loads(server.client("stepfunctions").describe_execution(executionArn=third)["input"])["BackupDetails"]["StartWindowMinutes"] == 480
    refused = server.cli(["run", "--instance", id, "--start-window", "0"], check=False)
    assert refused.returncode != 0 and "--start-window" in refused.stderr + refused.stdout
    assert [lane["WaitsFor"] for lane in held.waits(second)] == ["the machine, which run holder holds"]
    assert "waits for the machine, which run holder holds" in server.cli(["show", second]).stdout
    held.waits(third)
    with stopped(server) as database:
        # The second's minute, not the third's eight hours.
        assert database.execute("UPDATE timers SET due = due - ? WHERE kind = 'stillpoint.start_window'", (MINUTE,)).rowcount == 2
    ended = runs.finished(server, second)
    assert (ended["status"], ended["error"]) == ("FAILED", "Stillpoint.Skipped")
    why = "run holder held the machine until its start window of 1 minutes had passed; nothing was touched"
    assert json.loads(ended["cause"])["targets"] == [{"InstanceId": id, "phase": "preflight", "error": "Stillpoint.Skipped", "message": why}]
    row = runs.row(server, second)
    assert (row["Status"], row["FailedCount"], row["SkippedCount"]) == ("SKIPPED", "1", "1")
    status = runs.statuses(server, second)[id]
    assert status["LaneStatus"] == "SKIPPED" and status["FailureMessage"] == why
    assert {status[key] for key in status if key.endswith("Status") and key != "LaneStatus"} == {"skipped"}, status
    event, = told.until(lambda came: came, "the alarm")
    assert event["detail-type"] == "Machine Skipped" and event["resources"] == [INSTANCE + id, second]
    assert event["detail"] == {"execution-arn": second, "instance-id": id, "start-window-minutes": 1, "message": why, "held-by": f"run:{held.arn}"}
    shown = server.cli(["show", "second"]).stdout
    assert "FAILED (SKIPPED)" in shown and f"SKIPPED {why}" in shown, shown
    watched = server.cli(["watch", "second"], check=False)
    assert watched.returncode == 1 and "FAILED (SKIPPED)" in watched.stdout and "SKIPPED: " in watched.stdout, watched.stdout
    assert runs.own(server, "DescribeRun", {"ExecutionArn": second})["Result"] == "SKIPPED"
    held.let_go()
    assert runs.finished(server, third, 120)["status"] == "SUCCEEDED", "it has waited, and had its turn"
    assert len([step for step, _ in runs.steps(server, id) if step == "pre"]) == 2, "the skipped one ran nothing"
    assert len(server.client("backup").list_backup_jobs()["BackupJobs"]) == 2
    again = server.cli(["run", "--again", "second", "--name", "fourth"])
    assert "fourth SUCCEEDED" in again.stdout
    told.off()


def test_a_plans_job_expires_when_its_start_window_passes(held):
    server, (id,) = held.server, held.ids
    backup = server.client("backup")
    plan = backup.create_backup_plan(BackupPlan={"BackupPlanName": "hourly", "Rules": [
        {"RuleName": "hourly", "TargetBackupVaultName": "Default", "ScheduleExpression": "cron(0 * * * ? *)", "StartWindowMinutes": 60}]})["BackupPlanId"]
    backup.create_backup_selection(BackupPlanId=plan, BackupSelection={
        "SelectionName": "held", "IamRoleArn": runs.ROLE, "ListOfTags": [{"ConditionType": "STRINGEQUALS", "ConditionKey": "held", "ConditionValue": "yes"}]})
    told = Told(server, {"source": ["aws.backup"], "detail-type": ["Backup Job State Change"], "detail": {"state": ["EXPIRED"]}})
    with stopped(server) as database:
        database.execute("UPDATE timers SET due = due - 60 * ? WHERE kind = 'backup.plan'", (MINUTE,))
    sfn = server.client("stepfunctions")
    arn, = until(lambda: [one["executionArn"] for one in sfn.list_executions(stateMachineArn=runs.MACHINE)["executions"] if one["name"].startswith("hourly-")],
                 60, "the plan's run")
    held.waits(arn)
    with stopped(server) as database:
        # Its own, and not the one that holds the machine, which is past it.
        assert database.execute("UPDATE timers SET due = due - 60 * ? WHERE kind = 'stillpoint.start_window'", (MINUTE,)).rowcount == 1
    ended = runs.finished(server, arn)
    assert (ended["status"], ended["error"]) == ("FAILED", "Stillpoint.Skipped")
    status = runs.statuses(server, arn)[id]
    assert (status["LaneStatus"], status["BackupJobStatus"]) == ("SKIPPED", "EXPIRED")
    job = backup.describe_backup_job(BackupJobId=status["BackupJobId"])
    assert (job["State"], job["ResourceArn"], job["CreatedBy"]["BackupPlanId"]) == ("EXPIRED", INSTANCE + id, plan)
    assert job["StatusMessage"].startswith("Backup job expired before it could start: run holder held the machine"), job["StatusMessage"]
    assert "RecoveryPointArn" not in job
    event, = told.until(lambda came: came, "the job's end")
    assert event["detail"]["backupJobId"] == status["BackupJobId"]
    assert backup.list_recovery_points_by_backup_vault(BackupVaultName="Default")["RecoveryPoints"] == []
    held.let_go()
    told.off()


def test_as_many_backups_run_as_may_and_the_next_run_has_the_next_place(tmp_path_factory):
    directory = tmp_path_factory.mktemp("data")
    (directory / "config.toml").write_text("[backups]\nat_once = 1\n")
    server = Server(directory, args=["--config", str(directory / "config.toml")]).start()
    try:
        held = Held(server, 4)
        first = runs.start(server, "two-machines", runs.run_input(5, ids=held.ids[1:3]))
        until(lambda: [lane.get("WaitsFor") for lane in lanes(server, first)] == ["a place among the backups that run at once"] * 2, 60, "both wait for a place")
        last = runs.start(server, "one-machine", runs.run_input(5, ids=held.ids[3:]))
        until(lambda: lanes(server, last)[0].get("WaitsFor"), 60, "it waits for a place too")
        # No machine is frozen for a backup that cannot begin, and no turn is lost with the server.
        server.kill()
        server.start()
        runs.online(server, held.ids)
        assert [lane["PreBackupScriptStatus"] for lane in lanes(server, first)] == ["", ""]
        watched = server.cli(["show", "two-machines"]).stdout
        assert "waits for a place among the backups that run at once" in watched, watched
        assert stillpoint(server).describe_server()["Backups"] == {"Running": 1, "Waiting": 3, "AtOnce": 1}
        assert "backups     1 of 1 at once under way, 3 waiting for their turn" in server.cli(["status"], check=False).stdout
        job = server.client("backup").start_backup_job(BackupVaultName="Default", IamRoleArn=runs.ROLE, ResourceArn=INSTANCE + held.ids[1])["BackupJobId"]
        held.let_go()
        for arn in (first, last):
            assert runs.finished(server, arn, 180)["status"] == "SUCCEEDED"
        described = until(lambda: (lambda one: one if one["State"] == "COMPLETED" else None)(server.client("backup").describe_backup_job(BackupJobId=job)), 60, "the job")
        # One after the other: none began before the one before it had ended.
        jobs = sorted(server.client("backup").list_backup_jobs()["BackupJobs"], key=lambda one: one["CompletionDate"])
        assert len(jobs) == 5 and jobs[-1]["BackupJobId"] == described["BackupJobId"], "whoever has no machine yet has no turn"
        began = [lane["BackupTime"] for arn in (held.arn, first, last) for lane in lanes(server, arn)]
        ended = [lane["BackupEndTime"] for arn in (held.arn, first, last) for lane in lanes(server, arn)]
        for before, after in zip(sorted(ended), sorted(began)[1:]):
            assert before <= after, (began, ended)
        # The run that came last has its turn before the earlier one's second machine.
        assert began[1] < began[3] < began[2], began
    finally:
        server.close()

"""An execution of a copy of PrePostBackup that failed goes on with the machines that failed: each from its pre-script, under a new freeze; what was
backed up is not touched again. PrePostBackup's own executions are not redriven: run --again starts a new one for the machines that failed."""
import json
import subprocess

import pytest

from tests.e2e.fleet import MACHINE, Fleet
from tests.e2e.test_paths import cause_of, settled
from tests.support import signed
from tests.support.server import BINARY, Server
from tests.support.until import until

ONCE = "echo {0} >> /root/trace; [ -e /root/{0}-failed ] || {{ touch /root/{0}-failed; exit 1; }}"
WORDS = ("PreBackupScriptStatus", "StopEc2InstanceStatus", "BackupJobStatus", "StartEc2InstanceStatus", "PostBackupScriptStatus")
GOOD = {1: ["Success", "stopped", "COMPLETED", "running", "Success"], 5: ["Success", "skipped", "COMPLETED", "skipped", "Success"]}


def copied(fleet):
    """The fleet, running a copy of PrePostBackup."""
    definition = fleet.states.describe_state_machine(stateMachineArn=MACHINE)["definition"]
    fleet.machine = fleet.states.create_state_machine(name="copied", definition=definition, roleArn="arn:aws:iam::000000000000:role/r")["stateMachineArn"]
    return fleet


@pytest.fixture(scope="module")
def fleet(server):
    made = copied(Fleet(server))
    made.script("pre-once.sh", ONCE.format("pre"))
    made.script("post-once.sh", ONCE.format("post"))
    return made


def call(fleet, operation, arn):
    return signed.call_json(fleet.server, "states", f"AWSStepFunctions.{operation}", {"executionArn": arn})


def redrivable(fleet, arn):
    return call(fleet, "DescribeExecution", arn)[1]["redriveStatus"] == "REDRIVABLE"


def redrive(fleet, arn):
    until(lambda: redrivable(fleet, arn), 60, f"{arn} can be redriven")
    status, answer = call(fleet, "RedriveExecution", arn)
    assert status == 200, answer
    return answer


def words(fleet, arn, instance):
    return [fleet.entries(arn)[instance][word] for word in WORDS]


def event_types(fleet, arn):
    pages = fleet.states.get_paginator("get_execution_history").paginate(executionArn=arn)
    return [event["type"] for page in pages for event in page["events"]]


def backups_of(fleet, instance):
    return fleet.backup.list_backup_jobs(ByResourceArn=f"arn:aws:ec2:us-east-1:000000000000:instance/{instance}")["BackupJobs"]


def succeeded(fleet, arn, instance, path, first):
    """It succeeded after one redrive; the row is that run's, rewritten."""
    end = fleet.ended(arn)
    assert end["status"] == "SUCCEEDED", end
    row, entry = fleet.row(arn), fleet.entries(arn)[instance]
    assert words(fleet, arn, instance) == GOOD[path]
    assert (row["Status"], row["FailureMessage"], row["FailedCount"], row["RedriveCount"]) == ("SUCCEEDED", "", "0", "1")
    assert row["StartTime"] == first["StartTime"] and row["EndTime"] > first["EndTime"]
    assert (entry["FailureMessage"], entry["Attempt"]) == ("", 2) and "Owed" not in entry and "attempt 1 failed" in entry["Note"]
    points = fleet.backup.list_recovery_points_by_backup_vault(BackupVaultName=fleet.vault)["RecoveryPoints"]
    assert entry["RecoveryPointArn"] in [point["RecoveryPointArn"] for point in points]
    shown = call(fleet, "DescribeExecution", arn)[1]
    assert (shown["redriveCount"], shown["redriveStatus"]) == (1, "NOT_REDRIVABLE") and shown["redriveDate"] < shown["stopDate"]
    settled(fleet, instance)


@pytest.mark.parametrize("path", [1, 5])
def test_pre_fails_once(fleet, path):
    bad, good = fleet.machines(2)
    fleet.shell(good, "touch /root/pre-failed")
    arn = fleet.start(fleet.input(path, [bad, good], pre="pre-once.sh"))
    cause_of(fleet.ended(arn), bad, "pre", "Stillpoint.PreScriptFailed")
    first, untouched = fleet.row(arn), fleet.entries(arn)[good]
    assert first["Status"] == "PARTIAL" and fleet.trace(bad) == ["pre", "post"]
    redrive(fleet, arn)
    succeeded(fleet, arn, bad, path, first)
    assert fleet.trace(bad) == ["pre", "post", "pre", "post"] and len(backups_of(fleet, bad)) == 1
    assert fleet.trace(good) == ["pre", "post"] and len(backups_of(fleet, good)) == 1 and fleet.entries(arn)[good] == untouched
    types = event_types(fleet, arn)
    at = types.index("ExecutionRedriven")
    assert types[at - 1] == "ExecutionFailed" and types[at + 1:at + 3] == ["TaskStateEntered", "TaskScheduled"] and types[-1] == "ExecutionSucceeded"
    assert types[at:].count("MapIterationStarted") == 1, "the lane that failed alone"


def test_backup_fails_once(fleet):
    [instance] = fleet.machines(1)
    fleet.shell(instance, "dd if=/dev/urandom of=/root/big bs=1M count=300 2>/dev/null; sync")
    arn = fleet.start(fleet.input(1, [instance]))

    def job():
        jobs = backups_of(fleet, instance)
        return jobs and jobs[0]["State"] == "RUNNING" and jobs[0]["BackupJobId"]
    fleet.backup.stop_backup_job(BackupJobId=until(job, 60, "the job runs"))
    cause_of(fleet.ended(arn), instance, "backup", "Stillpoint.BackupFailed")
    first, frozen = fleet.row(arn), fleet.entries(arn)[instance]["FreezeId"]
    assert fleet.trace(instance) == ["pre", "post"]
    fleet.shell(instance, "rm /root/big")
    redrive(fleet, arn)
    succeeded(fleet, arn, instance, 1, first)
    assert fleet.trace(instance) == ["pre", "post", "pre", "post"], "no backup without a freeze of its own"
    assert fleet.entries(arn)[instance]["FreezeId"] != frozen
    assert [job["State"] for job in backups_of(fleet, instance)] == ["COMPLETED", "ABORTED"]


def test_post_fails_once(fleet):
    [instance] = fleet.machines(1)
    arn = fleet.start(fleet.input(5, [instance], post="post-once.sh"))
    cause_of(fleet.ended(arn), instance, "post", "Stillpoint.PostScriptFailed")
    first = fleet.row(arn)
    # The thaw is owed: nothing begins on a machine that may still be frozen.
    status, answer = call(fleet, "RedriveExecution", arn)
    if status != 200:
        assert answer["__type"].endswith("ExecutionNotRedrivable") and f"{instance} is still owed its post-script" in answer["message"]
        settled(fleet, instance)
        assert fleet.trace(instance) == ["pre", "post", "post"]
        first = fleet.row(arn)
        redrive(fleet, arn)
    succeeded(fleet, arn, instance, 5, first)
    assert fleet.trace(instance) == ["pre", "post", "post", "pre", "post"]


def test_stopped_run(fleet):
    [instance] = fleet.machines(1)
    fleet.script("pre-slow.sh", "echo pre >> /root/trace; [ -e /root/slow ] || { touch /root/slow; sleep 600; }")
    arn = fleet.start(fleet.input(5, [instance], pre="pre-slow.sh"))
    until(lambda: fleet.tree(instance, "/root/slow").exists(), 60, "the pre-script runs")
    fleet.states.stop_execution(executionArn=arn)
    assert fleet.ended(arn)["status"] == "ABORTED"
    first = fleet.row(arn)
    assert first["Status"] == "ABORTED"
    redrive(fleet, arn)
    succeeded(fleet, arn, instance, 5, first)
    assert fleet.trace(instance) == ["pre", "post", "pre", "post"]


def cli(fleet, *words):
    return subprocess.run([BINARY, *words, "--data-dir", str(fleet.server.data)], capture_output=True, text=True, check=False)


def test_from_the_command_line(fleet):
    [instance] = fleet.machines(1)
    arn = fleet.start(fleet.input(5, [instance], pre="pre-once.sh"))
    fleet.ended(arn)
    until(lambda: redrivable(fleet, arn), 60, "it can be redriven")
    shown = cli(fleet, "show", arn).stdout
    assert f"stillpoint redrive {arn}" in shown and "redriven" not in shown
    done = cli(fleet, "redrive", arn)
    assert done.returncode == 0 and f"{arn.rpartition(':')[2]} SUCCEEDED" in done.stdout, done
    shown = cli(fleet, "show", arn).stdout
    assert "redriven" in shown and "attempt 2" in shown and "attempt 1 failed in pre" in shown and "to go on" not in shown
    refused = cli(fleet, "redrive", arn)
    assert refused.returncode == 1 and "Execution is SUCCEEDED and cannot be redriven" in refused.stderr


def test_the_built_in_machine_is_run_again_for_what_failed(server):
    fleet = Fleet(server)
    bad, good = fleet.machines(2)
    fleet.script("pre-once.sh", ONCE.format("pre"))
    fleet.shell(good, "touch /root/pre-failed")
    arn = fleet.start(fleet.input(5, [bad, good], pre="pre-once.sh"))
    cause_of(fleet.ended(arn), bad, "pre", "Stillpoint.PreScriptFailed")
    settled(fleet, bad)
    name = arn.rpartition(":")[2]
    described = call(fleet, "DescribeExecution", arn)[1]
    assert described["redriveStatus"] == "NOT_REDRIVABLE" and "start a new one" in described["redriveStatusReason"]
    status, answer = call(fleet, "RedriveExecution", arn)
    assert status == 400 and answer["__type"].endswith("ExecutionNotRedrivable"), answer
    assert f"stillpoint run --again {name}" in cli(fleet, "show", name).stdout
    done = cli(fleet, "run", "--again", name, "--name", name + "-again")
    assert done.returncode == 0 and f"{name}-again SUCCEEDED" in done.stdout, done
    again = arn.replace(name, name + "-again")
    assert list(fleet.entries(again)) == [bad] and words(fleet, again, bad) == GOOD[5]
    assert fleet.trace(bad) == ["pre", "post", "pre", "post"] and fleet.trace(good) == ["pre", "post"]
    assert "to go on" not in cli(fleet, "show", name + "-again").stdout
    nothing = cli(fleet, "run", "--again", name + "-again")
    assert nothing.returncode == 2 and f"no machine failed in {name}-again" in nothing.stderr
    both = cli(fleet, "run", "--again", name, "--tag", "a=b")
    assert both.returncode != 0 and "excludes" in both.stderr


@pytest.mark.parametrize("step", ["ExecutePreBackupScript", "RunBackupJob", "ExecutePostBackupScript"])
def test_kill_in_the_middle_of_a_redriven_run(tmp_path, step):
    server = Server(tmp_path).start()
    try:
        fleet = copied(Fleet(server))
        # The second of each stays until it is let go.
        wait = "touch /root/{0}-runs; while [ ! -e /root/{0}-go ]; do sleep 0.05; done"
        fleet.script("pre-gated.sh", "echo pre >> /root/trace; [ -e /root/pre-failed ] || { touch /root/pre-failed; exit 1; }; " + wait.format("pre"))
        fleet.script("post-gated.sh", "echo post >> /root/trace; [ $(grep -c post /root/trace) -lt 2 ] || { " + wait.format("post") + "; }")
        [instance] = fleet.machines(1)
        fleet.shell(instance, "dd if=/dev/urandom of=/root/big bs=1M count=100 2>/dev/null; sync")
        killed_in = {"ExecutePreBackupScript": "pre", "ExecutePostBackupScript": "post"}.get(step)
        for one in {"pre", "post"} - {killed_in}:
            fleet.tree(instance, f"/root/{one}-go").touch()
        arn = fleet.start(fleet.input(5, [instance], pre="pre-gated.sh", post="post-gated.sh"))
        fleet.ended(arn)
        first = fleet.row(arn)
        redrive(fleet, arn)
        if killed_in:
            until(lambda: fleet.tree(instance, f"/root/{killed_in}-runs").exists(), 60, f"{step} runs")
        else:
            until(lambda: backups_of(fleet, instance), 60, "the job is there")
        server.kill()
        server.start()
        if killed_in:
            fleet.tree(instance, f"/root/{killed_in}-go").touch()
        fleet = Fleet(server)
        end = fleet.ended(arn)
        assert end["status"] == "SUCCEEDED", end
        settled(fleet, instance)
        succeeded(fleet, arn, instance, 5, first)
        assert fleet.trace(instance) == ["pre", "post", "pre", "post"], "every script of the second attempt ran once"
    finally:
        server.close()

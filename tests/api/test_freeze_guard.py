"""A machine that is frozen or stopped while its server dies: it wakes itself, and the server tells it when it is back."""
import json
import os

import pytest

from tests.api.test_backup import moving
from tests.support import runs
from tests.support.own_model import stillpoint
from tests.support.server import Server
from tests.support.until import until

LEASE = 3
FROZEN = "var/tmp/frozen"
PRE = f"#!/bin/sh\nset -e\ntouch /{FROZEN}\n"
# What it was told stands beside what it did.
POST = f'#!/bin/sh\nset -e\nrm -f /{FROZEN}\necho "$PRE_STATUS $BACKUP_STATUS [$JOB_ID] $ATTEMPT" >> /var/tmp/woken\nsync /var/tmp/woken\n'


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("guard")
    (folder / "config.toml").write_text(f"[runs]\nfreeze_lease_seconds = {LEASE}\n")
    running = Server(folder, args=["--config", str(folder / "config.toml")]).start()
    runs.upload_scripts(running, pre=PRE, post=POST)
    yield running
    running.close()


@pytest.fixture
def machine(server):
    """With so much in it that reading it takes a while."""
    made = runs.launch(server)[0]
    with open(root(server, made) / "var/tmp/much", "wb") as file:
        for _ in range(600):
            file.write(os.urandom(1 << 20))
    yield made
    server.client("ec2").terminate_instances(InstanceIds=[made])


def root(server, machine):
    return server.data / "machines" / machine / "root"


def frozen(server, machine):
    return (root(server, machine) / FROZEN).exists()


def woken(server, machine):
    """What each post-script of the machine was told."""
    file = root(server, machine) / "var/tmp/woken"
    return file.read_text().splitlines() if file.exists() else []


def job_of(server, machine):
    jobs = server.client("backup").list_backup_jobs(ByResourceArn=f"arn:aws:ec2:us-east-1:000000000000:instance/{machine}")["BackupJobs"]
    return jobs[0]["BackupJobId"] if jobs else None


def thaws(server, machine):
    """The commands of the machine's own guard, as everybody sees them."""
    invocations = server.client("ssm").list_command_invocations(InstanceId=machine, Details=True)["CommandInvocations"]
    return [one for one in invocations if "by the machine's own guard" in one.get("Comment", "")]


def guards_success(server, machine):
    return next((one for one in thaws(server, machine) if one["Status"] == "Success"), None)


def read_until_killed(server, name, machine, path):
    arn = runs.start(server, name, runs.run_input(path, ids=[machine]))
    job = until(lambda: job_of(server, machine), 60, "the job")
    moving(server.client("backup"), job)
    assert frozen(server, machine)
    server.kill()
    return arn, job


def expect_no_copy(server, machine, arn, job):
    assert runs.finished(server, arn, 120)["status"] == "FAILED"
    assert server.client("backup").describe_backup_job(BackupJobId=job)["State"] == "FAILED"
    points = server.client("backup").list_recovery_points_by_backup_vault(BackupVaultName="Default")["RecoveryPoints"]
    assert not [point for point in points if point["ResourceArn"].endswith(machine)]


def test_a_frozen_machine_wakes_itself_when_its_server_dies(server, machine):
    arn, job = read_until_killed(server, "dies-live", machine, 5)
    until(lambda: not frozen(server, machine), LEASE + 30, "the machine wakes")
    server.start()
    until(lambda: guards_success(server, machine), 60, "the server tells of it")
    until(lambda: not stillpoint(server).list_owed(InstanceId=machine)["Debts"], 60, "nothing is owed")
    expect_no_copy(server, machine, arn, job)
    assert woken(server, machine)[0].startswith("Success unknown [] ")
    told = runs.statuses(server, arn)[machine]
    thaw = guards_success(server, machine)
    assert (told["PostBackupScriptStatus"], told["PostCommandId"]) == ("Success", thaw["CommandId"]), told
    assert thaw["CommandId"] in told["Warning"] and "the machine woke itself" in told["Warning"]
    assert told["FreezeId"] in thaw["Comment"]
    assert len([one for one in thaws(server, machine) if one["Status"] == "Success"]) == 1


def test_a_stopped_machine_is_started_and_woken_when_its_server_dies(server, machine):
    arn, job = read_until_killed(server, "dies-stopped", machine, 1)
    until(lambda: not frozen(server, machine), LEASE + 60, "its driver's holder starts it, and it wakes")
    server.start()
    runs.settled(server, machine)
    expect_no_copy(server, machine, arn, job)
    until(lambda: guards_success(server, machine), 60, "the server tells of it")
    assert runs.statuses(server, arn)[machine]["PostBackupScriptStatus"] == "Success"


def test_a_machine_waits_for_a_server_that_is_there(server, machine):
    """The pre-script alone takes longer than two leases, the backup too perhaps."""
    server.client("s3").put_object(Bucket=runs.BUCKET, Key="slow.sh", Body=(PRE + f"sleep {2 * LEASE + 1}\n").encode())
    value = runs.run_input(5, ids=[machine])
    value["RemoteRunCommandDetails"]["PreBackupScriptDetails"] = {"SourceS3Path": f"s3://{runs.BUCKET}/slow.sh", "CommandToRun": "slow.sh"}
    arn = runs.start(server, "waits", value)
    end = runs.finished(server, arn, 120)
    assert end["status"] == "SUCCEEDED", end
    told = runs.statuses(server, arn)[machine]
    assert told["BackupJobStatus"] == "COMPLETED" and "Warning" not in told, told
    assert woken(server, machine) == [f"Success COMPLETED [{told['BackupJobId']}] 1"] and not thaws(server, machine)


def test_a_server_that_is_back_in_time_finds_all_as_it_was(server, machine):
    arn = runs.start(server, "back", runs.run_input(5, ids=[machine]))
    job = until(lambda: job_of(server, machine), 60, "the job")
    server.kill()
    server.start()
    end = runs.finished(server, arn, 120)
    state = server.client("backup").describe_backup_job(BackupJobId=job)["State"]
    # A slow host may need longer for that than the lease is: then it is told, and there is no copy.
    assert (end["status"], state, bool(thaws(server, machine))) in [("SUCCEEDED", "COMPLETED", False), ("FAILED", "FAILED", True)], json.dumps(end, default=str)
    runs.settled(server, machine)
    assert not frozen(server, machine)


def test_a_post_script_that_is_not_there_freezes_nothing(server, machine):
    server.client("s3").put_object(Bucket=runs.BUCKET, Key="gone/post.sh", Body=POST.encode())
    value = runs.run_input(5, ids=[machine])
    value["RemoteRunCommandDetails"]["PostBackupScriptDetails"] = {"SourceS3Path": f"s3://{runs.BUCKET}/gone/post.sh", "CommandToRun": "post.sh"}
    # Between the input's check and the pre-script: another run holds the machine.
    first = runs.start(server, "holds", runs.run_input(8, ids=[machine]))
    until(lambda: job_of(server, machine), 60, "the first run holds the machine")
    arn = runs.start(server, "unpromised", value)
    until(lambda: stillpoint(server).describe_run(ExecutionArn=arn)["Lanes"], 30, "it waits")
    server.client("s3").delete_object(Bucket=runs.BUCKET, Key="gone/post.sh")
    runs.finished(server, first, 120)
    assert runs.finished(server, arn, 60)["error"] == "Stillpoint.PreScriptFailed"
    assert "gone/post.sh" in runs.statuses(server, arn)[machine]["FailureMessage"]
    assert not frozen(server, machine) and not stillpoint(server).list_owed(InstanceId=machine)["Debts"]

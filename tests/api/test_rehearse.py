"""Pre- and post-script alone: what a rehearsal does, and what it leaves alone."""
import json

import pytest

from tests.support import runs
from tests.support.own_model import stillpoint


@pytest.fixture(scope="module")
def machine(server):
    runs.upload_scripts(server, pre=runs.PRE + "sleep 1\n")
    return runs.launch(server)[0]


def scripts(pre="pre.sh", post="post.sh"):
    found = {}
    if pre:
        found["PreBackupScriptDetails"] = {"SourceS3Path": f"s3://{runs.BUCKET}/{pre}", "CommandToRun": pre}
    if post:
        found["PostBackupScriptDetails"] = {"SourceS3Path": f"s3://{runs.BUCKET}/{post}", "CommandToRun": post}
    return found


def rehearse(server, name, machine, **more):
    arn = runs.start(server, name, {"TargetEC2Instances": [machine], "Rehearsal": True, "RemoteRunCommandDetails": scripts(), **more})
    return arn, runs.finished(server, arn)


def test_rehearsal_freezes_thaws_and_backs_nothing_up(server, machine):
    before = runs.steps(server, machine)
    jobs = len(server.client("backup").list_backup_jobs()["BackupJobs"])
    arn, end = rehearse(server, "rehearsal-1", machine)
    assert end["status"] == "SUCCEEDED", end
    assert [what for what, _ in runs.steps(server, machine)[len(before):]] == ["pre", "post"]
    assert len(server.client("backup").list_backup_jobs()["BackupJobs"]) == jobs
    run = stillpoint(server).describe_run(ExecutionArn=arn)
    lane = run["Lanes"][0]
    assert (lane["PreBackupScriptStatus"], lane["PostBackupScriptStatus"], lane["BackupJobStatus"], lane["StopEc2InstanceStatus"]) == (
        "Success", "Success", "skipped", "skipped")
    assert 1 <= lane["FrozenSeconds"] < 30 and run["Input"]["Rehearsal"] is True
    row = server.client("dynamodb").get_item(TableName="PrePostBackupLog", Key={"SM_Execution_ID": {"S": arn}})["Item"]
    assert row["Rehearsal"]["S"] == "true" and row["Status"]["S"] == "SUCCEEDED" and "Path" not in row


def test_a_failed_pre_script_is_thawed_all_the_same(server, machine):
    server.client("s3").put_object(Bucket=runs.BUCKET, Key="bad.sh", Body=(runs.PRE + "exit 3\n").encode())
    before = runs.steps(server, machine)
    arn, end = rehearse(server, "rehearsal-2", machine, RemoteRunCommandDetails=scripts("bad.sh"))
    assert end["status"] == "FAILED" and end["error"] == "Stillpoint.PreScriptFailed"
    runs.settled(server, machine)
    assert [what for what, _ in runs.steps(server, machine)[len(before):]] == ["pre", "post"]


def test_a_failed_thaw_stays_owed_until_it_is_paid(server, machine):
    server.client("s3").put_object(Bucket=runs.BUCKET, Key="once.sh", Body=b"#!/bin/sh\n[ -e /var/tmp/well ] || exit 1\n")
    arn, end = rehearse(server, "rehearsal-3", machine, RemoteRunCommandDetails=scripts(post="once.sh"))
    assert end["status"] == "FAILED" and end["error"] == "Stillpoint.PostScriptFailed"
    assert [debt["Kind"] for debt in stillpoint(server).list_owed(InstanceId=machine)["Debts"]] == ["thaw"]
    (server.data / "machines" / machine / "root/var/tmp/well").touch()
    stillpoint(server).thaw(InstanceId=machine)
    runs.settled(server, machine)


@pytest.mark.parametrize("more,words", [({"BackupDetails": {"BackupVaultName": "Default", "IamRoleArn": runs.ROLE}}, "backs nothing up"),
                                        ({"StartStopEC2Required": True}, "stops no machine"),
                                        ({"RemoteRunCommandDetails": scripts(post=None)}, "a pre-script and a post-script"),
                                        ({"RemoteRunCommandDetails": scripts(pre=None)}, "a pre-script and a post-script"),
                                        ({"Rehearsal": "yes"}, "true or false")])
def test_what_makes_no_rehearsal_is_refused(server, machine, more, words):
    before = runs.steps(server, machine)
    _, end = rehearse(server, f"refused-{abs(hash(json.dumps(more)))}", machine, **more)
    assert (end["status"], end["error"]) == ("FAILED", "Stillpoint.InvalidInput") and words in end["cause"]
    assert runs.steps(server, machine) == before


def test_a_stopped_machine_is_not_rehearsed(server):
    other = runs.launch(server, tags={"role": "stopped"})[0]
    server.client("ec2").stop_instances(InstanceIds=[other])
    _, end = rehearse(server, "rehearsal-stopped", other)
    assert end["status"] == "FAILED" and "a rehearsal starts none" in end["cause"]


def test_the_verb_tells_how_long_it_was_frozen(server, machine):
    s3 = f"s3://{runs.BUCKET}"
    done = server.cli(["rehearse", machine, "--pre", f"{s3}/pre.sh", "--pre-command", "pre.sh", "--post", f"{s3}/post.sh", "--post-command", "post.sh"])
    assert f"{machine} was frozen for " in done.stdout
    bad = server.cli(["rehearse", machine, "--pre", f"{s3}/none.sh", "--post", f"{s3}/post.sh"], check=False)
    assert bad.returncode == 1 and "none.sh" in bad.stdout + bad.stderr

"""Pre- and post-script alone: what a rehearsal does, and what it leaves alone."""
import json

import pytest
from botocore.exceptions import ClientError

from tests.support import runs
from tests.support.own_model import stillpoint
from tests.support.until import until


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


@pytest.mark.parametrize("which", ["PreBackupScriptDetails", "PostBackupScriptDetails"])
@pytest.mark.parametrize("change, words", [({"OutputS3BucketName": runs.BUCKET, "OutputS3KeyPrefix": "p" * 501}, "501 characters: at most 500"), ({"CommandToRun": "x" * 70_000}, "at most 65536 are allowed"),
                                           ({"CommandToRun": "post.sh {{ssm:nosuch}}"}, "nosuch"), ({"CommandToRun": "post.sh {{ssm:hidden}}"}, "SecureString")])
def test_scripts_that_could_never_be_sent_are_refused_before_anything_is_touched(server, machine, which, change, words):
    """A post-script of that kind would leave its machine frozen."""
    server.client("ssm").put_parameter(Name="hidden", Type="SecureString", Value="v", Overwrite=True)
    before = runs.steps(server, machine)
    given = scripts()
    given[which].update(change)
    arn, end = rehearse(server, f"unsendable-{which[:3]}-{abs(hash(json.dumps(change)))}", machine, RemoteRunCommandDetails=given)
    assert (end["status"], end["error"]) == ("FAILED", "Stillpoint.InvalidInput") and which in end["cause"] and words in end["cause"], end["cause"]
    assert len(end["cause"]) < 2_000 and runs.steps(server, machine) == before
    assert which in runs.row(server, arn)["FailureMessage"] and not stillpoint(server).list_owed(InstanceId=machine)["Debts"]


def test_what_is_owed_to_a_machine_does_not_keep_it(server):
    """Its agent is gone for good and a thaw is under way to it: the machine can be removed, and what is owed ends with it."""
    gone = runs.launch(server, tags={"role": "gone"})[0]
    server.client("s3").put_object(Bucket=runs.BUCKET, Key="never.sh", Body=b"#!/bin/sh\nexit 1\n")
    rehearse(server, "rehearsal-gone", gone, RemoteRunCommandDetails=scripts(post="never.sh"))
    own, ec2 = stillpoint(server), server.client("ec2")
    own.revoke_agent(InstanceId=gone)
    until(lambda: own.thaw(InstanceId=gone) and [debt.get("CommandId") for debt in own.list_owed(InstanceId=gone)["Debts"]] != [None], 60, "a thaw is under way")
    with pytest.raises(ClientError) as refused:
        ec2.stop_instances(InstanceIds=[gone])
    assert "is held by run" in str(refused.value)
    ec2.terminate_instances(InstanceIds=[gone])
    until(lambda: runs.state_of(server, gone) == "terminated", 60, "it is terminated")
    assert own.list_owed(InstanceId=gone)["Debts"] == []


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

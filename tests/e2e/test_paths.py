"""The workflow on real machines: all eight paths by tag and by ids, each failure, each way in which nothing may be touched."""
import json
from concurrent.futures import ThreadPoolExecutor

import botocore.exceptions
import pytest

from tests.e2e.fleet import PATHS, Fleet
from tests.support.own_model import stillpoint
from tests.support.until import until


@pytest.fixture(scope="module")
def fleet(server):
    return Fleet(server)


def expected_steps(path):
    pre, stop, post = PATHS[path]
    return (["ValidateInput", "ReserveMachine"] + ["ExecutePreBackupScript"] * pre + ["StopEC2Instance"] * stop + ["RunBackupJob", "AwaitBackupJobCompletion"]
            + ["StartEC2Instance"] * stop + ["ExecutePostBackupScript"] * post + ["ReleaseMachine", "SaveWorkflowStateToDynamoDB"])


def settled(fleet, instance, seconds=60):
    """Nothing is owed to the machine, it runs and is reachable."""
    own = stillpoint(fleet.server)
    until(lambda: not own.list_owed(InstanceId=instance)["Debts"], seconds, f"nothing owed to {instance}")
    until(lambda: fleet.state(instance) == "running" and fleet.online(instance), seconds, f"{instance} running")


@pytest.mark.parametrize("path", PATHS)
def test_path_by_ids(fleet, path):
    pre, stop, post = PATHS[path]
    [instance] = fleet.machines(1)
    launched = fleet.ec2.describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"][0]["LaunchTime"]
    arn = fleet.start(fleet.input(path, [instance]))
    end = fleet.ended(arn)
    assert end["status"] == "SUCCEEDED", end
    assert fleet.steps(arn) == expected_steps(path)
    entry = fleet.entries(arn)[instance]
    assert list(entry)[:7] == ["InstanceId", "PreBackupScriptStatus", "StopEc2InstanceStatus", "BackupJobStatus", "PostBackupScriptStatus",
                               "StartEc2InstanceStatus", "FailureMessage"]
    assert [entry[k] for k in list(entry)[1:7]] == ["Success" if pre else "skipped", "stopped" if stop else "skipped", "COMPLETED",
                                                    "Success" if post else "skipped", "running" if stop else "skipped", ""]
    row = fleet.row(arn)
    assert row["Path"] == str(path) and row["StartTime"] < row["EndTime"] and row["FailureMessage"] == ""
    settled(fleet, instance)
    assert fleet.trace(instance) == ["pre"] * pre + ["post"] * post
    again = fleet.ec2.describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"][0]["LaunchTime"]
    assert (again != launched) == stop, "the machine really booted anew, or not at all"
    job = fleet.backup.describe_backup_job(BackupJobId=entry["BackupJobId"])
    assert job["State"] == "COMPLETED" and job["RecoveryPointArn"] == entry["RecoveryPointArn"]
    if pre:
        command = fleet.ssm.list_command_invocations(CommandId=entry["PreCommandId"])["CommandInvocations"]
        assert [c["InstanceId"] for c in command] == [instance]


@pytest.mark.parametrize("path", PATHS)
def test_path_by_tag(fleet, path):
    ids = fleet.machines(2, tag=f"path-{path}")
    [other] = fleet.machines(1, tag=f"path-{path}-not")
    arn = fleet.start(fleet.input(path, f"path-{path}"))
    end = fleet.ended(arn)
    assert end["status"] == "SUCCEEDED", end
    assert sorted(fleet.entries(arn)) == sorted(ids)
    pre, _, post = PATHS[path]
    for instance in ids:
        settled(fleet, instance)
        assert fleet.trace(instance) == ["pre"] * pre + ["post"] * post
    assert fleet.trace(other) == []
    assert fleet.backup.list_backup_jobs(ByResourceArn=f"arn:aws:ec2:us-east-1:000000000000:instance/{other}")["BackupJobs"] == []


def cause_of(end, instance, phase, error):
    assert (end["status"], end["error"]) == ("FAILED", error), end
    cause = json.loads(end["cause"])
    assert [(t["InstanceId"], t["phase"], t["error"]) for t in cause["targets"]] == [(instance, phase, error)]
    return cause["message"]


def test_pre_fails_the_others_do_not_notice(fleet):
    bad, good = fleet.machines(2)
    fleet.script("pre-some.sh", f"echo pre >> /root/trace; [ $AWS_SSM_INSTANCE_ID != {bad} ] || {{ echo kaputt >&2; exit 7; }}")
    arn = fleet.start(fleet.input(1, [bad, good], pre="pre-some.sh"))
    end = fleet.ended(arn)
    message = cause_of(end, bad, "pre", "Stillpoint.PreScriptFailed")
    row, entries = fleet.row(arn), fleet.entries(arn)
    assert row["FailureMessage"] == message and bad in message and "kaputt" in message
    assert row["Status"] == "PARTIAL"
    assert entries[bad]["PreBackupScriptStatus"] == "Failed" and entries[bad]["FailureMessage"]
    assert (entries[bad]["StopEc2InstanceStatus"], entries[bad]["BackupJobStatus"], entries[bad]["PostBackupScriptStatus"]) == ("skipped", "skipped", "Success")
    assert (entries[good]["BackupJobStatus"], entries[good]["FailureMessage"]) == ("COMPLETED", "")
    settled(fleet, bad)
    settled(fleet, good)
    assert fleet.trace(bad) == ["pre", "post"]


def test_pre_times_out(fleet):
    [instance] = fleet.machines(1)
    fleet.script("pre-slow.sh", "echo pre >> /root/trace; sleep 600")
    run_input = fleet.input(5, [instance], pre="pre-slow.sh")
    run_input["RemoteRunCommandDetails"]["PreBackupScriptDetails"]["ExecutionTimeoutInSeconds"] = 5
    arn = fleet.start(run_input)
    cause_of(fleet.ended(arn), instance, "pre", "Stillpoint.PreScriptTimedOut")
    assert fleet.entries(arn)[instance]["PreBackupScriptStatus"] == "TimedOut"
    assert fleet.trace(instance) == ["pre", "post"]


def test_post_fails_and_is_repeated_until_it_succeeds(fleet):
    [instance] = fleet.machines(1)
    fleet.script("post-third.sh", "echo post >> /root/trace; [ $(grep -c post /root/trace) -ge 3 ]")
    arn = fleet.start(fleet.input(5, [instance], post="post-third.sh"))
    cause_of(fleet.ended(arn), instance, "post", "Stillpoint.PostScriptFailed")
    first = fleet.entries(arn)[instance]
    assert (first["PostBackupScriptStatus"], first["BackupJobStatus"], first["Owed"]) == ("Failed", "COMPLETED", ["thaw"])
    settled(fleet, instance)
    assert fleet.trace(instance) == ["pre", "post", "post", "post"]
    last = fleet.entries(arn)[instance]
    assert last["PostBackupScriptStatus"] == "Success" and "Owed" not in last, "the row follows what was paid later"


def test_backup_fails_and_start_and_post_follow(fleet):
    [instance] = fleet.machines(1)
    fleet.shell(instance, "dd if=/dev/urandom of=/root/big bs=1M count=400 2>/dev/null; sync")
    arn = fleet.start(fleet.input(1, [instance]))

    def job():
        jobs = fleet.backup.list_backup_jobs(ByResourceArn=f"arn:aws:ec2:us-east-1:000000000000:instance/{instance}")["BackupJobs"]
        return jobs and jobs[0]["State"] == "RUNNING" and jobs[0]["BackupJobId"]
    fleet.backup.stop_backup_job(BackupJobId=until(job, 60, "the job runs"))
    cause_of(fleet.ended(arn), instance, "backup", "Stillpoint.BackupFailed")
    entry = fleet.entries(arn)[instance]
    assert [entry[k] for k in ("PreBackupScriptStatus", "StopEc2InstanceStatus", "BackupJobStatus", "StartEc2InstanceStatus", "PostBackupScriptStatus")] == [
        "Success", "stopped", "ABORTED", "running", "Success"]
    settled(fleet, instance)
    assert fleet.trace(instance) == ["pre", "post"]


ABORTS = {"ExecutePreBackupScript": ("pre-wait.sh", "post.sh"), "StopEC2Instance": ("pre.sh", "post.sh"), "RunBackupJob": ("pre.sh", "post.sh"),
          "StartEC2Instance": ("pre.sh", "post.sh"), "ExecutePostBackupScript": ("pre.sh", "post-wait.sh")}


@pytest.mark.parametrize("step", ABORTS)
def test_stop_execution_in_every_phase(fleet, step):
    [instance] = fleet.machines(1)
    fleet.script("pre-wait.sh", "echo pre >> /root/trace; sleep 30")
    fleet.script("post-wait.sh", "echo post >> /root/trace; sleep 2")
    if step == "RunBackupJob":
        fleet.shell(instance, "dd if=/dev/urandom of=/root/big bs=1M count=200 2>/dev/null; sync")
    pre, post = ABORTS[step]
    arn = fleet.start(fleet.input(1, [instance], pre=pre, post=post))
    own = stillpoint(fleet.server)
    # The last steps are short: what is hit is that step or the one after it, and all must end the same way.
    until(lambda: own.describe_run(ExecutionArn=arn)["Lanes"] and step in fleet.steps(arn), 60, f"the step {step}", every=0.005)
    fleet.states.stop_execution(executionArn=arn, error="Mine", cause="test")
    end = fleet.ended(arn)
    assert end["status"] in ("ABORTED", "SUCCEEDED")
    settled(fleet, instance)
    if end["status"] == "ABORTED":
        row = until(lambda: fleet.row(arn), 10)
        assert row["Status"] == "ABORTED" and instance in fleet.entries(arn)
        assert until(lambda: fleet.entries(arn)[instance]["PostBackupScriptStatus"] == "Success", 10)
    trace = fleet.trace(instance)
    assert trace[-1] == "post" and trace.count("pre") <= 1


MALFORMED = [
    ({}, "TargetEC2Instances is missing"), ([], "must be an object"),
    ({"Extra": 1}, "Extra is 1"), ({"StartStopEC2Required": "yes"}, "StartStopEC2Required is \"yes\""),
    ({"TargetEC2TagKey": "a", "TargetEC2TagValue": "b"}, "not both"),
    ({"BackupDetails": {"BackupVaultName": "e2e"}}, "BackupDetails.IamRoleArn is missing"),
]


@pytest.mark.parametrize("change,says", MALFORMED)
def test_malformed_input_touches_nothing(fleet, change, says):
    [instance] = fleet.machines(1)
    run_input = {**fleet.input(1, [instance]), **change} if change else change
    arn = fleet.start(run_input)
    end = fleet.ended(arn)
    assert (end["status"], end["error"]) == ("FAILED", "Stillpoint.InvalidInput")
    assert says in json.loads(end["cause"])["message"]
    row = fleet.row(arn)
    assert row["Workflow_Overall_Status"] == "[]" and says in row["FailureMessage"] and row["EndTime"]
    assert fleet.trace(instance) == [] and fleet.state(instance) == "running"


@pytest.mark.parametrize("value", [29, "29", 2592001, "60s"])
def test_timeout_out_of_range(fleet, value):
    run_input = fleet.input(5, ["i-00000000000000000"])
    run_input["RemoteRunCommandDetails"]["PreBackupScriptDetails"]["TimeoutInSeconds"] = value
    end = fleet.run(run_input)
    assert end["error"] == "Stillpoint.InvalidInput"
    assert "PreBackupScriptDetails.TimeoutInSeconds is " + json.dumps(value) in json.loads(end["cause"])["message"]


def test_no_target_and_missing_vault(fleet):
    [instance] = fleet.machines(1)
    for run_input, error, names in [
        (fleet.input(1, "nobody-has-this"), "Stillpoint.NoTarget", "nobody-has-this"),
        (fleet.input(1, []), "Stillpoint.NoTarget", "TargetEC2Instances"),
        (fleet.input(1, ["i-00000000000000000"]), "Stillpoint.NoTarget", "i-00000000000000000"),
        (fleet.input(1, [instance], BackupDetails={"BackupVaultName": "nowhere", "IamRoleArn": "arn:aws:iam::000000000000:role/b"}),
         "Stillpoint.VaultNotFound", "nowhere"),
        (fleet.input(1, [instance], pre="not-there.sh"), "Stillpoint.InvalidInput", "not-there.sh"),
    ]:
        arn = fleet.start(run_input)
        end = fleet.ended(arn)
        assert (end["status"], end["error"]) == ("FAILED", error), end
        assert names in json.loads(end["cause"])["message"] and names in fleet.row(arn)["FailureMessage"]
    assert fleet.trace(instance) == [] and fleet.state(instance) == "running"


def test_a_bad_id_among_good_ones(fleet):
    [good] = fleet.machines(1)
    bad = "i-0000000000000dead"
    arn = fleet.start(fleet.input(5, [bad, good]))
    cause_of(fleet.ended(arn), bad, "preflight", "Stillpoint.NoTarget")
    entries = fleet.entries(arn)
    assert entries[good]["BackupJobStatus"] == "COMPLETED" and entries[bad]["BackupJobStatus"] == "skipped"
    assert fleet.trace(good) == ["pre", "post"]


def test_a_machine_found_stopped_is_read_offline_and_stays_stopped(fleet):
    [instance] = fleet.machines(1)
    fleet.ec2.stop_instances(InstanceIds=[instance])
    until(lambda: fleet.state(instance) == "stopped", 30)
    arn = fleet.start(fleet.input(1, [instance]))
    assert fleet.ended(arn)["status"] == "SUCCEEDED"
    entry = fleet.entries(arn)[instance]
    assert [entry[k] for k in ("PreBackupScriptStatus", "StopEc2InstanceStatus", "BackupJobStatus", "StartEc2InstanceStatus", "PostBackupScriptStatus")] == [
        "skipped", "skipped", "COMPLETED", "skipped", "skipped"]
    assert fleet.state(instance) == "stopped" and fleet.row(arn)["Status"] == "WARNING"


def test_runs_on_one_machine_queue_and_others_may_not_stop_it(fleet):
    [instance] = fleet.machines(1)
    fleet.script("pre-two.sh", "echo pre >> /root/trace; sleep 2")
    first = fleet.start(fleet.input(5, [instance], pre="pre-two.sh"))
    until(lambda: "ExecutePreBackupScript" in fleet.steps(first), 30)
    second = fleet.start(fleet.input(5, [instance]))
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        fleet.ec2.stop_instances(InstanceIds=[instance])
    assert refused.value.response["Error"]["Code"] == "IncorrectInstanceState" and first in str(refused.value)
    with ThreadPoolExecutor() as pool:
        ends = list(pool.map(fleet.ended, [first, second]))
    assert [end["status"] for end in ends] == ["SUCCEEDED", "SUCCEEDED"]
    assert fleet.trace(instance) == ["pre", "post", "pre", "post"]


def test_describe_run_tells_the_lane_while_it_runs(fleet):
    [instance] = fleet.machines(1)
    fleet.script("pre-show.sh", "sleep 2")
    arn = fleet.start(fleet.input(5, [instance], pre="pre-show.sh"))
    own = stillpoint(fleet.server)

    def frozen():
        lanes = own.describe_run(ExecutionArn=arn)["Lanes"]
        return lanes and lanes[0].get("FrozenSeconds", 0) > 0.2 and lanes[0]
    lane = until(frozen, 30)
    assert (lane["CurrentStep"], lane["PreBackupScriptStatus"], lane["Frozen"]) == ("ExecutePreBackupScript", "InProgress", True)
    fleet.ended(arn)
    run = own.describe_run(ExecutionArn=arn)
    assert (run["Status"], run["Result"], run["Path"], run["Lanes"][0]["CurrentStep"]) == ("SUCCEEDED", "SUCCEEDED", 5, "done")
    assert run["Lanes"][0]["Backup"]["PercentDone"] == 100 and not run["Lanes"][0]["Frozen"]


def test_the_table_is_made_again_for_the_row(fresh_server):
    fleet = Fleet(fresh_server)
    fleet.dynamodb.delete_table(TableName="PrePostBackupLog")
    arn = fleet.start({"nonsense": True})
    fleet.ended(arn)
    assert fleet.row(arn)["Status"] == "FAILED"


def test_scripts_are_told_what_the_run_knows(fleet):
    fleet.script("told-pre.sh", 'echo "pre $ATTEMPT [$PRE_STATUS]" > /root/told')
    fleet.script("told-post.sh", 'echo "post $ATTEMPT $PRE_STATUS $BACKUP_STATUS $JOB_ID $RECOVERY_POINT" >> /root/told')
    fleet.script("told-failing.sh", 'echo "pre $ATTEMPT [$PRE_STATUS]" > /root/told; exit 3')
    [instance] = fleet.machines(1)
    arn = fleet.start(fleet.input(5, [instance], pre="told-pre.sh", post="told-post.sh"))
    assert fleet.ended(arn)["status"] == "SUCCEEDED"
    entry = fleet.entries(arn)[instance]
    assert fleet.shell(instance, "cat /root/told").splitlines() == [
        "pre 1 []", f"post 1 Success COMPLETED {entry['BackupJobId']} {entry['RecoveryPointArn']}"]
    arn = fleet.start(fleet.input(1, [instance], pre="told-failing.sh", post="told-post.sh"))
    assert fleet.ended(arn)["status"] == "FAILED"
    assert [line.strip() for line in fleet.shell(instance, "cat /root/told").splitlines()] == ["pre 1 []", "post 1 Failed skipped"]


def test_a_row_too_large_links_the_whole_list(fleet):
    [instance] = fleet.machines(1)
    missing = [f"i-{n:04d}" + "f" * 600 for n in range(300)]
    arn = fleet.start(fleet.input(8, [instance, *missing]))
    assert fleet.ended(arn)["status"] == "FAILED"
    row = until(lambda: fleet.row(arn) if "Workflow_Overall_Status_S3Path" in fleet.row(arn) else None, 30, "the row links its list")
    kept = json.loads(row["Workflow_Overall_Status"])
    assert len(row["Workflow_Overall_Status"]) <= 350 * 1024
    assert int(row["LeftOutCount"]) == 301 - len(kept) > 0 and int(row["TargetCount"]) == 301 and int(row["FailedCount"]) == 300
    assert instance not in [entry["InstanceId"] for entry in kept], "failed machines are kept"
    bucket, key = row["Workflow_Overall_Status_S3Path"].removeprefix("s3://").split("/", 1)
    whole = json.loads(fleet.s3.get_object(Bucket=bucket, Key=key)["Body"].read())
    assert [entry["InstanceId"] for entry in whole] == [instance, *missing]
    assert whole[0]["BackupJobStatus"] == "COMPLETED" and all(entry["FailureMessage"] for entry in whole[1:])
    assert key == "PrePostBackup/" + arn.rsplit(":", 1)[1] + ".json"

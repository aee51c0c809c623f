"""The three ways in which the AWS solution's users start a backup, each with the input of its README: by hand, by schedule, by event."""
import json
import sqlite3

import pytest

from tests.support import runs
from tests.support.until import until

BUCKET = "backup-status-bucket-a1b2c3"
VAULT = "BackupSolution-Pre-Post-Script"
ROLE = "arn:aws:iam::000000000000:role/BackupJobExecutionRole"
SCRIPT = '#!/bin/bash\n\necho "Executing the pre-script"\ndate\necho "Completed executing the pre-script"\n'


def details(prefix):
    return {"SourceS3Path": f"https://{BUCKET}.s3.amazonaws.com/scripts/pre-script.sh", "CommandToRun": "pre-script.sh", "WorkingDirectory": "", "TimeoutInSeconds": 600,
            "OutputS3BucketName": BUCKET, "OutputS3KeyPrefix": prefix}


INPUT = {
    "TargetEC2TagKey": "backup-job",
    "TargetEC2TagValue": "true",
    "StartStopEC2Required": True,
    "RemoteRunCommandDetails": {"PreBackupScriptDetails": details("pre-script-logs"), "PostBackupScriptDetails": details("post-script-logs")},
    "BackupDetails": {"BackupVaultName": VAULT, "IamRoleArn": ROLE},
}


@pytest.fixture(scope="module")
def instance(server):
    """A tagged machine, bucket, script and vault as the README has them."""
    s3 = server.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key="scripts/pre-script.sh", Body=SCRIPT.encode())
    server.client("backup").create_backup_vault(BackupVaultName=VAULT)
    return runs.launch(server)[0]


def backed_up(server, instance, arn):
    """The run succeeded on all of path 1, left its row, a recovery point, a running machine and both scripts' outputs."""
    end = runs.finished(server, arn, 120)
    assert end["status"] == "SUCCEEDED", end
    assert json.loads(end["input"]) == INPUT
    lane = runs.statuses(server, arn)[instance]
    words = [lane[key] for key in ("PreBackupScriptStatus", "StopEc2InstanceStatus", "BackupJobStatus", "StartEc2InstanceStatus", "PostBackupScriptStatus")]
    assert words == ["Success", "stopped", "COMPLETED", "running", "Success"], lane
    keys = [one["Key"] for prefix in ("pre-script-logs/", "post-script-logs/") for one in server.client("s3").list_objects_v2(Bucket=BUCKET, Prefix=prefix)["Contents"]]
    assert [key for key in keys if key.endswith("/stdout") and key.startswith("pre")] and [key for key in keys if key.endswith("/stdout") and key.startswith("post")]
    assert server.client("ec2").describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"][0]["State"]["Name"] == "running"
    points = server.client("backup").list_recovery_points_by_backup_vault(BackupVaultName=VAULT)["RecoveryPoints"]
    assert [one for one in points if one["Status"] == "COMPLETED"]
    return len(points)


def executions(server, known=()):
    found = server.client("stepfunctions").list_executions(stateMachineArn=runs.MACHINE)["executions"]
    return [one["executionArn"] for one in found if one["executionArn"] not in known]


def test_by_hand(server, instance):
    arn = server.aws(["stepfunctions", "start-execution", "--state-machine-arn", runs.MACHINE, "--input", json.dumps(INPUT)])["executionArn"]
    backed_up(server, instance, arn)


def test_by_event(server, instance):
    """Bus, rule and target as the solution's template makes them, the event by the AWS CLI."""
    events = server.client("events")
    bus, rule = "PrePostBackupSolutionEventBus", "ad-hoc-prepost-backup-rule"
    arn = events.create_event_bus(Name=bus)["EventBusArn"]
    events.put_permission(EventBusName=bus, Policy=json.dumps({"Version": "2012-10-17", "Statement": [
        {"Sid": "MyStatement", "Effect": "Allow", "Principal": "*", "Action": "events:PutEvents", "Resource": arn}]}))
    events.put_rule(Name=rule, EventBusName=bus, EventPattern=json.dumps({"detail-type": ["BackupSolution-PrePostScript"]}))
    events.put_targets(Rule=rule, EventBusName=bus, Targets=[{"Id": "Id1234", "Arn": runs.MACHINE, "RoleArn": "arn:aws:iam::000000000000:role/EventInvocationRole", "InputPath": "$.detail",
                                                             "RetryPolicy": {"MaximumRetryAttempts": 2, "MaximumEventAgeInSeconds": 400}}])
    known = executions(server)
    answer = server.aws(["events", "put-events", "--entries", json.dumps([
        {"EventBusName": bus, "Source": "my.app", "DetailType": "BackupSolution-PrePostScript", "Detail": json.dumps(INPUT)}])])
    assert answer["FailedEntryCount"] == 0
    started, = until(lambda: executions(server, known), 20, "the event's run")
    assert f":{answer['Entries'][0]['EventId']}_" in started
    backed_up(server, instance, started)
    assert executions(server, known) == [started]


def test_by_schedule(server, instance):
    """The template's daily rule, with the input in its target; a day goes by while the server is down."""
    events = server.client("events")
    known = executions(server)
    events.put_rule(Name="BackupSchedule", ScheduleExpression="rate(1 day)")
    events.put_targets(Rule="BackupSchedule", Targets=[{"Id": "1", "Arn": runs.MACHINE, "RoleArn": "arn:aws:iam::000000000000:role/EventInvocationRole", "Input": json.dumps(INPUT)}])
    server.stop()
    day = 24 * 3600 * 1000 * 1000
    with sqlite3.connect(server.data / "store.db") as database:
        # As if the rule had been made a day before.
        assert database.execute("UPDATE timers SET due = due - ? WHERE kind = 'event_rule'", (day,)).rowcount == 1
        for key, body in database.execute("SELECT key, body FROM records WHERE kind = 'event_rule'").fetchall():
            kept = json.loads(body)
            database.execute("UPDATE records SET body = ? WHERE kind = 'event_rule' AND key = ?", (json.dumps({**kept, "anchor": kept["anchor"] - day}), key))
    database.close()
    server.start()
    runs.online(server, [instance])
    started = until(lambda: executions(server, known), 20, "the schedule's run")
    assert len(started) == 1
    backed_up(server, instance, started[0])
    assert executions(server, known) == started

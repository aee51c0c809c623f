"""What Stillpoint's own services tell on the default bus: every kind by a real change, received by a rule as AWS's event of that kind."""
import datetime
import json
import subprocess
import urllib.parse

import botocore.exceptions
import pytest

from tests.support import runs, signed
from tests.support.server import ACCOUNT, BINARY, REGION, Server
from tests.support.streams import Stream
from tests.support.until import until

ROLE = f"arn:aws:iam::{ACCOUNT}:role/events"
PASS = {"StartAt": "A", "States": {"A": {"Type": "Pass", "End": True}}}
FAIL = {"StartAt": "A", "States": {"A": {"Type": "Fail", "Error": "E", "Cause": "why"}}}
WAIT = {"StartAt": "A", "States": {"A": {"Type": "Wait", "Seconds": 3600, "End": True}}}

_count = iter(range(10**9))


def unique(word):
    return f"{word}-{next(_count)}"


@pytest.fixture(scope="module")
def sfn(server):
    return server.client("stepfunctions")


@pytest.fixture(scope="module")
def instance(server):
    return runs.launch(server)[0]


def machine(sfn, definition=None, name=None):
    return sfn.create_state_machine(name=name or unique("m"), definition=json.dumps(definition or PASS), roleArn=ROLE)["stateMachineArn"]


class Told:
    """What a rule of that pattern was given. What is delivered at one moment has no order; `ordered`: in that in which who follows the bus sees it."""

    def __init__(self, server, pattern, ordered=False):
        self.places = []
        self.stream = Stream(server, path="/_stream/events?pattern=" + urllib.parse.quote(json.dumps(pattern), safe="")) if ordered else None
        self.shown = self.stream.events() if ordered else None
        self.sfn, self.events = server.client("stepfunctions"), server.client("events")
        self.arn, self.rule = machine(self.sfn), unique("rule")
        self.events.put_rule(Name=self.rule, EventPattern=json.dumps(pattern))
        self.events.put_targets(Rule=self.rule, Targets=[{"Id": "1", "Arn": self.arn, "RoleArn": ROLE}])

    def all(self):
        found = []
        for page in self.sfn.get_paginator("list_executions").paginate(stateMachineArn=self.arn):
            found += page["executions"]
        came = [json.loads(self.sfn.describe_execution(executionArn=one["executionArn"])["input"]) for one in reversed(found)]
        if self.stream:
            while not {event["id"] for event in came} <= set(self.places):
                self.places.append(next(self.shown)[1]["id"])
            came.sort(key=lambda event: self.places.index(event["id"]))
        return came

    def until(self, complete, what):
        return until(lambda: (lambda came: came if complete(came) else None)(self.all()), 60, what)

    def states(self, member, last, count=1):
        """All events up to the `count`-th that tells the state `last` in that member of its detail."""
        return self.until(lambda came: sum(e["detail"][member] == last for e in came) >= count, f"{last} told")

    def off(self):
        self.events.disable_rule(Name=self.rule)
        if self.stream:
            self.stream.close()


def of(events, member):
    return [event["detail"][member] for event in events]


def check(event, source, kind, resources):
    assert set(event) == {"version", "id", "detail-type", "source", "account", "time", "region", "resources", "detail"}
    assert (event["source"], event["detail-type"], event["resources"]) == (source, kind, resources)
    assert (event["version"], event["account"], event["region"]) == ("0", ACCOUNT, REGION)


def executions_of(arn, **more):
    return {"source": ["aws.states"], "detail-type": ["Step Functions Execution Status Change"], "detail": {"stateMachineArn": [arn], **more}}


# Executions

def test_an_execution_begins_and_ends(server, sfn):
    arn = machine(sfn)
    told = Told(server, executions_of(arn), ordered=True)
    execution = sfn.start_execution(stateMachineArn=arn, name="one", input='{"a": 1}')["executionArn"]
    began, ended = told.states("status", "SUCCEEDED")
    described = sfn.describe_execution(executionArn=execution)
    for event in (began, ended):
        check(event, "aws.states", "Step Functions Execution Status Change", [execution])
    millis = lambda time: round(time.timestamp() * 1000)  # noqa: E731
    start = millis(described["startDate"])
    assert abs(began["detail"].pop("startDate") - start) <= 1 and abs(ended["detail"].pop("startDate") - start) <= 1
    assert abs(ended["detail"].pop("stopDate") - millis(described["stopDate"])) <= 1
    common = {"executionArn": execution, "stateMachineArn": arn, "name": "one", "input": '{"a": 1}', "inputDetails": {"included": True},
              "error": None, "cause": None, "stateMachineVersionArn": None, "stateMachineAliasArn": None, "redriveCount": 0, "redriveDate": None,
              "redriveStatus": "NOT_REDRIVABLE"}
    assert began["detail"] == {**common, "status": "RUNNING", "stopDate": None, "output": None, "outputDetails": None,
                               "redriveStatusReason": "Execution is RUNNING and cannot be redriven"}
    assert ended["detail"] == {**common, "status": "SUCCEEDED", "output": described["output"], "outputDetails": {"included": True},
                               "redriveStatusReason": "Execution is SUCCEEDED and cannot be redriven"}


def test_an_execution_that_failed_and_was_redriven(server, sfn):
    arn = machine(sfn, FAIL)
    told = Told(server, executions_of(arn), ordered=True)
    execution = sfn.start_execution(stateMachineArn=arn)["executionArn"]
    ended = told.states("status", "FAILED")[-1]["detail"]
    assert (ended["error"], ended["cause"], ended["output"], ended["redriveStatus"]) == ("E", "why", None, "REDRIVABLE")
    assert signed.call_json(server, "states", "AWSStepFunctions.RedriveExecution", {"executionArn": execution}, "1.0")[0] == 200
    events = told.states("status", "FAILED", 2)
    assert of(events, "status") == ["RUNNING", "FAILED", "RUNNING", "FAILED"]
    assert of(events, "redriveCount") == [0, 0, 1, 1]
    assert events[2]["detail"]["redriveDate"] is not None


def test_an_execution_that_is_stopped(server, sfn):
    arn = machine(sfn, WAIT)
    told = Told(server, executions_of(arn, status=["ABORTED"]))
    execution = sfn.start_execution(stateMachineArn=arn)["executionArn"]
    sfn.stop_execution(executionArn=execution, error="Stopped", cause="by hand")
    events = told.states("status", "ABORTED")
    assert len(events) == 1, "the pattern asks for the end alone"
    assert (events[0]["detail"]["error"], events[0]["detail"]["cause"]) == ("Stopped", "by hand")


def test_documents_that_are_too_long_are_left_out(server, sfn):
    arn = machine(sfn)
    told = Told(server, executions_of(arn, status=["SUCCEEDED"]))
    # 130,000 characters: alone there is room for it, beside the output there is not.
    sfn.start_execution(stateMachineArn=arn, name="long", input=json.dumps("x" * 130_000))
    # Two bytes each, once they stand in a text: too long alone.
    sfn.start_execution(stateMachineArn=arn, name="longer", input=json.dumps("\\" * 100_000))
    events = {event["detail"]["name"]: event["detail"] for event in told.states("status", "SUCCEEDED", 2)}
    assert events["long"]["outputDetails"] == {"included": True} and len(events["long"]["output"]) == 130_002
    assert events["long"]["inputDetails"] == {"included": False} and events["long"]["input"] is None
    assert events["longer"]["outputDetails"] == {"included": False} and events["longer"]["output"] is None


def test_a_rule_that_starts_what_it_waits_for_ends(server, sfn):
    arn = machine(sfn)
    events = server.client("events")
    told = Told(server, {"source": ["stillpoint.events"], "detail-type": ["Event Loop Stopped"]})
    name = unique("loop")
    events.put_rule(Name=name, EventPattern=json.dumps(executions_of(arn, status=["SUCCEEDED"])))
    events.put_targets(Rule=name, Targets=[{"Id": "1", "Arn": arn, "RoleArn": ROLE}])
    sfn.start_execution(stateMachineArn=arn)
    stopped = told.until(len, "the loop's end")[0]["detail"]
    assert (stopped["hops"], stopped["rule"].rpartition("/")[2]) == (32, name)
    # The first one, which no event started, and 32 more.
    assert len(sfn.list_executions(stateMachineArn=arn, maxResults=1000)["executions"]) == 33
    told.off()


def test_a_loop_through_an_execution_of_another_one_ends(server, sfn):
    """The rule waits for what its own execution starts: the count goes on through both."""
    inner = machine(sfn)
    outer = machine(sfn, {"StartAt": "A", "States": {"A": {"Type": "Task", "Resource": "arn:aws:states:::states:startExecution", "End": True,
                                                           "Parameters": {"StateMachineArn": inner, "Input": {}}}}})
    events = server.client("events")
    told = Told(server, {"source": ["stillpoint.events"], "detail-type": ["Event Loop Stopped"]})
    name = unique("loop")
    events.put_rule(Name=name, EventPattern=json.dumps(executions_of(inner, status=["SUCCEEDED"])))
    events.put_targets(Rule=name, Targets=[{"Id": "1", "Arn": outer, "RoleArn": ROLE}])
    sfn.start_execution(stateMachineArn=inner)
    assert told.until(len, "the loop's end")[0]["detail"]["rule"].rpartition("/")[2] == name
    assert len(sfn.list_executions(stateMachineArn=inner, maxResults=1000)["executions"]) == 33
    told.off()


def test_a_rule_that_is_disabled_is_told_nothing(server, sfn):
    arn = machine(sfn)
    told, other = Told(server, executions_of(arn)), Told(server, executions_of(arn, status=["SUCCEEDED"]))
    told.off()
    sfn.start_execution(stateMachineArn=arn)
    other.states("status", "SUCCEEDED")
    assert told.all() == []


def test_no_end_is_lost_or_told_twice(tmp_path):
    server = Server(tmp_path).start()
    try:
        sfn = server.client("stepfunctions")
        arn = machine(sfn)
        told = Told(server, executions_of(arn, status=["SUCCEEDED"]))
        wanted = {sfn.start_execution(stateMachineArn=arn, name=f"n{n}")["executionArn"] for n in range(30)}
        server.kill()
        server.start()
        told.sfn = server.client("stepfunctions")
        events = told.until(lambda came: len(came) >= 30, "30 ends told")
        assert sorted(of(events, "executionArn")) == sorted(wanted)
    finally:
        server.close()


# Machines

def test_power(server):
    told = Told(server, {"source": ["aws.ec2"], "detail-type": ["EC2 Instance State-change Notification"]}, ordered=True)
    ec2 = server.client("ec2")
    id = runs.launch(server)[0]
    ec2.stop_instances(InstanceIds=[id])
    until(lambda: runs.state_of(server, id) == "stopped", 60, "stopped")
    ec2.start_instances(InstanceIds=[id])
    until(lambda: runs.state_of(server, id) == "running", 60, "running again")
    ec2.terminate_instances(InstanceIds=[id])
    events = [e for e in told.states("state", "terminated") if e["detail"]["instance-id"] == id]
    assert of(events, "state") == ["pending", "running", "stopping", "stopped", "pending", "running", "shutting-down", "terminated"]
    for event in events:
        check(event, "aws.ec2", "EC2 Instance State-change Notification", [f"arn:aws:ec2:{REGION}:{ACCOUNT}:instance/{id}"])
        assert set(event["detail"]) == {"instance-id", "state"}
    told.off()


# Commands

def test_a_command_and_its_invocations(server, instance):
    commands = Told(server, {"source": ["aws.ssm"], "detail-type": ["EC2 Command Status-change Notification"], "detail": {"document-name": ["AWS-RunShellScript"]}}, ordered=True)
    invocations = Told(server, {"source": ["aws.ssm"], "detail-type": ["EC2 Command Invocation Status-change Notification"]}, ordered=True)
    arn = f"arn:aws:ec2:{REGION}:{ACCOUNT}:instance/{instance}"
    # A shorter one's agent tells its end alone.
    done = runs.invoke(server, instance, "sleep 0.3; exit 3")
    began, ended = commands.states("status", "Failed")
    check(ended, "aws.ssm", "EC2 Command Status-change Notification", [arn])
    assert set(ended["detail"]) == {"command-id", "document-name", "expire-after", "parameters", "requested-date-time", "status"}
    assert (began["detail"]["status"], began["detail"]["command-id"], ended["detail"]["command-id"]) == ("InProgress", done["CommandId"], done["CommandId"])
    assert ended["detail"]["parameters"] == {"commands": ["sleep 0.3; exit 3"]}
    began, ended = invocations.states("status", "Failed")
    check(ended, "aws.ssm", "EC2 Command Invocation Status-change Notification", [arn])
    assert set(ended["detail"]) == {"command-id", "document-name", "instance-id", "requested-date-time", "status"}
    assert (began["detail"]["status"], ended["detail"]["instance-id"], ended["detail"]["command-id"]) == ("InProgress", instance, done["CommandId"])
    commands.off(), invocations.off()


def test_a_rule_whose_command_is_what_it_waits_for_ends(server, instance):
    events = server.client("events")
    told = Told(server, {"source": ["stillpoint.events"], "detail-type": ["Event Loop Stopped"]})
    name = unique("loop")
    events.put_rule(Name=name, EventPattern=json.dumps({"source": ["aws.ssm"], "detail-type": ["EC2 Command Status-change Notification"], "detail": {"status": ["Success"]}}))
    events.put_targets(Rule=name, Targets=[{
        "Id": "1", "Arn": f"arn:aws:ssm:{REGION}::document/AWS-RunShellScript", "RoleArn": ROLE, "Input": '{"commands": "true"}',
        "RunCommandParameters": {"RunCommandTargets": [{"Key": "InstanceIds", "Values": [instance]}]}}])
    runs.invoke(server, instance, "true")
    stopped = told.until(len, "the loop's end")[0]["detail"]
    assert (stopped["hops"], stopped["rule"].rpartition("/")[2]) == (32, name)
    events.disable_rule(Name=name), told.off()


# Backups

def test_plans_are_made_changed_paused_and_deleted(server):
    told = Told(server, {"source": ["aws.backup"], "detail-type": ["Backup Plan State Change"]}, ordered=True)
    backup = server.client("backup")
    plan = {"BackupPlanName": unique("plan"), "Rules": [{"RuleName": "r", "TargetBackupVaultName": "Default"}]}
    made = backup.create_backup_plan(BackupPlan=plan)
    id = made["BackupPlanId"]
    changed = backup.update_backup_plan(BackupPlanId=id, BackupPlan={**plan, "BackupPlanName": "other"})
    assert server.cli(["plan", "pause", id]).stdout.startswith("other is paused since ")
    assert json.loads(server.cli(["plan", "pause", id, "--json"]).stdout)["State"] == "PAUSED", "it is so already: nothing to tell"
    assert server.cli(["plan", "resume", id]).stdout == "other runs from its next time on (stillpoint schedule list)\n"
    deleted = backup.delete_backup_plan(BackupPlanId=id)
    events = told.states("state", "DELETED")
    for event in events:
        check(event, "aws.backup", "Backup Plan State Change", [made["BackupPlanArn"]])
    assert of(events, "state") == ["CREATED", "MODIFIED", "MODIFIED", "MODIFIED", "DELETED"]
    assert of(events, "versionId") == [made["VersionId"]] + [changed["VersionId"]] * 4
    assert [event["detail"].get("paused") for event in events] == [None, None, True, False, None]
    for event, member, at in ((events[0], "creationDate", made["CreationDate"]), (events[1], "modifiedAt", changed["CreationDate"]), (events[4], "deletionDate", deleted["DeletionDate"])):
        assert set(event["detail"]) == {"backupPlanId", "versionId", "state", member} and event["detail"]["backupPlanId"] == id
        assert abs(datetime.datetime.fromisoformat(event["detail"][member].replace("Z", "+00:00")) - at) < datetime.timedelta(milliseconds=2)
    # What was refused has changed nothing and is not told.
    with pytest.raises(botocore.exceptions.ClientError):
        backup.update_backup_plan(BackupPlanId=id, BackupPlan=plan)
    backup.delete_backup_plan(BackupPlanId=backup.create_backup_plan(BackupPlan=plan)["BackupPlanId"])
    assert of(told.states("state", "DELETED", 2), "state")[5:] == ["CREATED", "DELETED"]
    told.off()


def test_vaults_jobs_points_and_restores(server, instance):
    vaults = Told(server, {"source": ["aws.backup"], "detail-type": ["Backup Vault State Change"]}, ordered=True)
    jobs = Told(server, {"source": ["aws.backup"], "detail-type": ["Backup Job State Change"]}, ordered=True)
    points = Told(server, {"source": ["aws.backup"], "detail-type": ["Recovery Point State Change"]}, ordered=True)
    restores = Told(server, {"source": ["aws.backup"], "detail-type": ["Restore Job State Change"]}, ordered=True)
    backup = server.client("backup")
    role = f"arn:aws:iam::{ACCOUNT}:role/backup"
    vault = backup.create_backup_vault(BackupVaultName="told")["BackupVaultArn"]
    resource = f"arn:aws:ec2:{REGION}:{ACCOUNT}:instance/{instance}"
    runs.shell(server, instance, "mkdir -p /srv/data && echo kept > /srv/data/file")
    job = backup.start_backup_job(BackupVaultName="told", ResourceArn=resource, IamRoleArn=role, BackupOptions={"Paths": "/srv/data"},
                                  Lifecycle={"DeleteAfterDays": 7})["BackupJobId"]
    events = jobs.states("state", "COMPLETED")
    point = backup.describe_backup_job(BackupJobId=job)["RecoveryPointArn"]
    assert of(events, "state") == ["CREATED", "RUNNING", "COMPLETED"]
    check(events[0], "aws.backup", "Backup Job State Change", [])
    check(events[2], "aws.backup", "Backup Job State Change", [point])
    detail = events[2]["detail"]
    assert set(detail) == {"backupJobId", "backupSizeInBytes", "backupVaultArn", "backupVaultName", "bytesTransferred", "creationDate", "iamRoleArn", "resourceArn",
                           "resourceType", "state", "startBy", "percentDone", "completionDate"}
    assert (detail["backupJobId"], detail["backupVaultArn"], detail["resourceArn"], detail["resourceType"]) == (job, vault, resource, "EC2")
    assert detail["percentDone"] == 100 and int(detail["bytesTransferred"]) > 0 and isinstance(detail["bytesTransferred"], str)

    kept = points.states("status", "COMPLETED")[0]
    check(kept, "aws.backup", "Recovery Point State Change", [point])
    assert kept["detail"]["lifecycle"] == {"deleteAfterDays": 7} and kept["detail"]["backupVaultName"] == "told"

    restore = backup.start_restore_job(RecoveryPointArn=point, IamRoleArn=role, Metadata={"targetInstanceId": instance, "targetPath": "/srv/back"})["RestoreJobId"]
    events = restores.states("status", "COMPLETED")
    assert of(events, "status") == ["PENDING", "RUNNING", "COMPLETED"]
    check(events[2], "aws.backup", "Restore Job State Change", [point])
    assert (events[2]["detail"]["restoreJobId"], events[2]["detail"]["sourceResourceArn"]) == (restore, resource)

    backup.delete_recovery_point(BackupVaultName="told", RecoveryPointArn=point)
    assert points.states("status", "DELETING")[-1]["resources"] == [point]

    def empty():
        try:
            return backup.delete_backup_vault(BackupVaultName="told")
        except backup.exceptions.InvalidRequestException:
            return None

    until(empty, 60, "the vault empty and removed")
    events = [e for e in vaults.states("state", "DELETED") if e["resources"] == [vault]]
    assert of(events, "state") == ["CREATED", "DELETED"]
    check(events[0], "aws.backup", "Backup Vault State Change", [vault])

    jobs.off()
    failed = Told(server, {"source": ["aws.backup"], "detail-type": ["Backup Job State Change"], "detail": {"state": ["FAILED"]}})
    job = backup.start_backup_job(BackupVaultName="Default", ResourceArn=resource, IamRoleArn=role, BackupOptions={"Paths": "/not/there"})["BackupJobId"]
    detail = failed.states("state", "FAILED")[0]["detail"]
    assert detail["backupJobId"] == job
    assert detail["statusMessage"] == f'"{backup.describe_backup_job(BackupJobId=job)["StatusMessage"]}"', "in quotes of its own, as AWS tells it"


def test_the_sample_a_failed_backup_runs_a_command(server):
    """As docs/schedule.md shows it."""
    watcher, broken = runs.launch(server, tags={"role": "monitor"})[0], runs.launch(server)[0]
    server.aws(["events", "put-rule", "--name", "backup-failed", "--event-pattern",
                '{"source":["aws.backup"],"detail-type":["Backup Job State Change"],"detail":{"state":["FAILED","ABORTED","EXPIRED"]}}'])
    server.aws(["events", "put-targets", "--rule", "backup-failed", "--targets", """[{
      "Id": "1", "Arn": "arn:aws:ssm:us-east-1::document/AWS-RunShellScript", "RoleArn": "arn:aws:iam::000000000000:role/events",
      "RunCommandParameters": {"RunCommandTargets": [{"Key": "tag:role", "Values": ["monitor"]}]},
      "InputTransformer": {"InputPathsMap": {"job": "$.detail.backupJobId", "machine": "$.detail.resourceArn"},
        "InputTemplate": "{\\"commands\\": [\\"echo backup job <job> of <machine> failed >> /var/tmp/failed\\"]}"}}]"""])
    resource = f"arn:aws:ec2:{REGION}:{ACCOUNT}:instance/{broken}"
    job = server.client("backup").start_backup_job(BackupVaultName="Default", ResourceArn=resource, IamRoleArn=ROLE, BackupOptions={"Paths": "/not/there"})["BackupJobId"]
    file = server.data / "machines" / watcher / "root/var/tmp/failed"
    until(lambda: file.exists() and file.read_text().endswith("\n"), 60, "the command has run")
    assert file.read_text() == f"backup job {job} of {resource} failed\n"
    server.client("events").disable_rule(Name="backup-failed")


# Debts

def test_debts_are_told_from_their_beginning_to_their_end(server, instance):
    told = Told(server, {"source": ["stillpoint.debts"]}, ordered=True)
    runs.upload_scripts(server)
    arn = runs.start(server, "told", runs.run_input(1, ids=[instance]))
    assert runs.finished(server, arn)["status"] == "SUCCEEDED"
    events = told.until(lambda came: sum(e["detail-type"] == "Debt Paid" for e in came) >= 2, "both debts paid")
    resources = [f"arn:aws:ec2:{REGION}:{ACCOUNT}:instance/{instance}", arn]
    for event in events:
        check(event, "stillpoint.debts", event["detail-type"], resources)
        assert (event["detail"]["instance-id"], event["detail"]["execution-arn"]) == (instance, arn)
    assert [(e["detail"]["kind"], e["detail-type"]) for e in events] == [
        ("thaw", "Debt Opened"), ("start", "Debt Opened"), ("start", "Debt Paid"), ("thaw", "Debt Paid")]


# Following

class Followed:
    """`stillpoint events --follow` with these words, from when it follows."""

    def __init__(self, server, *words):
        self.process = subprocess.Popen([BINARY, "events", "--follow", *words, "--data-dir", str(server.data)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        text=True)
        self.greeting = self.process.stderr.readline()

    def lines(self, count):
        return [self.process.stdout.readline().rstrip("\n") for _ in range(count)]

    def close(self):
        self.process.kill()
        self.process.communicate()


def test_events_are_shown_as_they_come(server, sfn):
    arn = machine(sfn)
    pattern = json.dumps({"source": ["aws.states"], "detail": {"stateMachineArn": [arn]}})
    plain, lines = Followed(server, "--pattern", pattern), Followed(server, "--json", "--pattern", pattern)
    try:
        assert plain.greeting == "stillpoint: following bus default; what happened before is not shown\n"
        execution = sfn.start_execution(stateMachineArn=arn, name="shown", input='{"a": "ä"}')["executionArn"]
        name = arn.rpartition(":")[2]
        began, ended = plain.lines(2)
        assert began.endswith(f"  aws.states  Step Functions Execution Status Change  execution:{name}:shown RUNNING")
        assert ended.endswith(f"  execution:{name}:shown SUCCEEDED")
        events = [json.loads(line) for line in lines.lines(2)]
        for event, status in zip(events, ["RUNNING", "SUCCEEDED"]):
            check(event, "aws.states", "Step Functions Execution Status Change", [execution])
            assert (event["detail"]["status"], event["detail"]["input"]) == (status, '{"a": "ä"}')
    finally:
        plain.close(), lines.close()


def test_a_bus_of_one_s_own_is_followed(server):
    events = server.client("events")
    events.create_event_bus(Name="followed")
    lines = Followed(server, "--json", "--bus", "followed")
    try:
        events.put_events(Entries=[{"Source": "mine", "DetailType": "t", "Detail": "{}"}, {"Source": "mine", "DetailType": "t", "Detail": '{"n": 1}', "EventBusName": "followed"}])
        event = json.loads(lines.lines(1)[0])
        check(event, "mine", "t", [])
        assert event["detail"] == {"n": 1}, "the other bus is not shown"
    finally:
        lines.close()


def test_who_follows_waits_for_a_server_that_restarts(tmp_path):
    server = Server(tmp_path).start()
    lines = Followed(server, "--json", "--pattern", '{"source": ["mine"]}')
    try:
        server.restart()
        assert lines.process.stderr.readline() == "stillpoint: the server was away: following again bus default; what happened meanwhile is not shown\n"
        server.client("events").put_events(Entries=[{"Source": "mine", "DetailType": "t", "Detail": "{}"}])
        assert json.loads(lines.lines(1)[0])["source"] == "mine"
    finally:
        lines.close()
        server.close()


def test_refusals_of_following(server):
    def said(*words):
        done = server.cli(["events", *words], check=False)
        return done.returncode, done.stdout, done.stderr

    assert said() == (2, "", "stillpoint: cli.usage: events are not kept once they are delivered: give --follow to see those that come\n")
    code, _, text = said("--follow", "--bus", "none")
    assert code == 1 and "Event bus none does not exist." in text
    code, _, text = said("--follow", "--pattern", '{"source": "x"}')
    assert code == 1 and "Event pattern is not valid. Reason:" in text
    assert signed.send(server, "stillpoint", "GET", "/_stream/events?lines=1")[0] == 404


def test_a_slow_reader_is_told_what_it_lost(server):
    """A connection that nobody reads holds no more than its room; the rest is counted."""
    stream = Stream(server, path="/_stream/events?pattern=%7B%22source%22%3A%5B%22flood%22%5D%7D")
    assert stream.status == 200
    events = server.client("events")
    big, sent = "x" * 200_000, 100
    for n in range(sent):
        events.put_events(Entries=[{"Source": "flood", "DetailType": "t", "Detail": json.dumps({"n": n, "big": big})}])
    came = stream.until(lambda event, data: event == "lost")
    numbers = [data["detail"]["n"] for event, data in came[:-1]]
    assert numbers == list(range(len(numbers))), "without a gap up to where it is told"
    assert came[-1][1]["events"] == sent - len(numbers) > 0
    stream.close()

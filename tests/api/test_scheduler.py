"""EventBridge Scheduler: schedules, groups and tags, and the way of a schedule to what it starts."""
import datetime
import json
import re
import sqlite3
import subprocess

import pytest
from botocore.exceptions import ClientError

from tests.support import runs
from tests.support.crash import killed_while
from tests.support.server import ACCOUNT, BINARY, REGION, Server
from tests.support.signed import send
from tests.support.until import until

ROLE = f"arn:aws:iam::{ACCOUNT}:role/scheduler"
PASS = {"StartAt": "A", "States": {"A": {"Type": "Pass", "End": True}}}
NOWHERE = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:nowhere"
OFF = {"Mode": "OFF"}
UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"


@pytest.fixture
def scheduler(server):
    return server.client("scheduler")


@pytest.fixture
def sfn(server):
    return server.client("stepfunctions")


_count = iter(range(10**9))


def unique(word):
    return f"{word}-{next(_count)}"


def machine(sfn, definition=None, name=None):
    return sfn.create_state_machine(name=name or unique("started"), definition=json.dumps(definition or PASS), roleArn=ROLE)["stateMachineArn"]


def refused(call, code, words, status=400, **arguments):
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    response = caught.value.response
    assert response["Error"]["Code"] == code, caught.value
    assert words in response["Error"]["Message"], caught.value
    assert response["ResponseMetadata"]["HTTPStatusCode"] == status, response
    return response["Error"]["Message"]


def asked(name=None, expression="rate(1 day)", arn=NOWHERE, input=None, target=None, **more):
    """A CreateSchedule's arguments; paused unless said otherwise."""
    all_of_target = {"Arn": arn, "RoleArn": ROLE, **({"Input": input} if input is not None else {}), **(target or {})}
    return {"Name": name or unique("schedule"), "ScheduleExpression": expression, "FlexibleTimeWindow": OFF, "State": "DISABLED", "Target": all_of_target, **more}


def put(server, method, name, body, query=""):
    """Sends what this botocore's model does not know; returns (status, decoded answer)."""
    status, headers, answer = send(server, "scheduler", method, f"/schedules/{name}{query}", {"Content-Type": "application/json"}, json.dumps(body).encode())
    return status, headers.get("x-amzn-errortype"), json.loads(answer or b"{}")


def in_a_moment(seconds=1):
    now = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds + 1)
    return now.strftime("at(%Y-%m-%dT%H:%M:%S)"), now.strftime("%Y-%m-%dT%H:%M:%SZ")


def executions(sfn, arn):
    """(name, input) of all executions of the machine, the first one first."""
    found = sfn.list_executions(stateMachineArn=arn, maxResults=1000)["executions"]
    return [(one["name"], json.loads(sfn.describe_execution(executionArn=one["executionArn"])["input"])) for one in reversed(found)]


def started(sfn, arn, count=1):
    return until(lambda: (lambda got: got if len(got) >= count else None)(executions(sfn, arn)), 20, f"{count} executions of {arn}")


# Schedules

def test_schedules(scheduler):
    name = unique("nightly")
    begin = datetime.datetime(2030, 1, 1, tzinfo=datetime.timezone.utc)
    arguments = asked(name, "cron(30 2 ? * MON-FRI *)", input='{"a":1}', ScheduleExpressionTimezone="Europe/Berlin", Description="every working night",
                      StartDate=begin, EndDate=begin + datetime.timedelta(days=365, seconds=1),
                      FlexibleTimeWindow={"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 15}, State="ENABLED")
    arn = scheduler.create_schedule(**arguments)["ScheduleArn"]
    assert arn == f"arn:aws:scheduler:{REGION}:{ACCOUNT}:schedule/default/{name}"
    got = scheduler.get_schedule(Name=name)
    assert {key: got[key] for key in arguments if key != "Target"} == {key: value for key, value in arguments.items() if key != "Target"}
    assert got["Target"] == {**arguments["Target"], "RetryPolicy": {"MaximumEventAgeInSeconds": 86400, "MaximumRetryAttempts": 185}}
    assert (got["Arn"], got["GroupName"]) == (arn, "default") and got["CreationDate"] == got["LastModificationDate"]
    # An update replaces everything.
    assert scheduler.update_schedule(**asked(name, "rate(2 days)"))["ScheduleArn"] == arn
    after = scheduler.get_schedule(Name=name, GroupName="default")
    assert (after["ScheduleExpression"], after["ScheduleExpressionTimezone"], after["State"], after["FlexibleTimeWindow"]) == ("rate(2 days)", "UTC", "DISABLED", OFF)
    assert not {"Description", "StartDate", "EndDate"} & set(after) and "Input" not in after["Target"]
    assert after["CreationDate"] == got["CreationDate"] < after["LastModificationDate"]
    scheduler.delete_schedule(Name=name)
    refused(scheduler.get_schedule, "ResourceNotFoundException", f"Schedule {name} does not exist.", 404, Name=name)
    refused(scheduler.delete_schedule, "ResourceNotFoundException", f"Schedule {name} does not exist.", 404, Name=name)
    refused(scheduler.update_schedule, "ResourceNotFoundException", f"Schedule {name} does not exist.", 404, **asked(name))


def test_a_name_is_taken_once_in_its_group(scheduler):
    name, group = unique("taken"), unique("group")
    scheduler.create_schedule(**asked(name))
    refused(scheduler.create_schedule, "ConflictException", f"Schedule {name} already exists.", 409, **asked(name))
    refused(scheduler.create_schedule, "ResourceNotFoundException", f"Schedule group {group} does not exist.", 404, **asked(name, GroupName=group))
    scheduler.create_schedule_group(Name=group)
    arn = scheduler.create_schedule(**asked(name, "rate(3 days)", GroupName=group))["ScheduleArn"]
    assert arn.endswith(f":schedule/{group}/{name}")
    assert [scheduler.get_schedule(Name=name, **more)["ScheduleExpression"] for more in ({}, {"GroupName": group})] == ["rate(1 day)", "rate(3 days)"]


def test_the_same_token_is_the_same_call(scheduler):
    name = unique("token")
    arguments = asked(name, ClientToken="once-1")
    arn = scheduler.create_schedule(**arguments)["ScheduleArn"]
    assert scheduler.create_schedule(**arguments)["ScheduleArn"] == arn
    refused(scheduler.create_schedule, "ConflictException", "already exists", 409, **{**arguments, "ScheduleExpression": "rate(2 days)"})
    refused(scheduler.create_schedule, "ConflictException", "already exists", 409, **{**arguments, "ClientToken": "once-2"})
    refused(scheduler.create_schedule, "ValidationException", "'clientToken'", **{**arguments, "ClientToken": "not one"})
    scheduler.delete_schedule(Name=name, ClientToken="gone-1")
    scheduler.delete_schedule(Name=name, ClientToken="gone-1")
    refused(scheduler.delete_schedule, "ResourceNotFoundException", "does not exist", 404, Name=name, ClientToken="gone-2")
    group = unique("token")
    arn = scheduler.create_schedule_group(Name=group, ClientToken="once-1")["ScheduleGroupArn"]
    assert scheduler.create_schedule_group(Name=group, ClientToken="once-1")["ScheduleGroupArn"] == arn
    scheduler.delete_schedule_group(Name=group, ClientToken="gone-1")
    scheduler.delete_schedule_group(Name=group, ClientToken="gone-1")


@pytest.mark.parametrize("expression", [
    "rate(10 seconds)", "rate(2 years)", "rate( 5 minutes)", "rate(-5 minutes)", "rate(0 minutes)", "rate(5)", "rate(minutes)", "cron(0 10 * * * *)",
    "cron(71 10 * * ? *)", "cron(0 10 * * ?)", "at(2030-01-01)", "at(2030-01-01T00:00:00Z)", "at(2030-01-01T00:00:00.5)", "at(2030-02-30T00:00:00)", "daily"])
def test_bad_expressions(scheduler, expression):
    name = unique("bad")
    refused(scheduler.create_schedule, "ValidationException", f"Invalid Schedule Expression {expression}.", **asked(name, expression))
    refused(scheduler.get_schedule, "ResourceNotFoundException", name, 404, Name=name)


@pytest.mark.parametrize("expression", ["rate(1 minutes)", "rate(5 minute)", "cron(0 10 L * ? *)", "at(2001-01-01T00:00:00)"])
def test_good_expressions(scheduler, expression):
    name = unique("good")
    scheduler.create_schedule(**asked(name, expression))
    assert scheduler.get_schedule(Name=name)["ScheduleExpression"] == expression


@pytest.mark.parametrize("zone", ["Mars/Base", "europe/berlin", "../UTC", "/etc/localtime", "posix/Europe/Berlin", "localtime", "UTC+1", "x" * 51])
def test_bad_time_zones(scheduler, zone):
    words = f"Invalid Schedule Expression Timezone {zone}." if len(zone) <= 50 else "'scheduleExpressionTimezone'"
    refused(scheduler.create_schedule, "ValidationException", words, **asked(ScheduleExpressionTimezone=zone))


def later(**more):
    return datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(**more)


REFUSALS = [
    ({"Name": "a b"}, "at 'name' failed"),
    ({"GroupName": "a/b"}, "at 'groupName' failed"),
    ({"Description": "x" * 513}, "at 'description' failed"),
    ({"State": "PAUSED"}, "satisfy enum value set: [ENABLED, DISABLED]"),
    ({"ScheduleExpression": "x" * 257}, "at 'scheduleExpression' failed"),
    ({"FlexibleTimeWindow": {"Mode": "FLEXIBLE"}}, "needs MaximumWindowInMinutes"),
    ({"FlexibleTimeWindow": {"Mode": "OFF", "MaximumWindowInMinutes": 5}}, "leave it out"),
    ({"FlexibleTimeWindow": {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 1441}}, "less than or equal to 1440"),
    ({"FlexibleTimeWindow": {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 0}}, "greater than or equal to 1"),
    ({"FlexibleTimeWindow": {"Mode": "SOMETIMES"}}, "satisfy enum value set: [OFF, FLEXIBLE]"),
    ({"StartDate": later(minutes=-10)}, "The StartDate you specify cannot be earlier than 5 minutes ago."),
    ({"EndDate": later(minutes=-1)}, "cannot be earlier than now"),
    ({"StartDate": later(days=2), "EndDate": later(days=1)}, "must be later than the StartDate"),
    ({"KmsKeyArn": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/x"}, "KmsKeyArn is not served here"),
]


@pytest.mark.parametrize("more,words", REFUSALS, ids=[words[:24] for _, words in REFUSALS])
def test_schedule_refusals(server, scheduler, more, words):
    lenient = server.client("scheduler", parameter_validation=False)
    refused(lenient.create_schedule, "ValidationException", words, **{**asked(), **more})
    if "Name" not in more and "GroupName" not in more:
        name = unique("kept")
        scheduler.create_schedule(**asked(name))
        before = scheduler.get_schedule(Name=name)
        refused(lenient.update_schedule, "ValidationException", words, **{**asked(name), **more})
        after = scheduler.get_schedule(Name=name)
        assert {**before, "ResponseMetadata": 0} == {**after, "ResponseMetadata": 0}


BUS = f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/default"
TARGETS = [
    ({"RoleArn": "role"}, "at 'target.roleArn' failed"),
    ({"Arn": "nonsense"}, "Provided Arn is not in correct format"),
    ({"Arn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:f"}, "targets are state machines, event buses and arn:aws:scheduler:::aws-sdk:SERVICE:ACTION here"),
    ({"Arn": f"arn:aws:states:eu-west-1:{ACCOUNT}:stateMachine:m"}, "it is not of account"),
    ({"Arn": BUS}, "EventBridgeParameters is required"),
    ({"Arn": BUS, "EventBridgeParameters": {"DetailType": "t", "Source": "aws.ec2"}}, "at 'target.eventBridgeParameters.source' failed"),
    ({"EventBridgeParameters": {"DetailType": "t", "Source": "s"}}, "leave it out"),
    ({"SqsParameters": {"MessageGroupId": "g"}}, "SqsParameters of target"),
    ({"RetryPolicy": {"MaximumRetryAttempts": 186}}, "less than or equal to 185"),
    ({"RetryPolicy": {"MaximumEventAgeInSeconds": 59}}, "greater than or equal to 60"),
    ({"Input": "{"}, "it must be JSON, but is invalid JSON at byte 1"),
    ({"Input": '"' + "x" * 262_144 + '"'}, "less than or equal to 262144"),
    ({"Arn": "arn:aws:scheduler:::aws-sdk:ec2:describeInstances"}, "describeInstances only reads"),
    ({"Arn": "arn:aws:scheduler:::aws-sdk:glue:startJobRun"}, "glue:startJobRun is not served here"),
    ({"Arn": "arn:aws:scheduler:::aws-sdk:ec2:startInstances", "Input": "[]"}, "it must be a JSON object"),
]


@pytest.mark.parametrize("target,words", TARGETS, ids=[words[:24] for _, words in TARGETS])
def test_target_refusals(server, target, words):
    lenient = server.client("scheduler", parameter_validation=False)
    refused(lenient.create_schedule, "ValidationException", words, **asked(target=target))


def test_the_most_schedules(tmp_path):
    """The count is durable: here as if a million had been made."""
    server = Server(tmp_path).start()
    try:
        server.client("scheduler").create_schedule(**asked("one"))
        server.stop()
        with sqlite3.connect(server.data / "store.db") as database:
            assert database.execute("SELECT body FROM records WHERE kind = 'schedule_count'").fetchall() == [(b'{"count":1}',)]
            database.execute("UPDATE records SET body = '{\"count\":1000000}' WHERE kind = 'schedule_count'")
        database.close()
        server.start()
        scheduler = server.client("scheduler")
        refused(scheduler.create_schedule, "ServiceQuotaExceededException", "There are 1000000 schedules", 402, **asked("two"))
        scheduler.delete_schedule(Name="one")
        scheduler.create_schedule(**asked("two"))
    finally:
        server.close()


def test_lists(scheduler):
    group = unique("listed")
    scheduler.create_schedule_group(Name=group)
    names = [f"{word}-{n}" for word in ("backup", "other") for n in range(3)]
    for name in names:
        scheduler.create_schedule(**asked(name, GroupName=group, State="ENABLED" if name.endswith("0") else "DISABLED", expression="cron(0 0 1 1 ? 2199)"))

    def listed(**more):
        pages = scheduler.get_paginator("list_schedules").paginate(GroupName=group, PaginationConfig={"PageSize": 2}, **more)
        return [one["Name"] for page in pages for one in page["Schedules"]]

    assert listed() == names
    assert listed(NamePrefix="other") == names[3:]
    assert listed(State="ENABLED") == ["backup-0", "other-0"]
    assert listed(State="DISABLED", NamePrefix="other") == ["other-1", "other-2"]
    all_groups = [one for page in scheduler.get_paginator("list_schedules").paginate(NamePrefix="backup-") for one in page["Schedules"]]
    mine = [one for one in all_groups if one["GroupName"] == group]
    assert [one["Name"] for one in mine] == names[:3]
    full = scheduler.get_schedule(Name="backup-0", GroupName=group)
    assert mine[0] == {"Arn": full["Arn"], "CreationDate": full["CreationDate"], "GroupName": group, "LastModificationDate": full["LastModificationDate"],
                       "Name": "backup-0", "State": "ENABLED", "Target": {"Arn": NOWHERE}}
    # What was paused and goes on is listed so.
    scheduler.update_schedule(**asked("other-1", "cron(0 0 1 1 ? 2199)", GroupName=group, State="ENABLED"))
    assert listed(State="DISABLED", NamePrefix="other") == ["other-2"]


def test_list_refusals(server):
    scheduler = server.client("scheduler", parameter_validation=False)
    refused(scheduler.list_schedules, "ResourceNotFoundException", "Schedule group nowhere does not exist.", 404, GroupName="nowhere")
    refused(scheduler.list_schedules, "ValidationException", "satisfy enum value set", State="PAUSED")
    refused(scheduler.list_schedules, "ValidationException", "less than or equal to 100", MaxResults=101)
    refused(scheduler.list_schedules, "ValidationException", "NextToken", NextToken="x")
    refused(scheduler.list_schedule_groups, "ValidationException", "greater than or equal to 1", MaxResults=0)
    refused(scheduler.list_schedule_groups, "ValidationException", "NextToken", NextToken="x")


# Groups

def test_groups(scheduler):
    name = unique("group")
    arn = scheduler.create_schedule_group(Name=name, Tags=[{"Key": "a", "Value": "b"}])["ScheduleGroupArn"]
    assert arn == f"arn:aws:scheduler:{REGION}:{ACCOUNT}:schedule-group/{name}"
    got = scheduler.get_schedule_group(Name=name)
    assert (got["Arn"], got["Name"], got["State"]) == (arn, name, "ACTIVE") and got["CreationDate"] == got["LastModificationDate"]
    refused(scheduler.create_schedule_group, "ConflictException", f"Schedule group {name} already exists.", 409, Name=name)
    listed = scheduler.list_schedule_groups(NamePrefix=name)["ScheduleGroups"]
    assert [(one["Name"], one["Arn"], one["State"]) for one in listed] == [(name, arn, "ACTIVE")]
    scheduler.create_schedule(**asked("inside", GroupName=name))
    scheduler.delete_schedule_group(Name=name)
    refused(scheduler.get_schedule_group, "ResourceNotFoundException", f"Schedule group {name} does not exist.", 404, Name=name)
    refused(scheduler.delete_schedule_group, "ResourceNotFoundException", f"Schedule group {name} does not exist.", 404, Name=name)
    # Its schedules went with it.
    scheduler.create_schedule_group(Name=name)
    assert scheduler.list_schedules(GroupName=name)["Schedules"] == []


def test_the_default_group_stays(server, scheduler):
    assert scheduler.get_schedule_group(Name="default")["State"] == "ACTIVE"
    refused(scheduler.delete_schedule_group, "ValidationException", "default schedule group cannot be deleted", Name="default")
    lenient = server.client("scheduler", parameter_validation=False)
    refused(lenient.create_schedule_group, "ValidationException", "at 'name' failed", Name="a b")


def test_the_most_groups(fresh_server):
    scheduler = fresh_server.client("scheduler")
    for n in range(499):
        scheduler.create_schedule_group(Name=f"group-{n:03}")
    refused(scheduler.create_schedule_group, "ServiceQuotaExceededException", "500 schedule groups", 402, Name="one-more")
    pages = scheduler.get_paginator("list_schedule_groups").paginate(NamePrefix="group-")
    assert [one["Name"] for page in pages for one in page["ScheduleGroups"]] == [f"group-{n:03}" for n in range(499)]


def test_tags(server, scheduler):
    arn = scheduler.create_schedule_group(Name=unique("tagged"), Tags=[{"Key": "a", "Value": "1"}])["ScheduleGroupArn"]
    for call in ({"operation": scheduler.tag_resource, "ResourceArn": arn}, {"operation": scheduler.create_schedule_group, "Name": unique("tagged")}):
        refused(call.pop("operation"), "ValidationException", "reserved for system use", **call, Tags=[{"Key": "aws:x", "Value": "2"}])
    scheduler.tag_resource(ResourceArn=arn, Tags=[{"Key": "b", "Value": "2"}, {"Key": "c", "Value": "3"}, {"Key": "a", "Value": "4"}])
    assert scheduler.list_tags_for_resource(ResourceArn=arn)["Tags"] == [{"Key": "a", "Value": "4"}, {"Key": "b", "Value": "2"}, {"Key": "c", "Value": "3"}]
    scheduler.untag_resource(ResourceArn=arn, TagKeys=["b"])
    scheduler.untag_resource(ResourceArn=arn, TagKeys=["a", "nothing"])
    assert scheduler.list_tags_for_resource(ResourceArn=arn)["Tags"] == [{"Key": "c", "Value": "3"}]


def test_tag_refusals(server):
    scheduler = server.client("scheduler", parameter_validation=False)
    nowhere = f"arn:aws:scheduler:{REGION}:{ACCOUNT}:schedule-group/nowhere"
    schedule = scheduler.create_schedule(**asked())["ScheduleArn"]
    calls = [(scheduler.tag_resource, {"Tags": [{"Key": "a", "Value": "b"}]}), (scheduler.untag_resource, {"TagKeys": ["a"]}), (scheduler.list_tags_for_resource, {})]
    for call, more in calls:
        refused(call, "ResourceNotFoundException", "Schedule group nowhere does not exist.", 404, ResourceArn=nowhere, **more)
        # Groups alone carry tags.
        refused(call, "ValidationException", "schedule-group", ResourceArn=schedule, **more)
    group = nowhere.replace("nowhere", "default")
    refused(scheduler.tag_resource, "ValidationException", "less than or equal to 50", ResourceArn=group, Tags=[{"Key": f"k{n}", "Value": "v"} for n in range(51)])
    refused(scheduler.tag_resource, "ValidationException", "less than or equal to 128", ResourceArn=group, Tags=[{"Key": "k" * 129, "Value": "v"}])
    assert scheduler.list_tags_for_resource(ResourceArn=group)["Tags"] == []


# What they start

def test_a_schedule_starts_an_execution(scheduler, sfn):
    arn = machine(sfn)
    expression, time = in_a_moment()
    attributes = {name: f"<aws.scheduler.{name}>" for name in ("schedule-arn", "scheduled-time", "execution-id", "attempt-number")}
    schedule = scheduler.create_schedule(**asked(None, expression, arn, json.dumps(attributes), State="ENABLED"))["ScheduleArn"]
    (name, input), = started(sfn, arn)
    assert re.fullmatch(UUID, name)
    assert input == {"schedule-arn": schedule, "scheduled-time": time, "execution-id": name, "attempt-number": "1"}


def test_without_an_input_the_target_is_told_what_it_is(scheduler, sfn):
    arn = machine(sfn)
    # A rate without a start runs at once; an `at` that has passed never does.
    name = unique("often")
    scheduler.create_schedule(**asked(None, "at(2001-01-01T00:00:00)", arn, '{"never":true}', State="ENABLED"))
    schedule = scheduler.create_schedule(**asked(name, "rate(1 day)", arn, State="ENABLED"))["ScheduleArn"]
    (_, input), = started(sfn, arn)
    assert (input["source"], input["detail-type"], input["resources"], input["detail"]) == ("aws.scheduler", "Scheduled Event", [schedule], "{}")
    assert (input["account"], input["region"], input["version"]) == (ACCOUNT, REGION, "0")


def test_a_time_zone(scheduler, sfn):
    arn = machine(sfn)
    wall = datetime.datetime.now(datetime.timezone(datetime.timedelta(hours=5, minutes=45))) + datetime.timedelta(seconds=2)
    scheduler.create_schedule(**asked(None, wall.strftime("at(%Y-%m-%dT%H:%M:%S)"), arn, '{"t":"<aws.scheduler.scheduled-time>"}', ScheduleExpressionTimezone="Asia/Kathmandu", State="ENABLED"))
    (_, input), = started(sfn, arn)
    assert input["t"] == wall.astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_a_bus_gets_an_event(server, scheduler, sfn):
    events, arn = server.client("events"), machine(sfn)
    source = unique("clock")
    bus = events.create_event_bus(Name=unique("bus"))["EventBusArn"]
    bus_name = bus.rsplit("/", 1)[1]
    events.put_rule(Name="all", EventBusName=bus_name, EventPattern=json.dumps({"source": [source]}))
    events.put_targets(Rule="all", EventBusName=bus_name, Targets=[{"Id": "1", "Arn": arn, "RoleArn": ROLE}])
    schedule = scheduler.create_schedule(**asked(None, "rate(1 day)", bus, '{"n":1}', {"EventBridgeParameters": {"DetailType": "Tick", "Source": source}}, State="ENABLED"))["ScheduleArn"]
    (_, event), = started(sfn, arn)
    assert (event["source"], event["detail-type"], event["detail"], event["resources"]) == (source, "Tick", {"n": 1}, [schedule])


SDK = "arn:aws:scheduler:::aws-sdk"


def test_universal_targets(server, scheduler, sfn):
    arn = machine(sfn)
    expression, _ = in_a_moment()
    tag = unique("tag")
    scheduler.create_schedule(**asked(None, expression, f"{SDK}:sfn:startExecution", json.dumps({"StateMachineArn": arn, "Input": '{"x":1}'}), State="ENABLED"))
    scheduler.create_schedule(**asked(None, expression, f"{SDK}:ssm:sendCommand", json.dumps(
        {"DocumentName": "AWS-RunShellScript", "Targets": [{"Key": f"tag:{tag}", "Values": ["x"]}], "Parameters": {"commands": ["true"]}}), State="ENABLED"))
    assert started(sfn, arn)[0][1] == {"x": 1}
    ssm = server.client("ssm")
    mine = lambda: [one for one in ssm.list_commands()["Commands"] if one["Targets"] == [{"Key": f"tag:{tag}", "Values": ["x"]}]]
    until(mine, 20, "the command")
    assert len(mine()) == 1


def test_universal_targets_on_a_machine(server, scheduler):
    """Stopped, started and backed up by schedule."""
    id, = runs.launch(server)
    ec2 = server.client("ec2")
    state = lambda: ec2.describe_instances(InstanceIds=[id])["Reservations"][0]["Instances"][0]["State"]["Name"]
    for action, wanted in (("stopInstances", "stopped"), ("startInstances", "running")):
        scheduler.create_schedule(**asked(None, "rate(1 day)", f"{SDK}:ec2:{action}", json.dumps({"InstanceIds": [id]}), State="ENABLED"))
        until(lambda: state() == wanted, 60, f"{id} {wanted}")
    runs.online(server, [id])
    resource = f"arn:aws:ec2:{REGION}:{ACCOUNT}:instance/{id}"
    scheduler.create_schedule(**asked(None, "rate(1 day)", f"{SDK}:backup:startBackupJob", json.dumps(
        {"BackupVaultName": "Default", "ResourceArn": resource, "IamRoleArn": runs.ROLE}), State="ENABLED"))
    backup = server.client("backup")
    until(lambda: [job["State"] for job in backup.list_backup_jobs(ByResourceArn=resource)["BackupJobs"]] == ["COMPLETED"], 60, "the backup")


def test_members_that_a_universal_target_does_not_have(scheduler):
    for input, member in (({"documentName": "AWS-RunShellScript"}, "documentName"), ({"DocumentName": "AWS-RunShellScript", "Targets": [{"Key": "tag:x", "values": ["y"]}]}, "values")):
        refused(scheduler.create_schedule, "ValidationException", f"sendCommand has no member '{member}'", **asked(None, "rate(1 day)", f"{SDK}:ssm:sendCommand", json.dumps(input)))


def test_a_schedule_from_before_members_within_were_looked_at(tmp_path):
    """It runs on as it did, and can be updated."""
    server = Server(tmp_path).start()
    try:
        input = {"DocumentName": "AWS-RunShellScript", "Targets": [{"Key": "tag:old", "Values": ["x"]}], "Parameters": {"commands": ["true"]}}
        server.client("scheduler").create_schedule(**asked("old", "rate(1 day)", f"{SDK}:ssm:sendCommand", json.dumps(input), State="DISABLED"))
        server.stop()
        with sqlite3.connect(server.data / "store.db") as database:
            (body,), = database.execute("SELECT body FROM records WHERE kind = 'schedule'").fetchall()
            schedule = json.loads(body)
            input["Targets"][0]["extra"] = 1
            schedule["Target"]["Input"] = json.dumps(input)
            database.execute("UPDATE records SET body = ? WHERE kind = 'schedule'", (json.dumps(schedule).encode(),))
        database.close()
        server.start()
        server.client("scheduler").update_schedule(**asked("old", "rate(2 days)", f"{SDK}:ssm:sendCommand", json.dumps(input), State="ENABLED"))
        until(lambda: server.client("ssm").list_commands()["Commands"], 20, "the command")
    finally:
        server.close()


def test_action_after_completion(server, scheduler, sfn):
    arn = machine(sfn)
    expression, _ = in_a_moment()
    name, kept = unique("once"), unique("kept")
    for each, action in ((name, "DELETE"), (kept, "NONE")):
        assert put(server, "POST", each, {**asked(each, expression, arn, "{}", State="ENABLED"), "ActionAfterCompletion": action})[0] == 200
        assert put(server, "GET", each, {})[2]["ActionAfterCompletion"] == action
    started(sfn, arn, 2)
    assert put(server, "GET", name, {})[:2] == (404, "ResourceNotFoundException")
    assert put(server, "GET", kept, {})[0] == 200
    status, code, answer = put(server, "POST", unique("bad"), {**asked(), "ActionAfterCompletion": "BURN"})
    assert (status, code) == (400, "ValidationException") and "[NONE, DELETE]" in answer["message"]


def test_what_is_deleted_or_paused_starts_nothing(scheduler, sfn):
    arn = machine(sfn)
    expression, _ = in_a_moment()
    names = [unique("stopped") for _ in range(3)]
    for name in names:
        scheduler.create_schedule(**asked(name, expression, arn, json.dumps({"name": name}), State="ENABLED"))
    scheduler.delete_schedule(Name=names[0])
    scheduler.update_schedule(**asked(names[1], expression, arn, "{}"))
    assert [input["name"] for _, input in started(sfn, arn)] == [names[2]]


@pytest.mark.parametrize("arn, input, code", [
    (NOWHERE, "{}", "StateMachineDoesNotExist"),
    (f"{SDK}:ssm:sendCommand", '{"DocumentName":"Nothing-Like-It","Targets":[{"Key":"tag:x","Values":["y"]}]}', "InvalidDocument")])
def test_what_cannot_be_started_is_told(server, scheduler, sfn, arn, input, code):
    told, target = machine(sfn), arn
    events = server.client("events")
    name = unique("rule")
    schedule = unique("failing")
    events.put_rule(Name=name, EventPattern=json.dumps({"source": ["stillpoint.events"], "detail-type": ["Schedule Delivery Failed"], "detail": {"schedule": [{"suffix": schedule}]}}))
    events.put_targets(Rule=name, Targets=[{"Id": "1", "Arn": told, "RoleArn": ROLE, "InputPath": "$.detail"}])
    arn = scheduler.create_schedule(**asked(schedule, "rate(1 day)", target, input, State="ENABLED"))["ScheduleArn"]
    (_, detail), = started(sfn, told)
    assert (detail["schedule"], detail["target"], detail["error-code"], detail["retry-attempts"]) == (arn, target, code, 0)
    assert re.fullmatch(UUID, detail["execution-id"])


def test_a_state_machine_makes_a_schedule(scheduler, sfn):
    name, end = unique("made"), machine(sfn)
    definition = {"StartAt": "A", "States": {
        "A": {"Type": "Task", "Resource": "arn:aws:states:::aws-sdk:scheduler:createSchedule", "Next": "B", "Parameters": {
            "Name": name, "ScheduleExpression": "cron(0 2 * * ? *)", "FlexibleTimeWindow": OFF, "StartDate": "2031-01-01T00:00:00Z", "Target": {"Arn": end, "RoleArn": ROLE}}},
        "B": {"Type": "Task", "Resource": "arn:aws:states:::aws-sdk:scheduler:createSchedule", "End": True, "Parameters": {
            "Name": name, "ScheduleExpression": "rate(1 day)", "FlexibleTimeWindow": OFF, "Target": {"Arn": end, "RoleArn": ROLE}},
            "Catch": [{"ErrorEquals": ["Scheduler.ConflictException"], "Next": "C"}]},
        "C": {"Type": "Pass", "Result": "conflict", "End": True}}}
    arn = sfn.start_execution(stateMachineArn=machine(sfn, definition))["executionArn"]
    ended = until(lambda: (lambda got: got if got["status"] != "RUNNING" else None)(sfn.describe_execution(executionArn=arn)), 20, "its end")
    assert ended["status"] == "SUCCEEDED" and json.loads(ended["output"]) == "conflict", ended
    assert scheduler.get_schedule(Name=name)["StartDate"] == datetime.datetime(2031, 1, 1, tzinfo=datetime.timezone.utc)


def test_by_the_cli(server, sfn):
    """As people write it, by `stillpoint aws`."""
    arn = machine(sfn)

    def aws(*words):
        done = subprocess.run([BINARY, "aws", "--data-dir", str(server.data), "scheduler", *words, "--output", "json"], capture_output=True, text=True, check=False, timeout=60, env=server.aws_env())
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout or "{}")

    name = unique("cli")
    aws("create-schedule-group", "--name", f"{name}-group", "--tags", "Key=a,Value=b")
    made = aws("create-schedule", "--name", name, "--group-name", f"{name}-group", "--schedule-expression", "rate(1 day)", "--flexible-time-window", "Mode=OFF",
               "--target", json.dumps({"Arn": arn, "RoleArn": ROLE, "Input": '{"cli":true}'}))
    assert [input for _, input in started(sfn, arn)] == [{"cli": True}]
    assert aws("get-schedule", "--name", name, "--group-name", f"{name}-group")["Arn"] == made["ScheduleArn"]
    assert [one["Name"] for one in aws("list-schedules", "--group-name", f"{name}-group")["Schedules"]] == [name]
    group = aws("get-schedule-group", "--name", f"{name}-group")["Arn"]
    assert aws("list-tags-for-resource", "--resource-arn", group)["Tags"] == [{"Key": "a", "Value": "b"}]
    aws("tag-resource", "--resource-arn", group, "--tags", "Key=c,Value=d")
    aws("untag-resource", "--resource-arn", group, "--tag-keys", "a")
    assert aws("list-tags-for-resource", "--resource-arn", group)["Tags"] == [{"Key": "c", "Value": "d"}]
    aws("update-schedule", "--name", name, "--group-name", f"{name}-group", "--schedule-expression", "rate(2 days)", "--flexible-time-window", "Mode=OFF", "--state", "DISABLED",
        "--target", json.dumps({"Arn": arn, "RoleArn": ROLE}))
    aws("delete-schedule", "--name", name, "--group-name", f"{name}-group")
    aws("delete-schedule-group", "--name", f"{name}-group")
    assert [one["Name"] for one in aws("list-schedule-groups", "--name-prefix", name)["ScheduleGroups"]] == []


# What goes wrong

def shift(server, seconds):
    """As if the schedules' times had come so much earlier; the server is stopped. Returns when the first was due, in microseconds."""
    with sqlite3.connect(server.data / "store.db") as database:
        by = seconds * 1_000_000
        database.execute("UPDATE timers SET due = due - ?, payload = CAST(CAST(payload AS INTEGER) - ? AS TEXT) WHERE kind = 'schedule'", (by, by))
        for key, body in database.execute("SELECT key, body FROM records WHERE kind = 'schedule'").fetchall():
            kept = json.loads(body)
            for name in ("anchor", "since", "last"):
                if name in kept:
                    kept[name] -= by
            database.execute("UPDATE records SET body = ? WHERE kind = 'schedule' AND key = ?", (json.dumps(kept), key))
        due, = database.execute("SELECT payload FROM timers WHERE kind = 'schedule'").fetchone()
    database.close()
    return int(due)


def test_what_was_missed_while_down_runs_once(tmp_path):
    """Three periods and a half late: the last one is made up for, the ones before are told as missed."""
    server = Server(tmp_path).start()
    try:
        sfn, scheduler, events = server.client("stepfunctions"), server.client("scheduler"), server.client("events")
        arn, told = machine(sfn, name="hourly"), machine(sfn, name="told")
        schedule = scheduler.create_schedule(**asked("hourly", "rate(1 hour)", arn, '{"t":"<aws.scheduler.scheduled-time>"}', State="ENABLED"))["ScheduleArn"]
        events.put_rule(Name="missed", EventPattern=json.dumps({"detail-type": ["Scheduled Runs Missed"]}))
        events.put_targets(Rule="missed", Targets=[{"Id": "1", "Arn": told, "RoleArn": ROLE, "InputPath": "$.detail"}])
        started(sfn, arn)
        server.stop()
        hour = 3600
        due = shift(server, 4 * hour + hour // 2)
        stamp = lambda micros: datetime.datetime.fromtimestamp(micros // 1_000_000, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        server.start()
        sfn = server.client("stepfunctions")
        assert [input["t"] for _, input in started(sfn, arn, 2)][1:] == [stamp(due + 3 * hour * 1_000_000)]
        (_, detail), = started(sfn, told)
        assert detail == {"schedule": schedule, "missed": 3, "first": stamp(due), "made-up-for": stamp(due + 3 * hour * 1_000_000)}
        server.restart()
        assert len(executions(server.client("stepfunctions"), arn)) == 2
    finally:
        server.close()


@pytest.mark.parametrize("point,count", [("schedule.due", 1), ("events.started", 1), ("schedule.due", 4), ("events.started", 4), ("store.before_commit", 10), ("store.after_commit", 10),
                                         ("store.before_commit", 14), ("store.after_commit", 14)])
def test_killed_between_firing_and_start(tmp_path, point, count):
    """However the server dies, each schedule starts its execution, and once."""
    server = Server(tmp_path).start()
    try:
        arn = machine(server.client("stepfunctions"), name="once")
        acknowledged = range(len(killed_while(server, "scheduler", point, count, 8, lambda client, n: client.create_schedule(
            **asked(f"s{n}", "rate(1 day)", arn, json.dumps({"n": n}), State="ENABLED")))))
        sfn = server.client("stepfunctions")
        server.client("scheduler").create_schedule(**asked("last", "rate(1 day)", arn, '{"n":99}', State="ENABLED"))
        wanted = {*acknowledged, 99}
        got = until(lambda: (lambda all: all if wanted <= set(all) else None)([input["n"] for _, input in executions(sfn, arn)]), 20, f"{wanted}")
        # The one whose answer was lost with the server may have been made.
        assert len(got) == len(set(got)), (got, acknowledged)
        assert set(got) <= wanted | {len(acknowledged)}, (got, acknowledged)
    finally:
        server.close()

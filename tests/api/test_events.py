"""EventBridge: buses, rules, targets and schedules, and the way of an event to what it starts."""
import concurrent.futures
import datetime
import json
import pathlib
import sqlite3
import time

import pytest
from botocore.exceptions import ClientError

from tests.support import runs
from tests.support.crash import killed_while
from tests.support.server import ACCOUNT, REGION, Server
from tests.support.signed import Prepared, call_json
from tests.support.until import until

ROLE = f"arn:aws:iam::{ACCOUNT}:role/events"
PASS = {"StartAt": "A", "States": {"A": {"Type": "Pass", "End": True}}}


@pytest.fixture
def events(server):
    return server.client("events")


@pytest.fixture
def sfn(server):
    return server.client("stepfunctions")


_count = iter(range(10**9))


def unique(word):
    return f"{word}-{next(_count)}"


def machine(sfn, definition=None, name=None):
    return sfn.create_state_machine(name=name or unique("started"), definition=json.dumps(definition or PASS), roleArn=ROLE)["stateMachineArn"]


def refused(call, code, words="", **arguments):
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    assert caught.value.response["Error"]["Code"] == code, caught.value
    assert words in caught.value.response["Error"]["Message"], caught.value
    return caught.value.response["Error"]["Message"]


def rule(events, pattern, targets, bus="default", name=None):
    """A rule with targets; returns its name."""
    name = name or unique("rule")
    events.put_rule(Name=name, EventBusName=bus, EventPattern=json.dumps(pattern))
    if targets:
        assert events.put_targets(Rule=name, EventBusName=bus, Targets=targets)["FailedEntryCount"] == 0
    return name


def to(arn, id="1", **more):
    return {"Id": id, "Arn": arn, "RoleArn": ROLE, **more}


def send(events, source, detail, bus="default", **more):
    answer = events.put_events(Entries=[{"Source": source, "DetailType": "t", "Detail": json.dumps(detail), "EventBusName": bus, **more}])
    assert answer["FailedEntryCount"] == 0, answer
    return answer["Entries"][0]["EventId"]


def inputs(sfn, arn):
    """Inputs of all executions of the machine, the first one first."""
    found = sfn.list_executions(stateMachineArn=arn, maxResults=1000)["executions"]
    return [json.loads(sfn.describe_execution(executionArn=one["executionArn"])["input"]) for one in reversed(found)]


def delivered(sfn, arn, count):
    return until(lambda: (lambda got: got if len(got) >= count else None)(inputs(sfn, arn)), 20, f"{count} executions of {arn}")


# Buses

def test_buses(events):
    name = unique("bus")
    arn = events.create_event_bus(Name=name, Tags=[{"Key": "a", "Value": "b"}])["EventBusArn"]
    assert arn == f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/{name}"
    assert events.describe_event_bus(Name=name)["Arn"] == arn == events.describe_event_bus(Name=arn)["Arn"]
    assert events.describe_event_bus()["Name"] == "default"
    assert [bus["Name"] for bus in events.list_event_buses(NamePrefix=name)["EventBuses"]] == [name]
    refused(events.create_event_bus, "ResourceAlreadyExistsException", f"Event bus {name} already exists.", Name=name)
    events.delete_event_bus(Name=name)
    refused(events.describe_event_bus, "ResourceNotFoundException", f"Event bus {name} does not exist.", Name=name)
    assert events.list_event_buses(NamePrefix=name)["EventBuses"] == []


def test_bus_refusals(events):
    refused(events.create_event_bus, "ValidationException", "at 'name' failed", Name="a b")
    refused(events.create_event_bus, "ValidationException", "must not contain '/'", Name="a/b")
    refused(events.delete_event_bus, "ValidationException", "Cannot delete event bus default.", Name="default")
    refused(events.list_event_buses, "ValidationException", "NextToken", NextToken="x")


def test_a_bus_with_rules_is_not_deleted(events, sfn):
    """As on AWS: its rules go first, so that none of them is lost by a slip."""
    bus, source, arn = unique("bus"), unique("app"), machine(sfn)
    events.create_event_bus(Name=bus)
    names = [rule(events, {"source": [source]}, [to(arn, InputPath="$.detail")], bus=bus), rule(events, {"source": ["never"]}, [], bus=bus)]
    refused(events.delete_event_bus, "ValidationException", f"EventBus can't be deleted since it has rules. Event bus {bus} has 2 rules", Name=bus)
    send(events, source, {"n": 1}, bus=bus)
    assert delivered(sfn, arn, 1) == [{"n": 1}]
    events.delete_rule(Name=names[1], EventBusName=bus)
    refused(events.delete_event_bus, "ValidationException", "has 1 rule:", Name=bus)
    events.remove_targets(Rule=names[0], EventBusName=bus, Ids=["1"])
    events.delete_rule(Name=names[0], EventBusName=bus)
    events.delete_event_bus(Name=bus)
    refused(events.describe_event_bus, "ResourceNotFoundException", f"Event bus {bus} does not exist.", Name=bus)


def test_pages_of_buses(events):
    prefix = unique("paged")
    for i in range(3):
        events.create_event_bus(Name=f"{prefix}-{i}")
    first = events.list_event_buses(NamePrefix=prefix, Limit=2)
    rest = events.list_event_buses(NamePrefix=prefix, Limit=2, NextToken=first["NextToken"])
    assert [bus["Name"] for bus in first["EventBuses"] + rest["EventBuses"]] == [f"{prefix}-{i}" for i in range(3)] and "NextToken" not in rest


def test_the_most_buses(fresh_server):
    events = fresh_server.client("events")
    for i in range(100):
        events.create_event_bus(Name=f"bus-{i}")
    refused(events.create_event_bus, "LimitExceededException", "exceeds the maximum number allowed", Name="one-more")
    events.delete_event_bus(Name="bus-7")
    assert events.create_event_bus(Name="one-more")["EventBusArn"].endswith("/one-more")


def test_permissions(events):
    name = unique("bus")
    events.create_event_bus(Name=name)
    events.put_permission(EventBusName=name, Action="events:PutEvents", Principal="111122223333", StatementId="one")
    events.put_permission(EventBusName=name, Action="events:PutEvents", Principal="*", StatementId="two")
    policy = json.loads(events.describe_event_bus(Name=name)["Policy"])
    assert [(one["Sid"], one["Principal"]) for one in policy["Statement"]] == [("one", {"AWS": "arn:aws:iam::111122223333:root"}), ("two", "*")]
    events.remove_permission(EventBusName=name, StatementId="one")
    assert [one["Sid"] for one in json.loads(events.describe_event_bus(Name=name)["Policy"])["Statement"]] == ["two"]
    events.remove_permission(EventBusName=name, RemoveAllPermissions=True)
    assert "Policy" not in events.describe_event_bus(Name=name)


def test_permission_refusals(events):
    name = unique("bus")
    events.create_event_bus(Name=name)
    one = {"EventBusName": name, "Action": "events:PutEvents", "Principal": "*", "StatementId": "one"}
    refused(events.put_permission, "ResourceNotFoundException", "does not exist", **{**one, "EventBusName": "nowhere"})
    refused(events.put_permission, "ValidationException", "'action'", **{**one, "Action": "events:PutRule"})
    refused(events.put_permission, "ValidationException", "Policy", **{**one, "Policy": "{}"})
    refused(events.put_permission, "PolicyLengthExceededException", "10240", EventBusName=name, Policy=json.dumps({"Statement": ["x" * 11000]}))
    refused(events.remove_permission, "ResourceNotFoundException", "EventBus does not have a policy.", EventBusName=name, StatementId="one")
    events.put_permission(**one)
    refused(events.remove_permission, "ResourceNotFoundException", "Statement with the provided id does not exist.", EventBusName=name, StatementId="two")
    refused(events.remove_permission, "ValidationException", "StatementId", EventBusName=name)


# Rules

def test_rules(events):
    bus = unique("bus")
    events.create_event_bus(Name=bus)
    pattern = json.dumps({"source": ["x"]})
    arn = events.put_rule(Name="r", EventBusName=bus, EventPattern=pattern, Description="d", Tags=[{"Key": "k", "Value": "v"}])["RuleArn"]
    assert arn == f"arn:aws:events:{REGION}:{ACCOUNT}:rule/{bus}/r"
    shown = events.describe_rule(Name="r", EventBusName=bus)
    assert (shown["Arn"], shown["EventPattern"], shown["State"], shown["Description"], shown["EventBusName"], shown["CreatedBy"]) == (
        arn, pattern, "ENABLED", "d", bus, ACCOUNT)
    events.disable_rule(Name="r", EventBusName=bus)
    assert events.describe_rule(Name="r", EventBusName=bus)["State"] == "DISABLED"
    events.enable_rule(Name="r", EventBusName=bus)
    assert events.describe_rule(Name="r", EventBusName=bus)["State"] == "ENABLED"
    # What is left out is gone; tags are only taken when a rule is made.
    events.put_rule(Name="r", EventBusName=bus, EventPattern=pattern, State="DISABLED", Tags=[{"Key": "other", "Value": "v"}])
    shown = events.describe_rule(Name="r", EventBusName=bus)
    assert "Description" not in shown and shown["State"] == "DISABLED"
    assert events.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "k", "Value": "v"}]
    events.put_rule(Name="s", EventBusName=bus, EventPattern=pattern)
    first = events.list_rules(EventBusName=bus, Limit=1)
    rest = events.list_rules(EventBusName=bus, NextToken=first["NextToken"])
    assert [one["Name"] for one in first["Rules"] + rest["Rules"]] == ["r", "s"]
    assert [one["Name"] for one in events.list_rules(EventBusName=bus, NamePrefix="s")["Rules"]] == ["s"]
    events.delete_rule(Name="r", EventBusName=bus)
    refused(events.describe_rule, "ResourceNotFoundException", f"Rule r does not exist on EventBus {bus}.", Name="r", EventBusName=bus)


def test_schedule_rule_is_kept(events):
    name = unique("nightly")
    assert events.put_rule(Name=name, ScheduleExpression="cron(0 2 ? * MON-FRI *)", State="DISABLED")["RuleArn"].endswith(f":rule/{name}")
    assert events.describe_rule(Name=name)["ScheduleExpression"] == "cron(0 2 ? * MON-FRI *)"


@pytest.mark.parametrize("expression", ["rate(1 minutes)", "rate(5 minute)", "rate(0 minutes)", "rate(10 seconds)", "cron(0 10 * * * *)", "cron(0 10 * * ?)",
                                        "cron(71 10 * * ? *)", "cron(0 10 ? * 0 *)", "at(2030-01-01T00:00:00)", "x"])
def test_bad_schedules(events, expression):
    refused(events.put_rule, "ValidationException", "Parameter ScheduleExpression is not valid.", Name="bad", ScheduleExpression=expression)


def test_rule_refusals(events):
    bus = unique("bus")
    events.create_event_bus(Name=bus)
    refused(events.put_rule, "ValidationException", "must be specified", Name="bad")
    refused(events.put_rule, "ValidationException", "at 'name' failed", Name="a b", EventPattern="{}")
    refused(events.put_rule, "ValidationException", "ScheduleExpression is supported only on the default event bus.", Name="bad", EventBusName=bus, ScheduleExpression="rate(1 day)")
    refused(events.put_rule, "InvalidEventPatternException", 'Event pattern is not valid. Reason: "source" must be an object or an array', Name="bad", EventPattern='{"source":"x"}')
    refused(events.put_rule, "InvalidEventPatternException", "Unrecognized match type", Name="bad", EventPattern='{"source":[{"like":"x"}]}')
    refused(events.put_rule, "ResourceNotFoundException", "does not exist", Name="bad", EventBusName="nowhere", EventPattern='{"source":["x"]}')
    refused(events.list_rules, "ResourceNotFoundException", "does not exist", EventBusName="nowhere")
    refused(events.enable_rule, "ResourceNotFoundException", "Rule none does not exist on EventBus default.", Name="none")
    refused(events.disable_rule, "ResourceNotFoundException", "Rule none does not exist on EventBus default.", Name="none")
    for role in ("x", "arn:aws:iam::123:role/r", f"arn:aws:iam::{ACCOUNT}:user/me", f"arn:aws:iam::{ACCOUNT}:role/", f"arn:aws:sts::{ACCOUNT}:role/r"):
        refused(events.put_rule, "ValidationException", f"Provided role '{role}' cannot be assumed", Name="bad", EventPattern='{"source":["x"]}', RoleArn=role)
    refused(events.put_rule, "ValidationException", "at 'roleArn' failed to satisfy constraint: Member must have length less than or equal to 1600", Name="bad",
            EventPattern='{"source":["x"]}', RoleArn=ROLE + "x" * 1600)
    assert events.list_rules(NamePrefix="bad")["Rules"] == []


def test_the_most_rules(fresh_server):
    events = fresh_server.client("events")
    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda i: events.put_rule(Name=f"rule-{i}", EventPattern='{"source":["x"]}'), range(2000)))
    refused(events.put_rule, "LimitExceededException", "exceeds the maximum number allowed", Name="one-more", EventPattern='{"source":["x"]}')
    assert events.put_rule(Name="rule-7", EventPattern='{"source":["y"]}')["RuleArn"].endswith("/rule-7")


def test_delete_rule_with_targets(events, sfn):
    name = rule(events, {"source": ["never"]}, [to(machine(sfn))])
    refused(events.delete_rule, "ValidationException", "Rule can't be deleted since it has targets.", Name=name)
    assert events.remove_targets(Rule=name, Ids=["1"])["FailedEntryCount"] == 0
    events.delete_rule(Name=name)
    assert events.list_rules(NamePrefix=name)["Rules"] == []


def test_event_patterns(events):
    event = {"id": "1", "account": ACCOUNT, "source": "a", "time": "2024-01-01T00:00:00Z", "region": REGION, "resources": [], "detail-type": "t", "detail": {"size": 5}}
    for pattern, wanted in [({"source": ["a"]}, True), ({"source": [{"prefix": "b"}]}, False), ({"detail": {"size": [{"numeric": [">", 1, "<=", 5]}]}}, True),
                            ({"detail": {"missing": [{"exists": False}]}}, True), ({"$or": [{"source": ["x"]}, {"detail-type": ["t"]}]}, True)]:
        assert events.test_event_pattern(EventPattern=json.dumps(pattern), Event=json.dumps(event))["Result"] is wanted, pattern
    refused(events.test_event_pattern, "InvalidEventPatternException", "Event pattern is not valid.", EventPattern='{"a":[]}', Event=json.dumps(event))
    refused(events.test_event_pattern, "ValidationException", "'source'", EventPattern='{"source":["a"]}', Event='{"id":"1","account":"1"}')


# Targets

def test_targets(events, sfn):
    arn = machine(sfn)
    name = rule(events, {"source": ["never"]}, [to(arn, "a", InputPath="$.detail"), to(arn, "b", Input='{"x":1}')])
    assert events.list_targets_by_rule(Rule=name)["Targets"] == [to(arn, "a", InputPath="$.detail"), to(arn, "b", Input='{"x":1}')]
    events.put_targets(Rule=name, Targets=[to(arn, "b")])
    first = events.list_targets_by_rule(Rule=name, Limit=1)
    assert first["Targets"][0]["Id"] == "a"
    assert events.list_targets_by_rule(Rule=name, NextToken=first["NextToken"], Limit=1)["Targets"] == [to(arn, "b")]
    assert events.list_rule_names_by_target(TargetArn=arn)["RuleNames"] == [name]
    answer = events.remove_targets(Rule=name, Ids=["a", "none"])
    assert answer["FailedEntryCount"] == 1 and answer["FailedEntries"][0]["TargetId"] == "none"
    assert [one["Id"] for one in events.list_targets_by_rule(Rule=name)["Targets"]] == ["b"]


def test_roles_of_rules(events):
    """With a path, of another account and of another partition: roles are not asked whether they are there."""
    for role in (ROLE, f"arn:aws:iam::{ACCOUNT}:role/service-role/a/b", "arn:aws:iam::111122223333:role/other", "arn:aws-cn:iam::111122223333:role/other"):
        name = unique("role")
        events.put_rule(Name=name, EventPattern='{"source":["never"]}', RoleArn=role)
        assert events.describe_rule(Name=name)["RoleArn"] == role


def test_target_refusals(server, events, sfn):
    arn = machine(sfn)
    name = rule(events, {"source": ["never"]}, [])

    def bad(words, target):
        refused(events.put_targets, "ValidationException", words, Rule=name, Targets=[target])

    bad("Only one of Input, InputPath, or InputTransformer must be provided", to(arn, Input="{}", InputPath="$.a"))
    bad("JSON syntax error in input", to(arn, Input="{"))
    bad("Invalid InputPath", to(arn, InputPath="detail"))
    bad("<other> is not defined", to(arn, InputTransformer={"InputTemplate": '{"a":<other>}', "InputPathsMap": {"a": "$.detail"}}))
    bad("is not a valid path", to(arn, InputTransformer={"InputTemplate": '{"a":<a>}', "InputPathsMap": {"a": "detail"}}))
    bad("must be 1 to 256 letters", to(arn, InputTransformer={"InputTemplate": "<a b>", "InputPathsMap": {"a b": "$.detail"}}))
    for template in ('{"x" <a>}', '{"x": "unterminated <a>', "[<a>, <a>"):
        bad("Invalid InputTemplate for target 1 : with its placeholders filled in it is no JSON: ",
            to(arn, InputTransformer={"InputTemplate": template, "InputPathsMap": {"a": "$.detail"}}))
    bad("Invalid InputTemplate for target 1 : The placeholder cannot be used as an object key.",
        to(arn, InputTransformer={"InputTemplate": '{"<a>":1}', "InputPathsMap": {"a": "$.detail"}}))
    bad("RoleArn is required", {"Id": "1", "Arn": arn})
    bad("targets are state machines", to(f"arn:aws:sqs:{REGION}:{ACCOUNT}:queue"))
    bad("not in correct format", to("here"))
    bad("it is not of account", to(arn.replace(ACCOUNT, "111122223333")))
    bad("RunCommandParameters is required", to(f"arn:aws:ssm:{REGION}::document/AWS-RunShellScript"))
    bad("Provided role 'x' cannot be assumed", {**to(arn), "RoleArn": "x"})
    bad("Provided role 'x' cannot be assumed", {**to(f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/default"), "RoleArn": "x"})
    for policy, words in [({"MaximumRetryAttempts": -1}, "greater than or equal to 0"), ({"MaximumRetryAttempts": 186}, "less than or equal to 185"),
                          ({"MaximumEventAgeInSeconds": 59}, "greater than or equal to 60"), ({"MaximumEventAgeInSeconds": 86401}, "less than or equal to 86400")]:
        status, answer = call_json(server, "events", "AWSEvents.PutTargets", {"Rule": name, "Targets": [to(arn, RetryPolicy=policy)]}, "1.1")
        assert status == 400 and answer["__type"].endswith("ValidationException") and words in answer["message"], answer
    for more in ({"RetryPolicy": 5}, {"RetryPolicy": {"MaximumRetryAttempts": "5"}}, {"RetryPolicy": {"MaximumEventAgeInSeconds": 60.5}}, {"DeadLetterConfig": "q"}):
        status, answer = call_json(server, "events", "AWSEvents.PutTargets", {"Rule": name, "Targets": [to(arn, **more)]}, "1.1")
        assert status == 400 and answer["__type"].endswith("SerializationException"), answer
    for more in ({"RoleArn": ""}, {"DeadLetterConfig": {"Arn": ""}}):
        status, answer = call_json(server, "events", "AWSEvents.PutTargets", {"Rule": name, "Targets": [{**to(arn), **more}]}, "1.1")
        assert status == 400 and "length greater than or equal to 1" in answer["message"], answer
    for key in ("foo", "tag:", "resource-groups:Name"):
        bad(f"'{key}' is no key of a target here", to(f"arn:aws:ssm:{REGION}::document/AWS-RunShellScript",
                                                     RunCommandParameters={"RunCommandTargets": [{"Key": key, "Values": ["x"]}]}))
    assert events.list_targets_by_rule(Rule=name)["Targets"] == []
    refused(events.put_targets, "LimitExceededException", "exceeds the maximum number allowed", Rule=name, Targets=[to(arn, str(i)) for i in range(6)])
    refused(events.put_targets, "ResourceNotFoundException", "Rule none does not exist", Rule="none", Targets=[to(arn)])
    refused(events.list_targets_by_rule, "ResourceNotFoundException", "Rule none does not exist", Rule="none")
    refused(events.remove_targets, "ResourceNotFoundException", "Rule none does not exist", Rule="none", Ids=["1"])
    refused(events.list_rule_names_by_target, "ResourceNotFoundException", "does not exist", TargetArn=arn, EventBusName="nowhere")


# Tags

def test_tags(events):
    name = unique("bus")
    arn = events.create_event_bus(Name=name, Tags=[{"Key": "a", "Value": "1"}])["EventBusArn"]
    events.tag_resource(ResourceARN=arn, Tags=[{"Key": "b", "Value": "2"}])
    for key in ("aws:x", "AWS:x"):
        refused(events.tag_resource, "ValidationException", "reserved for system use", ResourceARN=arn, Tags=[{"Key": key, "Value": "2"}])
        refused(events.create_event_bus, "ValidationException", "reserved for system use", Name=unique("bus"), Tags=[{"Key": key, "Value": "2"}])
        refused(events.put_rule, "ValidationException", "reserved for system use", Name=unique("rule"), EventPattern='{"source":["s"]}',
                Tags=[{"Key": key, "Value": "2"}])
    events.untag_resource(ResourceARN=arn, TagKeys=["a"])
    assert events.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "b", "Value": "2"}]


def test_tag_refusals(events):
    gone = f"arn:aws:events:{REGION}:{ACCOUNT}:rule/none"
    refused(events.tag_resource, "ResourceNotFoundException", "Rule none does not exist", ResourceARN=gone, Tags=[])
    refused(events.untag_resource, "ResourceNotFoundException", "Rule none does not exist", ResourceARN=gone, TagKeys=["a"])
    refused(events.list_tags_for_resource, "ResourceNotFoundException", "Rule none does not exist", ResourceARN=gone)
    refused(events.list_tags_for_resource, "ValidationException", "not in correct format", ResourceARN="x")


# Events on their way

def test_put_events_starts_an_execution(events, sfn):
    arn = machine(sfn)
    source = unique("app")
    rule(events, {"source": [source], "detail": {"n": [{"numeric": [">", 1]}]}}, [to(arn)])
    send(events, source, {"n": 1})
    id = send(events, source, {"n": 2}, Resources=["r"], Time=1704067201.9)
    got = delivered(sfn, arn, 1)
    assert got == [{"version": "0", "id": id, "detail-type": "t", "source": source, "account": ACCOUNT, "time": "2024-01-01T00:00:01Z", "region": REGION,
                    "resources": ["r"], "detail": {"n": 2}}]
    name = sfn.list_executions(stateMachineArn=arn)["executions"][0]["name"]
    assert name.startswith(id + "_"), name


def test_the_sample_by_the_cli(server, sfn):
    """A custom bus, and a rule that hands the detail to the backup's state machine."""
    arn = machine(sfn)
    bus = unique("backups")
    server.aws(["events", "create-event-bus", "--name", bus])
    server.aws(["events", "put-rule", "--name", "start", "--event-bus-name", bus, "--event-pattern", '{"source":["my.app"],"detail-type":["StartBackup"]}'])
    server.aws(["events", "put-targets", "--rule", "start", "--event-bus-name", bus, "--targets", json.dumps([to(arn, InputPath="$.detail")])])
    detail = {"TargetEC2TagKey": "backup-job", "TargetEC2TagValue": "true", "StartStopEC2Required": "true"}
    answer = server.aws(["events", "put-events", "--entries", json.dumps([{"Source": "my.app", "DetailType": "StartBackup", "Detail": json.dumps(detail), "EventBusName": bus}])])
    assert answer["FailedEntryCount"] == 0 and len(answer["Entries"][0]["EventId"]) == 36
    assert delivered(sfn, arn, 1) == [detail]


def test_an_event_starts_the_backup(server, events, sfn):
    """The built-in machine takes the event's detail as its input: it is valid, and no machine has the tag."""
    bus = unique("backups")
    events.create_event_bus(Name=bus)
    rule(events, {"source": ["my.app"]}, [to(runs.MACHINE, InputPath="$.detail")], bus=bus)
    wanted = runs.run_input(1, tag=("event", bus))
    id = send(events, "my.app", wanted, bus=bus)

    def started():
        found = sfn.list_executions(stateMachineArn=runs.MACHINE)["executions"]
        return [one["executionArn"] for one in found if one["name"].startswith(id)]

    arn, = until(started, 20, "the run")
    end = runs.finished(server, arn)
    assert json.loads(end["input"]) == wanted and (end["status"], end["error"]) == ("FAILED", "Stillpoint.NoTarget")
    assert runs.row(server, arn)["Workflow_Overall_Status"] == "[]"


def test_inputs(events, sfn):
    source = unique("inputs")
    constant, path, nowhere, made = (machine(sfn) for _ in range(4))
    transformer = {"InputPathsMap": {"who": "$.detail.who", "all": "$.detail", "none": "$.detail.none"},
                   "InputTemplate": '{"who":<who>,"text":"of <who>: <all>","none":<none>,"rule":"<aws.events.rule-name>"}'}
    name = rule(events, {"source": [source]}, [to(constant, "1", Input='{"a":1}'), to(path, "2", InputPath="$.detail.who"), to(nowhere, "3", InputPath="$.detail.none"),
                                               to(made, "4", InputTransformer=transformer)])
    send(events, source, {"who": "web", "n": 1})
    assert delivered(sfn, constant, 1) == [{"a": 1}]
    assert delivered(sfn, path, 1) == ["web"]
    assert delivered(sfn, nowhere, 1) == [{}]
    assert delivered(sfn, made, 1) == [{"who": "web", "text": "of web: {who:web,n:1}", "none": "", "rule": name}]


@pytest.mark.parametrize("target, detail, words", [
    ({"InputTransformer": {"InputPathsMap": {"a": "$.detail.x"}, "InputTemplate": '"' + "<a>" * 2600 + '"'}}, {"x": "y" * 200_000}, "the InputTemplate makes"),
    ({"InputPath": "$..*..*..*"}, {"deep": json.loads("[" * 200 + "1" + "]" * 200)}, "the InputPath $..*..*..* leads to"),
    ({"InputTransformer": {"InputPathsMap": {"a": "$..*..*..*"}, "InputTemplate": "<a>"}}, {"deep": json.loads("[" * 200 + "1" + "]" * 200)}, "the InputPathsMap leads to")])
def test_inputs_that_would_be_too_large(events, sfn, target, detail, words):
    """Such a delivery fails and says why; nothing is held up by it, and the rule's other targets have theirs."""
    source, other, told = unique("large"), machine(sfn), machine(sfn)
    never = machine(sfn)
    rule(events, {"source": ["stillpoint.events"], "detail-type": ["Event Delivery Failed"], "detail": {"target": [never]}}, [to(told, InputPath="$.detail")])
    rule(events, {"source": [source]}, [to(never, "1", **target), to(other, "2", Input='"here"')])
    send(events, source, detail)
    assert delivered(sfn, other, 1) == ["here"]
    failure = delivered(sfn, told, 1)[0]
    assert words in failure["error-message"] and failure["retry-attempts"] == 0, failure
    assert inputs(sfn, never) == []


def test_buses_of_others_are_none_of_ours(events, sfn):
    source, arn = unique("foreign"), machine(sfn)
    rule(events, {"source": [source]}, [to(arn, InputPath="$.detail")])
    for bus in (f"arn:aws:events:{REGION}:111111111111:event-bus/default", f"arn:aws:events:eu-west-1:{ACCOUNT}:event-bus/default"):
        send(events, source, {"to": bus}, bus=bus)
        refused(events.describe_event_bus, "ResourceNotFoundException", bus, Name=bus)
        refused(events.list_rules, "ResourceNotFoundException", bus, EventBusName=bus)
        refused(events.put_rule, "ResourceNotFoundException", bus, Name="r", EventBusName=bus, ScheduleExpression="rate(1 day)")
    send(events, source, {"to": "ours"}, bus=f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/default")
    assert delivered(sfn, arn, 1) == [{"to": "ours"}]


def test_each_entry_has_its_own_answer(events, sfn):
    source = unique("entries")
    arn = machine(sfn)
    rule(events, {"source": [source]}, [to(arn, InputPath="$.detail.n")])
    good = {"Source": source, "DetailType": "t", "Detail": '{"n":1}'}
    answer = events.put_events(Entries=[good, {**good, "Detail": "[1]"}, {**good, "Source": "aws.ec2"}, {"DetailType": "t", "Detail": "{}"},
                                        {**good, "Detail": '{"n":2}'}, {**good, "EventBusName": "nowhere"}])
    assert answer["FailedEntryCount"] == 3
    assert [one.get("ErrorCode") for one in answer["Entries"]] == [None, "MalformedDetail", "NotAuthorizedForSourceException", "InvalidArgument", None, None]
    assert answer["Entries"][3]["ErrorMessage"] == "Parameter Source is not valid. Reason: Source is a required argument."
    assert sorted(delivered(sfn, arn, 2)) == [1, 2]


def test_a_deep_detail(events, sfn):
    source = unique("deep")
    arn = machine(sfn)
    rule(events, {"source": [source]}, [to(arn, InputPath="$.detail.n")])
    entry = {"Source": source, "DetailType": "t", "Detail": '{"n":1,"deep":' + "[" * 900 + "]" * 900 + "}"}
    assert events.put_events(Entries=[entry])["FailedEntryCount"] == 0
    assert delivered(sfn, arn, 1) == [1]
    answer = events.put_events(Entries=[{**entry, "Detail": '{"deep":' + "[" * 1100 + "]" * 1100 + "}"}])
    assert answer["Entries"][0]["ErrorCode"] == "MalformedDetail"


def test_put_events_refusals(events):
    entry = {"Source": "s", "DetailType": "t", "Detail": "{}"}
    refused(events.put_events, "ValidationException", "less than or equal to 10", Entries=[entry] * 11)
    refused(events.put_events, "ValidationException", "Total size of the entries in the request is over the limit.", Entries=[{**entry, "Detail": json.dumps({"a": "x" * 262144})}])


def test_disabled_rules_start_nothing(events, sfn):
    source = unique("off")
    off, on = machine(sfn), machine(sfn)
    name = rule(events, {"source": [source]}, [to(off)])
    rule(events, {"source": [source]}, [to(on)])
    events.disable_rule(Name=name)
    send(events, source, {})
    delivered(sfn, on, 1)
    assert inputs(sfn, off) == []


def test_from_bus_to_bus(events, sfn):
    arn = machine(sfn)
    source = unique("forwarded")
    bus = events.create_event_bus(Name=unique("bus"))["EventBusArn"]
    rule(events, {"source": [source]}, [{"Id": "1", "Arn": bus}])
    rule(events, {"source": [source]}, [to(arn, InputPath="$.detail")], bus=bus.rsplit("/", 1)[1])
    send(events, source, {"x": 1})
    assert delivered(sfn, arn, 1) == [{"x": 1}]


def test_a_run_command_target(server, events):
    ssm = server.client("ssm")
    source = unique("command")
    document = f"arn:aws:ssm:{REGION}::document/AWS-RunShellScript"
    transformer = {"InputPathsMap": {"who": "$.detail.who"}, "InputTemplate": '{"commands":["echo <who>","true"],"executionTimeout":"60"}'}
    rule(events, {"source": [source]}, [to(document, "1", InputTransformer=transformer,
                                           RunCommandParameters={"RunCommandTargets": [{"Key": "tag:event", "Values": [source]}]})])
    send(events, source, {"who": "web"})

    def sent():
        return [one for one in ssm.list_commands()["Commands"] if one["Targets"] == [{"Key": "tag:event", "Values": [source]}]]

    until(sent, 20, "the command")
    assert [(one["DocumentName"], one["Parameters"]) for one in sent()] == [
        ("AWS-RunShellScript", {"commands": ["echo web", "true"], "executionTimeout": ["60"]})]


def test_what_fails_for_now_is_tried_again(tmp_path):
    """No room for one more execution: the delivery waits; one that may not be tried again is told."""
    (tmp_path / "config.toml").write_text("[executions]\nmost_open = 1\n")
    server = Server(tmp_path, args=["--config", str(tmp_path / "config.toml")]).start()
    try:
        sfn, events = server.client("stepfunctions"), server.client("events")
        waiting = machine(sfn, {"StartAt": "A", "States": {"A": {"Type": "Wait", "Seconds": 3600, "End": True}}}, "waiting")
        patient, hasty = machine(sfn, name="patient"), machine(sfn, name="hasty")
        execution = sfn.start_execution(stateMachineArn=waiting)["executionArn"]
        rule(events, {"source": ["busy"]}, [to(patient, "1", InputPath="$.detail"), to(hasty, "2", RetryPolicy={"MaximumRetryAttempts": 0})])
        send(events, "busy", {"n": 1})
        until(lambda: "ExecutionLimitExceeded" in server.log(), 20, "the refusal in the log")
        assert inputs(sfn, patient) == []
        sfn.stop_execution(executionArn=execution)
        assert delivered(sfn, patient, 1) == [{"n": 1}]
        assert inputs(sfn, hasty) == []
    finally:
        server.close()


def test_a_burst_of_events(server, events, sfn):
    """10,000 events as fast as they go, which is a second or two, of which a hundred start something: each once, and others are answered meanwhile."""
    source = unique("burst")
    arn = machine(sfn)
    rule(events, {"source": [source], "detail": {"wanted": [True]}}, [to(arn, InputPath="$.detail.n")])
    calls = Prepared(server, "events", "AWSEvents.PutEvents", [{"Entries": [
        {"Source": source, "DetailType": "t", "Detail": json.dumps({"n": n, "wanted": n % 100 == 0})} for n in range(first, first + 10)]} for first in range(0, 10_000, 10)])
    slowest, others = 0.0, 0
    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        answers = calls.send(threads)
        while not all(one.done() for one in answers):
            began = time.monotonic()
            assert sfn.describe_state_machine(stateMachineArn=arn)["stateMachineArn"] == arn
            slowest, others = max(slowest, time.monotonic() - began), others + 1
    bodies = [answer for one in answers for answer in one.result()]
    assert {status for status, _ in bodies} == {200} and sum(body["FailedEntryCount"] for _, body in bodies) == 0
    assert len({entry["EventId"] for _, body in bodies for entry in body["Entries"]}) == 10_000
    assert sorted(delivered(sfn, arn, 100)) == list(range(0, 10_000, 100))
    assert others > 1 and slowest < 5, (others, slowest)


def test_what_cannot_be_delivered_is_told(events, sfn):
    source = unique("failing")
    gone, told = machine(sfn), machine(sfn)
    sfn.delete_state_machine(stateMachineArn=gone)
    rule(events, {"source": ["stillpoint.events"], "detail-type": ["Event Delivery Failed"], "detail": {"target": [gone]}}, [to(told, InputPath="$.detail")])
    name = rule(events, {"source": [source]}, [to(gone)])
    id = send(events, source, {})
    got = delivered(sfn, told, 1)[0]
    assert (got["event-id"], got["error-code"], got["retry-attempts"]) == (id, "StateMachineDoesNotExist", 0)
    assert got["rule"].endswith(f":rule/{name}")


def test_a_rule_that_triggers_itself_ends(events, sfn):
    source = unique("loop")
    again = {"StartAt": "A", "States": {"A": {"Type": "Task", "Resource": "arn:aws:states:::events:putEvents", "End": True, "Parameters": {
        "Entries": [{"Source": source, "DetailType": "t", "Detail": {"again": True}}]}}}}
    arn, told = machine(sfn, again), machine(sfn)
    name = rule(events, {"source": [source]}, [to(arn)])
    rule(events, {"source": ["stillpoint.events"], "detail-type": ["Event Loop Stopped"], "detail": {"rule": [{"suffix": name}]}}, [to(told, InputPath="$.detail")])
    send(events, source, {})
    assert delivered(sfn, told, 1)[0]["hops"] == 32
    assert len(inputs(sfn, arn)) == 32


def test_a_rule_on_reports_of_its_own_loop_ends(events, sfn):
    again = {"StartAt": "A", "States": {"A": {"Type": "Task", "Resource": "arn:aws:states:::events:putEvents", "End": True, "Parameters": {
        "Entries": [{"Source": "reporter", "DetailType": "t", "Detail": {"again": True}}]}}}}
    arn, last = machine(sfn, again), machine(sfn)
    name = rule(events, {"$or": [{"source": ["reporter"]}, {"source": ["stillpoint.events"], "detail-type": ["Event Loop Stopped"]}]}, [to(arn)])
    send(events, "reporter", {})
    # Each report starts it once more, and what it sends then goes two hops further: from 33 to 63.
    delivered(sfn, arn, 32 + 16)
    other = rule(events, {"source": ["after"]}, [to(last)])
    send(events, "after", {})
    delivered(sfn, last, 1)
    assert len(inputs(sfn, arn)) == 32 + 16
    for one in (name, other):
        events.remove_targets(Rule=one, Ids=["1"])
        events.delete_rule(Name=one)


def test_a_step_that_fails_is_made_again(tmp_path):
    """As on a disk that is full for a moment: nothing else has to happen for the event to go on."""
    server = Server(tmp_path).start()
    try:
        sfn, events = server.client("stepfunctions"), server.client("events")
        arn = machine(sfn, name="again")
        rule(events, {"source": ["again"]}, [to(arn, InputPath="$.detail")], name="again")
        server.stop()
        points = tmp_path / "points"
        points.write_text("events.routed fail 1\n")
        server.args = ["--failpoints", str(points)]
        server.start()
        sfn = server.client("stepfunctions")
        send(server.client("events"), "again", {"n": 1})
        assert until(lambda: inputs(sfn, arn), 20, "the event's execution") == [{"n": 1}]
        assert "events wait: they could not be handed on" in server.log_of_this_start()
    finally:
        server.close()


@pytest.mark.parametrize("point", ["events.routed", "events.started", "store.before_commit", "store.after_commit"])
def test_killed_between_event_and_start(tmp_path, point):
    """However the server dies, an acknowledged event starts its execution, and once."""
    server = Server(tmp_path).start()
    try:
        sfn, events = server.client("stepfunctions"), server.client("events")
        arn = machine(sfn, name="once")
        rule(events, {"source": ["crash"]}, [to(arn, InputPath="$.detail")], name="crash")
        # Some commit while events come in: those of PutEvents, of routing and of delivery take turns.
        count = 3 if point.startswith("events.") else 12
        acknowledged = range(len(killed_while(server, "events", point, count, 20, lambda client, n: send(client, "crash", {"n": n}))))
        sfn = server.client("stepfunctions")
        # What was sent before is delivered before.
        send(server.client("events"), "crash", {"n": 99})
        got = until(lambda: (lambda all: all if 99 in all else None)([one["n"] for one in inputs(sfn, arn)]), 20, "the last event")
        assert acknowledged and len(got) == len(set(got)), (got, acknowledged)
        # The one whose answer was lost with the server may have been accepted.
        assert set(acknowledged) <= set(got) <= {*acknowledged, acknowledged[-1] + 1, 99}, (got, acknowledged)
    finally:
        server.close()


@pytest.mark.parametrize("point", ["events.routed", "events.started", "store.before_commit", "store.after_commit"])
def test_killed_while_targets_share_an_event(tmp_path, point):
    """However the server dies, an acknowledged event of 20 KB reaches each of its ten targets, and once; then nothing of it is left."""
    server = Server(tmp_path).start()
    try:
        sfn, events = server.client("stepfunctions"), server.client("events")
        arn = machine(sfn, name="shared")
        places = [f"{r}-{t}" for r in range(2) for t in range(5)]
        for r in range(2):
            rule(events, {"source": ["crash"]}, name=f"r{r}", targets=[
                to(arn, str(t), InputTransformer={"InputPathsMap": {"n": "$.detail.n"}, "InputTemplate": f'{{"n":<n>,"at":"{r}-{t}"}}'}) for t in range(5)])
        count = {"events.routed": 3, "events.started": 14}.get(point, 12)
        acknowledged = range(len(killed_while(server, "events", point, count, 20, lambda client, n: send(client, "crash", {"n": n, "text": "x" * 20_000}))))
        sfn = server.client("stepfunctions")
        send(server.client("events"), "crash", {"n": 99})
        got = until(lambda: (lambda all: all if sum(n == 99 for n, _ in all) == 10 else None)([(one["n"], one["at"]) for one in inputs(sfn, arn)]), 30, "the last event")
        assert acknowledged and len(got) == len(set(got)), sorted(got)
        arrived = {n for n, _ in got}
        assert set(acknowledged) <= arrived <= {*acknowledged, acknowledged[-1] + 1, 99} and set(got) == {(n, at) for n in arrived for at in places}
        server.stop()
        with sqlite3.connect(server.data / "store.db") as database:
            assert database.execute("SELECT kind, key FROM records WHERE kind IN ('event_shared', 'event_shared_uses', 'event_delivery')").fetchall() == []
        database.close()
    finally:
        server.close()


# Schedules

def test_a_schedule_missed_while_down_runs_once(tmp_path):
    """Three times and a half of its period late: the last one is made up for, the ones before are told as missed."""
    server = Server(tmp_path).start()
    try:
        sfn, events = server.client("stepfunctions"), server.client("events")
        arn, told = machine(sfn, name="hourly"), machine(sfn, name="told")
        rule_arn = events.put_rule(Name="hourly", ScheduleExpression="rate(1 hour)")["RuleArn"]
        events.put_targets(Rule="hourly", Targets=[to(arn)])
        rule(events, {"source": ["stillpoint.events"], "detail-type": ["Scheduled Runs Missed"]}, [to(told, InputPath="$.detail")])
        server.stop()
        hour = 3600 * 1000 * 1000
        with sqlite3.connect(server.data / "store.db") as database:
            # As if the server had stood for four hours and a half: the rule was made then, and was due an hour later.
            database.execute("UPDATE timers SET due = due - ? WHERE kind = 'event_rule'", (4 * hour + hour // 2,))
            for key, body in database.execute("SELECT key, body FROM records WHERE kind = 'event_rule'").fetchall():
                kept = json.loads(body)
                kept["anchor"] -= 4 * hour + hour // 2
                database.execute("UPDATE records SET body = ? WHERE kind = 'event_rule' AND key = ?", (json.dumps(kept), key))
            due, = database.execute("SELECT due FROM timers WHERE kind = 'event_rule'").fetchone()
        database.close()
        server.start()
        sfn = server.client("stepfunctions")
        got = delivered(sfn, arn, 1)
        stamp = lambda micros: datetime.datetime.fromtimestamp(micros // 1000000, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        assert [(one["source"], one["detail-type"], one["resources"], one["detail"], one["time"]) for one in got] == [
            ("aws.events", "Scheduled Event", [rule_arn], {}, stamp(due + 3 * hour))]
        assert delivered(sfn, told, 1) == [{"rule": rule_arn, "missed": 3, "first": stamp(due), "made-up-for": stamp(due + 3 * hour)}]
        server.restart()
        assert len(inputs(server.client("stepfunctions"), arn)) == 1
        server.stop()
        with sqlite3.connect(server.data / "store.db") as database:
            assert database.execute("SELECT due FROM timers WHERE kind = 'event_rule'").fetchone() == (due + 4 * hour,)
        database.close()
    finally:
        server.close()


def test_a_schedule_runs_a_period_after_it_was_made(server, events, sfn):
    arn = machine(sfn)
    name = unique("often")
    began = time.time()
    rule_arn = events.put_rule(Name=name, ScheduleExpression="rate(1 minute)")["RuleArn"]
    events.put_targets(Rule=name, Targets=[to(arn)])
    got = until(lambda: inputs(sfn, arn), 90, "the schedule's first run")[0]
    assert 59 < time.time() - began < 75
    assert got["resources"] == [rule_arn]
    events.disable_rule(Name=name)

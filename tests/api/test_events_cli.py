"""Every operation of EventBridge by Debian's AWS CLI, and every error that its page names."""
import json
import pathlib

import pytest

from tests.api.test_events import delivered, machine
from tests.support import by_cli, runs
from tests.support.server import ACCOUNT, REGION
from tests.support.store import multiply

PREFIX = f"arn:aws:events:{REGION}:{ACCOUNT}:"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/events"
NEVER = '{"source": ["never"]}'
GONE = ["--resource-arn", PREFIX + "rule/none"]
API_KEY = '{"ApiKeyAuthParameters": {"ApiKeyName": "X-Api-Key", "ApiKeyValue": "secret"}}'
EVENT = json.dumps({"id": "1", "account": ACCOUNT, "source": "a", "time": "2024-01-01T00:00:00Z", "region": REGION, "resources": [], "detail-type": "t", "detail": {"size": 5}})


def targets(count=1, arn=runs.MACHINE, **more):
    return json.dumps([{"Id": str(number), "Arn": arn, "RoleArn": ROLE, **more} for number in range(count)])


def destination(name, connection=f"{PREFIX}connection/none/00000000-0000-4000-8000-000000000000", url="https://a.test/"):
    return ["--name", name, "--connection-arn", connection, "--invocation-endpoint", url, "--http-method", "GET"]


def connection(name, parameters=API_KEY, kind="API_KEY"):
    return ["--name", name, "--authorization-type", kind, "--auth-parameters", parameters]


def permission(bus, action="events:PutEvents"):
    return ["--event-bus-name", bus, "--action", action, "--principal", "*", "--statement-id", "one"]


# Operation, error, a word of its message, arguments. {connection} is the one of `made`.
REFUSALS = [
    ("create-api-destination", "ResourceAlreadyExistsException", "'cli-destination' already exists", destination("cli-destination", "{connection}")),
    ("create-api-destination", "ResourceNotFoundException", "does not exist", destination("more")),
    ("create-api-destination", "ValidationException", "'invocationEndpoint'", destination("more", "{connection}", "ftp://a.test/")),
    ("create-connection", "ResourceAlreadyExistsException", "Connection cli-connection already exists.", connection("cli-connection")),
    ("create-connection", "ValidationException", "BasicAuthParameters", connection("more", kind="BASIC")),
    ("create-event-bus", "ResourceAlreadyExistsException", "Event bus cli-bus already exists.", ["--name", "cli-bus"]),
    ("create-event-bus", "ValidationException", "'name'", ["--name", "a b"]),
    ("deauthorize-connection", "ResourceNotFoundException", "Connection 'none' does not exist.", ["--name", "none"]),
    ("delete-api-destination", "ResourceNotFoundException", "'none' does not exist", ["--name", "none"]),
    ("delete-connection", "ResourceNotFoundException", "Connection 'none' does not exist.", ["--name", "none"]),
    ("delete-event-bus", "ValidationException", "has 1 rule", ["--name", "cli-bus"]),
    ("delete-rule", "ValidationException", "it has targets", ["--name", "cli-rule"]),
    ("describe-api-destination", "ResourceNotFoundException", "'none' does not exist", ["--name", "none"]),
    ("describe-connection", "ResourceNotFoundException", "Connection 'none' does not exist.", ["--name", "none"]),
    ("describe-event-bus", "ResourceNotFoundException", "Event bus none does not exist.", ["--name", "none"]),
    ("describe-rule", "ResourceNotFoundException", "Rule none does not exist", ["--name", "none"]),
    ("disable-rule", "ResourceNotFoundException", "Rule none does not exist", ["--name", "none"]),
    ("enable-rule", "ResourceNotFoundException", "Rule none does not exist", ["--name", "none"]),
    ("list-api-destinations", "ValidationException", "NextToken", ["--next-token", "x"]),
    ("list-connections", "ValidationException", "NextToken", ["--next-token", "x"]),
    ("list-event-buses", "ValidationException", "NextToken", ["--next-token", "x"]),
    ("list-rule-names-by-target", "ResourceNotFoundException", "Event bus none", ["--target-arn", runs.MACHINE, "--event-bus-name", "none"]),
    ("list-rules", "ResourceNotFoundException", "Event bus none", ["--event-bus-name", "none"]),
    ("list-tags-for-resource", "ResourceNotFoundException", "Rule none does not exist", GONE),
    ("list-tags-for-resource", "ValidationException", "not in correct format", ["--resource-arn", "x"]),
    ("list-targets-by-rule", "ResourceNotFoundException", "Rule none does not exist", ["--rule", "none"]),
    ("put-events", "ValidationException", "less than or equal to 10", ["--entries", json.dumps([{"Source": "s", "DetailType": "t", "Detail": "{}"}] * 11)]),
    ("put-permission", "ResourceNotFoundException", "Event bus none", permission("none")),
    ("put-permission", "ValidationException", "'action'", permission("cli-bus", "events:PutRule")),
    ("put-permission", "PolicyLengthExceededException", "10240", ["--event-bus-name", "cli-bus", "--policy", json.dumps({"Statement": ["x" * 11000]})]),
    ("put-rule", "ValidationException", "ScheduleExpression is not valid", ["--name", "more", "--schedule-expression", "x"]),
    ("put-rule", "InvalidEventPatternException", "Event pattern is not valid", ["--name", "more", "--event-pattern", '{"source": "x"}']),
    ("put-rule", "ResourceNotFoundException", "Event bus none", ["--name", "more", "--event-bus-name", "none", "--event-pattern", NEVER]),
    ("put-targets", "ValidationException", "JSON syntax error in input", ["--rule", "cli-rule", "--targets", targets(Input="{")]),
    ("put-targets", "LimitExceededException", "exceeds the maximum number allowed", ["--rule", "cli-rule", "--targets", targets(6)]),
    ("put-targets", "ResourceNotFoundException", "Rule none does not exist", ["--rule", "none", "--targets", targets()]),
    ("remove-permission", "ResourceNotFoundException", "Statement with the provided id does not exist.", ["--event-bus-name", "cli-bus", "--statement-id", "two"]),
    ("remove-permission", "ValidationException", "StatementId", ["--event-bus-name", "cli-bus"]),
    ("remove-targets", "ResourceNotFoundException", "Rule none does not exist", ["--rule", "none", "--ids", "1"]),
    ("tag-resource", "ResourceNotFoundException", "Rule none does not exist", [*GONE, "--tags", "Key=a,Value=b"]),
    ("test-event-pattern", "InvalidEventPatternException", "Event pattern is not valid", ["--event-pattern", '{"a": []}', "--event", EVENT]),
    ("test-event-pattern", "ValidationException", "'source'", ["--event-pattern", NEVER, "--event", '{"id": "1", "account": "1"}']),
    ("untag-resource", "ResourceNotFoundException", "Rule none does not exist", [*GONE, "--tag-keys", "a"]),
    ("update-api-destination", "ResourceNotFoundException", "'none' does not exist", ["--name", "none"]),
    ("update-connection", "ResourceNotFoundException", "Connection 'none' does not exist.", ["--name", "none"]),
    ("update-connection", "ValidationException", "BasicAuthParameters", ["--name", "cli-connection", "--authorization-type", "BASIC"]),
]
# What a server that has as many as it may answers LimitExceededException.
LIMITS = [
    ("create-api-destination", destination("more", "{connection}")),
    ("create-connection", connection("more")),
    ("create-event-bus", ["--name", "more"]),
    ("put-rule", ["--name", "more", "--event-pattern", NEVER]),
]


def events(server, operation, *words):
    return server.aws(["events", operation, *words])


def refused(server, operation, code, words, made):
    return by_cli.refused(server, "events", operation, code, *[made if word == "{connection}" else word for word in words])


def make(server):
    """What the refusals speak of, by boto3; the ARN of the connection."""
    client = server.client("events")
    client.create_event_bus(Name="cli-bus")
    client.put_permission(EventBusName="cli-bus", Action="events:PutEvents", Principal="*", StatementId="one")
    for bus in ("default", "cli-bus"):
        client.put_rule(Name="cli-rule", EventBusName=bus, EventPattern=NEVER)
    client.put_targets(Rule="cli-rule", Targets=json.loads(targets()))
    arn = client.create_connection(Name="cli-connection", AuthorizationType="API_KEY", AuthParameters=json.loads(API_KEY))["ConnectionArn"]
    client.create_api_destination(Name="cli-destination", ConnectionArn=arn, InvocationEndpoint="https://a.test/", HttpMethod="GET")
    return arn


@pytest.fixture(scope="module")
def made(server):
    return make(server)


def test_every_operation_and_error_stands_here():
    source = pathlib.Path(__file__).read_text()
    provoked = {(operation, code) for operation, code, _, _ in REFUSALS} | {(operation, "LimitExceededException") for operation, _ in LIMITS}
    assert by_cli.missing("events", lambda name: f'events(server, "{name}"' in source, provoked) == []


def test_buses(server):
    arn = events(server, "create-event-bus", "--name", "walk", "--tags", "Key=a,Value=1")["EventBusArn"]
    assert arn == PREFIX + "event-bus/walk"
    events(server, "put-permission", "--event-bus-name", "walk", "--action", "events:PutEvents", "--principal", "111122223333", "--statement-id", "one")
    statement, = json.loads(events(server, "describe-event-bus", "--name", "walk")["Policy"])["Statement"]
    assert (statement["Sid"], statement["Principal"]) == ("one", {"AWS": "arn:aws:iam::111122223333:root"})
    events(server, "remove-permission", "--event-bus-name", "walk", "--statement-id", "one")
    assert events(server, "list-event-buses", "--name-prefix", "walk") == {"EventBuses": [{"Name": "walk", "Arn": arn}]}
    events(server, "tag-resource", "--resource-arn", arn, "--tags", "Key=b,Value=2")
    events(server, "untag-resource", "--resource-arn", arn, "--tag-keys", "a")
    assert events(server, "list-tags-for-resource", "--resource-arn", arn) == {"Tags": [{"Key": "b", "Value": "2"}]}
    events(server, "delete-event-bus", "--name", "walk")
    assert events(server, "list-event-buses", "--name-prefix", "walk") == {"EventBuses": []}


def test_rules_and_what_they_start(server):
    sfn = server.client("stepfunctions")
    arn = machine(sfn)
    pattern = '{"source": ["walk"], "detail": {"size": [{"numeric": [">", 1]}]}}'
    assert events(server, "test-event-pattern", "--event-pattern", pattern, "--event", EVENT.replace('"a"', '"walk"')) == {"Result": True}
    assert events(server, "put-rule", "--name", "walk", "--event-pattern", pattern)["RuleArn"] == PREFIX + "rule/walk"
    assert events(server, "put-targets", "--rule", "walk", "--targets", targets(arn=arn, InputPath="$.detail"))["FailedEntryCount"] == 0
    assert events(server, "list-targets-by-rule", "--rule", "walk") == {"Targets": json.loads(targets(arn=arn, InputPath="$.detail"))}
    assert events(server, "list-rule-names-by-target", "--target-arn", arn) == {"RuleNames": ["walk"]}
    events(server, "disable-rule", "--name", "walk")
    entries = '[{"Source": "walk", "DetailType": "t", "Detail": "{\\"size\\": %d}"}]'
    events(server, "put-events", "--entries", entries % 2)
    assert events(server, "describe-rule", "--name", "walk")["State"] == "DISABLED"
    events(server, "enable-rule", "--name", "walk")
    assert [(rule["Name"], rule["State"]) for rule in events(server, "list-rules", "--name-prefix", "walk")["Rules"]] == [("walk", "ENABLED")]
    assert events(server, "put-events", "--entries", entries % 3)["FailedEntryCount"] == 0
    # Nothing of what came while the rule was disabled.
    assert delivered(sfn, arn, 1) == [{"size": 3}]
    assert events(server, "remove-targets", "--rule", "walk", "--ids", "0")["FailedEntryCount"] == 0
    events(server, "delete-rule", "--name", "walk")
    assert events(server, "list-rules", "--name-prefix", "walk") == {"Rules": []}


def test_connections_and_destinations(server):
    key = "ApiKeyAuthParameters={ApiKeyName=X-Api-Key,ApiKeyValue=secret}"
    arn = events(server, "create-connection", *connection("walk", key))["ConnectionArn"]
    assert arn.startswith(PREFIX + "connection/walk/")
    events(server, "update-connection", "--name", "walk", "--description", "changed")
    shown = events(server, "describe-connection", "--name", "walk")
    assert (shown["Description"], shown["ConnectionState"], shown["AuthParameters"]) == ("changed", "AUTHORIZED", {"ApiKeyAuthParameters": {"ApiKeyName": "X-Api-Key"}})
    made = events(server, "create-api-destination", *destination("walk", arn))["ApiDestinationArn"]
    events(server, "update-api-destination", "--name", "walk", "--http-method", "PUT")
    shown = events(server, "describe-api-destination", "--name", "walk")
    assert (shown["ApiDestinationArn"], shown["HttpMethod"], shown["ApiDestinationState"]) == (made, "PUT", "ACTIVE")
    assert events(server, "deauthorize-connection", "--name", "walk")["ConnectionState"] == "DEAUTHORIZING"
    assert [one["ConnectionState"] for one in events(server, "list-connections", "--name-prefix", "walk")["Connections"]] == ["DEAUTHORIZED"]
    assert [one["ApiDestinationState"] for one in events(server, "list-api-destinations", "--name-prefix", "walk")["ApiDestinations"]] == ["INACTIVE"]
    events(server, "delete-api-destination", "--name", "walk")
    assert events(server, "delete-connection", "--name", "walk")["ConnectionState"] == "DELETING"
    assert events(server, "list-connections", "--name-prefix", "walk") == {"Connections": []}


@pytest.mark.parametrize("operation, code, told, words", REFUSALS, ids=[f"{operation}-{code}" for operation, code, _, _ in REFUSALS])
def test_refusals(server, made, operation, code, told, words):
    assert told in refused(server, operation, code, words, made)


def test_limits(fresh_server):
    made = make(fresh_server)
    fresh_server.stop()
    for kind, key, most in (("event_bus", "cli-bus", 100), ("event_rule", "default\x1fcli-rule", 2000), ("event_connection", "cli-connection", 3000),
                            ("event_destination", "cli-destination", 3000)):
        multiply(fresh_server, kind, key, most - 1)
    fresh_server.start()
    for operation, words in LIMITS:
        assert "exceeds the maximum number allowed" in refused(fresh_server, operation, "LimitExceededException", words, made)

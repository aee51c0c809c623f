"""AWS Step Functions by boto3: each operation, each error, the eight kinds of states, and what a kill leaves behind."""
import json
import time

import botocore.exceptions
import pytest

from tests.support.until import until

ROLE = "arn:aws:iam::000000000000:role/states"
PREFIX = "arn:aws:states:us-east-1:000000000000:"
BUILTIN = PREFIX + "stateMachine:PrePostBackup"
PASS = {"StartAt": "A", "States": {"A": {"Type": "Pass", "End": True}}}
WAIT = {"StartAt": "A", "States": {"A": {"Type": "Wait", "Seconds": 3600, "End": True}}}


@pytest.fixture
def sfn(server):
    return server.client("stepfunctions")


_count = 0


def fresh(prefix="m"):
    global _count
    _count += 1
    return f"{prefix}-{_count}"


def create(sfn, definition=None, name=None, **more):
    text = definition if isinstance(definition, str) else json.dumps(definition or PASS)
    return sfn.create_state_machine(name=name or fresh(), definition=text, roleArn=ROLE, **more)["stateMachineArn"]


def start(sfn, machine, **more):
    return sfn.start_execution(stateMachineArn=machine, **more)["executionArn"]


def ended(sfn, execution, seconds=20):
    def look():
        shown = sfn.describe_execution(executionArn=execution)
        return shown if shown["status"] != "RUNNING" else None
    return until(look, seconds)


def run(sfn, states, value=None, first="A"):
    """Runs a machine of these states; its description and its history."""
    execution = start(sfn, create(sfn, {"StartAt": first, "States": states}), input=json.dumps({} if value is None else value))
    shown = ended(sfn, execution)
    return shown, history(sfn, execution)


def output(sfn, states, value=None):
    shown, _ = run(sfn, states, value)
    assert shown["status"] == "SUCCEEDED", (shown.get("error"), shown.get("cause"))
    return json.loads(shown["output"])


def history(sfn, execution, **more):
    events, token = [], {}
    while True:
        page = sfn.get_execution_history(executionArn=execution, **token, **more)
        events += page["events"]
        if "nextToken" not in page:
            return events
        token = {"nextToken": page["nextToken"]}


def chain(events):
    return [(e["id"], e["previousEventId"], e["type"]) for e in events]


def refused(code, call, **arguments):
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(**arguments)
    assert caught.value.response["Error"]["Code"] == code, caught.value
    return caught.value.response["Error"]["Message"]


# State machines

def test_create_and_describe(sfn):
    text = json.dumps(PASS, indent=3)
    name = fresh()
    made = sfn.create_state_machine(name=name, definition=text, roleArn=ROLE, tags=[{"key": "k", "value": "v"}])
    arn = made["stateMachineArn"]
    assert arn == PREFIX + "stateMachine:" + name
    shown = sfn.describe_state_machine(stateMachineArn=arn)
    assert (shown["name"], shown["status"], shown["definition"], shown["roleArn"], shown["type"]) == (name, "ACTIVE", text, ROLE, "STANDARD")
    assert shown["loggingConfiguration"] == {"level": "OFF", "includeExecutionData": False}
    assert shown["tracingConfiguration"] == {"enabled": False}
    assert shown["creationDate"] == made["creationDate"]
    assert sfn.list_tags_for_resource(resourceArn=arn)["tags"] == [{"key": "k", "value": "v"}]


def test_create_twice(sfn):
    name = fresh()
    arn = create(sfn, PASS, name)
    assert create(sfn, PASS, name) == arn
    message = refused("StateMachineAlreadyExists", sfn.create_state_machine, name=name, definition=json.dumps(WAIT), roleArn=ROLE)
    assert message == f"State Machine Already Exists: '{arn}'"


@pytest.mark.parametrize("name", ["a b", "a*b", "a<b", "a/b", "a:b", "a\u0007b"])
def test_create_with_bad_name(sfn, name):
    assert refused("InvalidName", sfn.create_state_machine, name=name, definition=json.dumps(PASS), roleArn=ROLE) == f"Invalid Name: '{name}'"


def test_create_with_long_name(sfn):
    assert "length less than or equal to 80" in refused("ValidationException", sfn.create_state_machine, name="x" * 81, definition=json.dumps(PASS), roleArn=ROLE)


def test_create_with_bad_role(sfn):
    assert "Invalid Role Arn" in refused("InvalidArn", sfn.create_state_machine, name=fresh(), definition=json.dumps(PASS), roleArn="somebody")


def test_create_express(sfn):
    assert "EXPRESS" in refused("StateMachineTypeNotSupported", sfn.create_state_machine, name=fresh(), definition=json.dumps(PASS), roleArn=ROLE, type="EXPRESS")


def test_create_with_many_tags(sfn):
    tags = [{"key": f"k{i}", "value": ""} for i in range(51)]
    assert "50" in refused("TooManyTags", sfn.create_state_machine, name=fresh(), definition=json.dumps(PASS), roleArn=ROLE, tags=tags)


GROUP = {"cloudWatchLogsLogGroup": {"logGroupArn": "arn:aws:logs:us-east-1:000000000000:log-group:g:*"}}


@pytest.mark.parametrize("logging", [{"level": "ALL"}, {"level": "ERROR", "destinations": []}, {"level": "OFF", "destinations": [GROUP, GROUP]}])
def test_logging_without_one_destination(sfn, logging):
    told = "Invalid Logging Configuration: Must specify exactly one Log Destination."
    assert refused("InvalidLoggingConfiguration", sfn.create_state_machine, name=fresh(), definition=json.dumps(PASS), roleArn=ROLE, loggingConfiguration=logging) == told
    assert refused("InvalidLoggingConfiguration", sfn.update_state_machine, stateMachineArn=create(sfn), loggingConfiguration=logging) == told


def test_logging_is_kept(sfn):
    assert "[ALL, ERROR, FATAL, OFF]" in refused("ValidationException", sfn.create_state_machine, name=fresh(), definition=json.dumps(PASS), roleArn=ROLE, loggingConfiguration={"level": "FOO"})
    name = fresh()
    machine = create(sfn, name=name, loggingConfiguration={"level": "ALL", "destinations": [GROUP]}, tracingConfiguration={"enabled": True})
    assert create(sfn, name=name, loggingConfiguration={"level": "ALL", "destinations": [GROUP]}, tracingConfiguration={"enabled": True}) == machine
    refused("StateMachineAlreadyExists", sfn.create_state_machine, name=name, definition=json.dumps(PASS), roleArn=ROLE)
    shown = sfn.describe_state_machine(stateMachineArn=machine)
    assert shown["loggingConfiguration"] == {"level": "ALL", "includeExecutionData": False, "destinations": [GROUP]} and shown["tracingConfiguration"] == {"enabled": True}


@pytest.mark.parametrize("tags", [[{"key": "k", "value": "1"}, {"key": "k", "value": "2"}], [{"key": "aws:k", "value": ""}], [{"key": "a|b", "value": ""}]])
def test_bad_tags(sfn, tags):
    assert "'tags." in refused("ValidationException", sfn.create_state_machine, name=fresh(), definition=json.dumps(PASS), roleArn=ROLE, tags=tags)
    assert "'tags." in refused("ValidationException", sfn.tag_resource, resourceArn=create(sfn), tags=tags)
    assert "'tags." in refused("ValidationException", sfn.create_activity, name=fresh(), tags=tags)


@pytest.mark.parametrize("definition, told", [
    ("{", "INVALID_JSON_DESCRIPTION"),
    ({}, "SCHEMA_VALIDATION_FAILED: These fields are required: [States, StartAt] at /"),
    ({"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "x"}}}, "MISSING_TRANSITION_TARGET: Missing 'Next' target: x at /States/A/Next"),
    ({"StartAt": "A", "States": {"A": {"Type": "Pass", "End": True}, "C": {"Type": "Succeed"}}},
     'MISSING_TRANSITION_TARGET: State "C" is not reachable. at /States/C'),
    ({"StartAt": "A", "States": {"A": {"Type": "Pass", "Foo": 1, "End": True}}}, "Field 'Foo' is not supported at /States/A'"),
    ({"StartAt": "A", "States": {"A": {"Type": "Pass", "Parameters": {"x.$": "y"}, "End": True}}},
     "The value for the field 'x.$' must be a valid JSONPath or a valid intrinsic function call"),
    ({"QueryLanguage": "JSONata", "StartAt": "A", "States": {"A": {"Type": "Succeed"}}}, "'QueryLanguage' is not supported"),
    ({"StartAt": "A", "States": {"A": {"Type": "Task", "Resource": "arn:aws:states:::no:thing", "Arguments": {}, "End": True}}}, "field 'Arguments' is only supported for the 'JSONata' QueryLanguage at /States/A,"),
    ({"StartAt": "A", "States": {"A": {"Type": "Task", "Resource": "arn:aws:states:::no:thing", "End": True}}},
     "The resource provided arn:aws:states:::no:thing is not recognized."),
])
def test_create_with_bad_definition(sfn, definition, told):
    text = definition if isinstance(definition, str) else json.dumps(definition)
    message = refused("InvalidDefinition", sfn.create_state_machine, name=fresh(), definition=text, roleArn=ROLE)
    assert message.startswith("Invalid State Machine Definition: '") and told in message


def test_list_state_machines_in_pages(sfn):
    made = {create(sfn) for _ in range(3)}
    found, token = [], {}
    while True:
        page = sfn.list_state_machines(maxResults=2, **token)
        assert len(page["stateMachines"]) <= 2
        found += [m["stateMachineArn"] for m in page["stateMachines"]]
        if "nextToken" not in page:
            break
        token = {"nextToken": page["nextToken"]}
    assert len(found) == len(set(found)) and made <= set(found)


def test_update(sfn):
    machine = create(sfn, WAIT)
    execution = start(sfn, machine)
    updated = sfn.update_state_machine(stateMachineArn=machine, definition=json.dumps(PASS))
    assert updated["updateDate"] >= sfn.describe_state_machine(stateMachineArn=machine)["creationDate"]
    assert json.loads(sfn.describe_state_machine(stateMachineArn=machine)["definition"]) == PASS
    theirs = sfn.describe_state_machine_for_execution(executionArn=execution)
    assert (json.loads(theirs["definition"]), theirs["stateMachineArn"], theirs["roleArn"]) == (WAIT, machine, ROLE)
    sfn.stop_execution(executionArn=execution)


def test_update_of_nothing(sfn):
    message = refused("MissingRequiredParameter", sfn.update_state_machine, stateMachineArn=create(sfn))
    assert message == "Either the definition, the role ARN, the LoggingConfiguration, or the TracingConfiguration must be specified"


def test_update_with_bad_definition(sfn):
    assert "SCHEMA_VALIDATION_FAILED" in refused("InvalidDefinition", sfn.update_state_machine, stateMachineArn=create(sfn), definition="{}")


def test_delete(sfn):
    machine = create(sfn, WAIT)
    execution = start(sfn, machine)
    sfn.delete_state_machine(stateMachineArn=machine)
    sfn.delete_state_machine(stateMachineArn=machine)
    refused("StateMachineDoesNotExist", sfn.describe_state_machine, stateMachineArn=machine)
    assert sfn.describe_execution(executionArn=execution)["status"] == "RUNNING"
    sfn.stop_execution(executionArn=execution)


def test_built_in_machine_is_read_only(sfn):
    assert "built in" in refused("ValidationException", sfn.update_state_machine, stateMachineArn=BUILTIN, definition=json.dumps(PASS))
    assert "built in" in refused("ValidationException", sfn.delete_state_machine, stateMachineArn=BUILTIN)
    assert BUILTIN in [m["stateMachineArn"] for m in sfn.list_state_machines(maxResults=1000)["stateMachines"]]


def test_tags(sfn):
    machine = create(sfn)
    sfn.tag_resource(resourceArn=machine, tags=[{"key": "a", "value": "1"}, {"key": "b", "value": "2"}])
    sfn.untag_resource(resourceArn=machine, tagKeys=["a"])
    assert sfn.list_tags_for_resource(resourceArn=machine)["tags"] == [{"key": "b", "value": "2"}]
    refused("TooManyTags", sfn.tag_resource, resourceArn=machine, tags=[{"key": f"k{i}", "value": ""} for i in range(50)])
    assert "which is reserved for system use" in refused("ValidationException", sfn.tag_resource, resourceArn=machine, tags=[{"key": "aws:x", "value": ""}])


MACHINE_CALLS = [("describe_state_machine", "stateMachineArn"), ("update_state_machine", "stateMachineArn"), ("start_execution", "stateMachineArn"),
                 ("list_executions", "stateMachineArn")]
EXECUTION_CALLS = [("describe_execution", "executionArn"), ("describe_state_machine_for_execution", "executionArn"), ("get_execution_history", "executionArn"),
                   ("stop_execution", "executionArn")]
TAG_CALLS = [("list_tags_for_resource", {}), ("tag_resource", {"tags": []}), ("untag_resource", {"tagKeys": []})]


@pytest.mark.parametrize("call, member", MACHINE_CALLS)
def test_unknown_machine(sfn, call, member):
    arn = PREFIX + "stateMachine:nobody"
    assert refused("StateMachineDoesNotExist", getattr(sfn, call), **{member: arn}) == f"State Machine Does Not Exist: '{arn}'"


@pytest.mark.parametrize("call, member", EXECUTION_CALLS)
def test_unknown_execution(sfn, call, member):
    arn = PREFIX + "execution:nobody:e"
    assert refused("ExecutionDoesNotExist", getattr(sfn, call), **{member: arn}) == f"Execution Does Not Exist: '{arn}'"


@pytest.mark.parametrize("call, more", TAG_CALLS)
def test_unknown_resource(sfn, call, more):
    refused("ResourceNotFound", getattr(sfn, call), resourceArn=PREFIX + "stateMachine:nobody", **more)


@pytest.mark.parametrize("call, member", [*MACHINE_CALLS, *EXECUTION_CALLS, ("delete_state_machine", "stateMachineArn")])
def test_invalid_arn(sfn, call, member):
    assert refused("InvalidArn", getattr(sfn, call), **{member: "nonsense"}) == "Invalid Arn: 'Invalid ARN prefix: nonsense'"
    assert "Resource type not valid in this context: activity" in refused("InvalidArn", getattr(sfn, call), **{member: PREFIX + "activity:a"})
    if member == "executionArn":
        assert "Resource type not valid in this context: express" in refused("InvalidArn", getattr(sfn, call), **{member: PREFIX + "express:m:e:u"})


@pytest.mark.parametrize("call, more", TAG_CALLS)
def test_invalid_resource_arn(sfn, call, more):
    refused("InvalidArn", getattr(sfn, call), resourceArn="nonsense", **more)


# Executions

def test_start_and_describe(sfn):
    machine = create(sfn)
    execution = start(sfn, machine, name="first", input='{"a":  1}')
    assert execution == machine.replace("stateMachine", "execution") + ":first"
    shown = ended(sfn, execution)
    assert (shown["status"], shown["input"], shown["output"], shown["name"], shown["stateMachineArn"]) == ("SUCCEEDED", '{"a":  1}', '{"a":  1}', "first", machine)
    assert shown["inputDetails"] == shown["outputDetails"] == {"included": True}
    assert shown["stopDate"] >= shown["startDate"]


def test_start_twice(sfn):
    machine = create(sfn, WAIT)
    execution = start(sfn, machine, name="e", input="{}")
    assert start(sfn, machine, name="e", input="{}") == execution
    told = f"Execution Already Exists: '{execution}'"
    assert refused("ExecutionAlreadyExists", sfn.start_execution, stateMachineArn=machine, name="e", input='{"other":1}') == told
    sfn.stop_execution(executionArn=execution)
    assert refused("ExecutionAlreadyExists", sfn.start_execution, stateMachineArn=machine, name="e", input="{}") == told


def test_long_documents(sfn):
    """They stand in the history once; whoever shows them shows all of them, and a start again with the same one is the same start."""
    value = json.dumps({"text": "x" * 5000, "n": 1.50})
    through = create(sfn)
    arn = start(sfn, through, name="long", input=value)
    told = ended(sfn, arn)
    assert (told["input"], told["output"]) == (value, value)
    waiting = create(sfn, WAIT)
    assert start(sfn, waiting, name="long", input=value) == start(sfn, waiting, name="long", input=value)
    refused("ExecutionAlreadyExists", sfn.start_execution, stateMachineArn=through, name="long", input=value.replace("x", "y", 1))

    wrapped = create(sfn, {"StartAt": "A", "States": {"A": {"Type": "Pass", "Parameters": {"whole.$": "$", "again.$": "$.text"}, "End": True}}})
    told = ended(sfn, start(sfn, wrapped, input=value))
    assert told["input"] == value
    assert json.loads(told["output"]) == {"whole": json.loads(value), "again": "x" * 5000}

    parent = create(sfn, {"StartAt": "A", "States": {"A": {
        "Type": "Task", "Resource": "arn:aws:states:::states:startExecution.sync:2", "End": True,
        "Parameters": {"StateMachineArn": wrapped, "Input.$": "$"}}}})
    child = json.loads(ended(sfn, start(sfn, parent, input=value))["output"])
    assert child["Input"] == json.loads(value)
    assert child["Output"] == {"whole": json.loads(value), "again": "x" * 5000}


def test_start_with_bad_input(sfn):
    machine = create(sfn)
    assert refused("InvalidExecutionInput", sfn.start_execution, stateMachineArn=machine, input='{"a": 1, "b": }') == (
        "Invalid State Machine Execution Input: 'com.fasterxml.jackson.core.JsonParseException: Unexpected character ('}' (code 125)): expected a valid value "
        "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')\n at [Source: (String)\"{\"a\": 1, \"b\": }\"; line: 1, column: 16]'")
    assert refused("InvalidExecutionInput", sfn.start_execution, stateMachineArn=machine, input=r'["\ud83d\ude00", "\udc00"]') == (
        r"Invalid State Machine Execution Input: 'invalid JSON at byte 18: \udc00 is half of a surrogate pair without its other half, which no UTF-8 text can hold'")
    assert "nested too deep, at most 512 arrays and objects within each other are taken" in refused("InvalidExecutionInput", sfn.start_execution, stateMachineArn=machine, input="[" * 1000 + "]" * 1000)
    assert "262144" in refused("InvalidExecutionInput", sfn.start_execution, stateMachineArn=machine, input=json.dumps("x" * 262143))
    assert ended(sfn, start(sfn, machine, input=json.dumps("x" * 262142)))["status"] == "SUCCEEDED"


def test_start_with_bad_trace_header(sfn):
    machine = create(sfn)
    assert "at 'traceHeader' failed to satisfy constraint: Member must have length less than or equal to 256" in refused(
        "ValidationException", sfn.start_execution, stateMachineArn=machine, traceHeader="x" * 257)
    assert r"at 'traceHeader' failed to satisfy constraint: Member must satisfy regular expression pattern: \p{ASCII}*" in refused(
        "ValidationException", sfn.start_execution, stateMachineArn=machine, traceHeader="Root=\u00e9")
    start(sfn, machine, traceHeader="x" * 256)


def test_start_with_bad_name(sfn):
    refused("InvalidName", sfn.start_execution, stateMachineArn=create(sfn), name="a b")


def test_list_executions(sfn):
    machine = create(sfn)
    waiting = create(sfn, WAIT)
    names = [f"e{i}" for i in range(5)]
    for name in names:
        ended(sfn, start(sfn, machine, name=name))
    found, token = [], {}
    while True:
        page = sfn.list_executions(stateMachineArn=machine, maxResults=2, **token)
        found += [e["name"] for e in page["executions"]]
        if "nextToken" not in page:
            break
        token = {"nextToken": page["nextToken"]}
    assert found == names[::-1]
    assert sfn.list_executions(stateMachineArn=machine, statusFilter="RUNNING")["executions"] == []
    execution = start(sfn, waiting)
    assert [e["executionArn"] for e in sfn.list_executions(stateMachineArn=waiting, statusFilter="RUNNING")["executions"]] == [execution]
    sfn.stop_execution(executionArn=execution)


def test_list_executions_with_bad_values(sfn):
    machine = create(sfn)
    assert "enum value set" in refused("ValidationException", sfn.list_executions, stateMachineArn=machine, statusFilter="SLEEPING")


def test_bad_tokens(sfn):
    machine = create(sfn)
    execution = start(sfn, machine)
    for call, arguments in ((sfn.list_executions, {"stateMachineArn": machine}), (sfn.get_execution_history, {"executionArn": execution}),
                            (sfn.list_state_machines, {})):
        assert refused("InvalidToken", call, nextToken="bm9uc2Vuc2U=", **arguments) == "Invalid Token: 'Invalid token'"


@pytest.mark.parametrize("call, token", [("list_executions", 3096), ("get_execution_history", 1024), ("list_state_machines", 1024), ("list_activities", 1024)])
def test_lengths_of_pages_and_their_tokens(server, call, token):
    sfn = server.client("stepfunctions", parameter_validation=False)
    machine = create(sfn)
    more = {"list_executions": {"stateMachineArn": machine}, "get_execution_history": {"executionArn": start(sfn, machine)}}.get(call, {})
    ask = getattr(sfn, call)
    assert f"at 'nextToken' failed to satisfy constraint: Member must have length less than or equal to {token}" in refused("ValidationException", ask, nextToken="x" * (token + 1), **more)
    refused("InvalidToken", ask, nextToken="x" * token, **more)
    assert "at 'nextToken' failed to satisfy constraint: Member must have length greater than or equal to 1" in refused("ValidationException", ask, nextToken="", **more)
    assert "at 'maxResults' failed to satisfy constraint: Member must have value less than or equal to 1000" in refused("ValidationException", ask, maxResults=1001, **more)
    assert ask(maxResults=1000, **more) and ask(maxResults=0, **more)


@pytest.mark.parametrize("call, member", [*MACHINE_CALLS, *EXECUTION_CALLS, ("delete_state_machine", "stateMachineArn"), ("describe_activity", "activityArn"),
                                          ("delete_activity", "activityArn"), ("get_activity_task", "activityArn"), ("list_tags_for_resource", "resourceArn")])
def test_length_of_an_arn(server, call, member):
    """Counted in characters: a name may be of any language."""
    ask = getattr(server.client("stepfunctions", parameter_validation=False), call)
    kind = "execution:" if member.startswith("execution") else "activity:" if "activity" in member else "stateMachine:"
    start = PREFIX + kind
    long = start + "ü" * (257 - len(start))
    assert f"at '{member}' failed to satisfy constraint: Member must have length less than or equal to 256" in refused("ValidationException", ask, **{member: long})
    try:
        ask(**{member: long[:-1]})
    except botocore.exceptions.ClientError as error:
        assert error.response["Error"]["Code"] != "ValidationException"


def test_stop(sfn):
    execution = start(sfn, create(sfn, WAIT))
    stopped = sfn.stop_execution(executionArn=execution, error="Err", cause="because")["stopDate"]
    shown = sfn.describe_execution(executionArn=execution)
    assert (shown["status"], shown["error"], shown["cause"], shown["stopDate"]) == ("ABORTED", "Err", "because", stopped)
    assert sfn.stop_execution(executionArn=execution)["stopDate"] == stopped
    last = history(sfn, execution)[-1]
    assert last["type"] == "ExecutionAborted" and last["executionAbortedEventDetails"] == {"error": "Err", "cause": "because"}


def test_history_both_ways_and_in_pages(sfn):
    execution = start(sfn, create(sfn), input='{"a":1}')
    ended(sfn, execution)
    events = history(sfn, execution)
    assert chain(events) == [(1, 0, "ExecutionStarted"), (2, 0, "PassStateEntered"), (3, 2, "PassStateExited"), (4, 3, "ExecutionSucceeded")]
    assert events[0]["executionStartedEventDetails"] == {"input": '{"a":1}', "inputDetails": {"truncated": False}, "roleArn": ROLE}
    assert events[2]["stateExitedEventDetails"] == {"name": "A", "output": '{"a":1}', "outputDetails": {"truncated": False}}
    assert history(sfn, execution, reverseOrder=True, maxResults=1) == events[::-1]
    assert history(sfn, execution, maxResults=3) == events
    bare = history(sfn, execution, includeExecutionData=False)
    assert bare[1]["stateEnteredEventDetails"] == {"name": "A"}


# States

def test_pass(sfn):
    assert output(sfn, {"A": {"Type": "Pass", "Parameters": {"x.$": "$.a[1]", "n.$": "$$.State.Name", "f.$": "States.Format('{}!', $.s)"}, "ResultPath": "$.r", "End": True}},
                  {"a": [1, 2], "s": "hi"}) == {"a": [1, 2], "s": "hi", "r": {"x": 2, "n": "A", "f": "hi!"}}


def test_choice_and_succeed(sfn):
    states = {"A": {"Type": "Choice", "Choices": [{"And": [{"Variable": "$.n", "NumericGreaterThan": 1}, {"Not": {"Variable": "$.n", "NumericEqualsPath": "$.m"}}], "Next": "B"}],
                    "Default": "C"},
              "B": {"Type": "Succeed"}, "C": {"Type": "Fail", "Error": "NotB", "Cause": "so"}}
    shown, events = run(sfn, states, {"n": 2, "m": 3})
    assert shown["status"] == "SUCCEEDED"
    assert [e["type"] for e in events] == ["ExecutionStarted", "ChoiceStateEntered", "ChoiceStateExited", "SucceedStateEntered", "SucceedStateExited", "ExecutionSucceeded"]
    shown, events = run(sfn, states, {"n": 3, "m": 3})
    assert shown["status"] == "FAILED" and events[-1]["executionFailedEventDetails"] == {"error": "NotB", "cause": "so"}
    assert chain(events)[-2:] == [(4, 3, "FailStateEntered"), (5, 4, "ExecutionFailed")]


def test_wait(sfn):
    began = time.monotonic()
    shown, events = run(sfn, {"A": {"Type": "Wait", "SecondsPath": "$.s", "Next": "B"}, "B": {"Type": "Wait", "Timestamp": "2020-01-01T00:00:00Z", "End": True}}, {"s": 1})
    assert shown["status"] == "SUCCEEDED" and time.monotonic() - began >= 0.9
    assert [e["type"] for e in events[1:5]] == ["WaitStateEntered", "WaitStateExited"] * 2


def test_parallel(sfn):
    states = {"A": {"Type": "Parallel", "End": True, "Branches": [
        {"StartAt": "B", "States": {"B": {"Type": "Pass", "Result": 1, "End": True}}}, {"StartAt": "C", "States": {"C": {"Type": "Pass", "End": True}}}]}}
    shown, events = run(sfn, states, [7])
    assert json.loads(shown["output"]) == [1, [7]]
    assert {"ParallelStateEntered", "ParallelStateStarted", "ParallelStateSucceeded", "ParallelStateExited"} <= {e["type"] for e in events}


def test_map(sfn):
    states = {"A": {"Type": "Map", "ItemsPath": "$.l", "MaxConcurrency": 1, "ItemSelector": {"i.$": "$$.Map.Item.Index", "v.$": "$$.Map.Item.Value"},
                    "ItemProcessor": {"StartAt": "P", "States": {"P": {"Type": "Pass", "End": True}}}, "ResultPath": "$.r", "End": True}}
    shown, events = run(sfn, states, {"l": ["x", "y"]})
    assert json.loads(shown["output"])["r"] == [{"i": 0, "v": "x"}, {"i": 1, "v": "y"}]
    assert chain(events) == [
        (1, 0, "ExecutionStarted"), (2, 0, "MapStateEntered"), (3, 2, "MapStateStarted"), (4, 3, "MapIterationStarted"), (5, 3, "PassStateEntered"),
        (6, 5, "PassStateExited"), (7, 6, "MapIterationSucceeded"), (8, 6, "MapIterationStarted"), (9, 6, "PassStateEntered"), (10, 9, "PassStateExited"),
        (11, 10, "MapIterationSucceeded"), (12, 10, "MapStateSucceeded"), (13, 10, "MapStateExited"), (14, 13, "ExecutionSucceeded")]
    assert events[2]["mapStateStartedEventDetails"] == {"length": 2}
    assert events[7]["mapIterationStartedEventDetails"] == {"name": "A", "index": 1}


def test_errors_of_paths(sfn):
    shown, events = run(sfn, {"A": {"Type": "Pass", "Parameters": {"x.$": "$.no"}, "End": True}}, {"y": 1})
    assert shown["error"] == "States.Runtime"
    assert shown["cause"] == ("An error occurred while executing the state 'A' (entered at the event id #2). The JSONPath '$.no' specified for the field 'x.$' "
                              "could not be found in the input '{\"y\":1}'")
    assert chain(events)[-1] == (3, 0, "ExecutionFailed")
    shown, _ = run(sfn, {"A": {"Type": "Wait", "SecondsPath": "$.s", "End": True}}, {"s": -1})
    assert shown["cause"].endswith("The SecondsPath parameter references a negative value: $.s == -1")


def test_no_choice_matched(sfn):
    shown, _ = run(sfn, {"A": {"Type": "Choice", "Choices": [{"Variable": "$.n", "IsNull": True, "Next": "B"}]}, "B": {"Type": "Succeed"}}, {"n": 1})
    assert (shown["status"], shown["error"]) == ("FAILED", "States.NoChoiceMatched")


def test_timeout_of_the_whole(sfn):
    machine = create(sfn, {**WAIT, "TimeoutSeconds": 1})
    execution = start(sfn, machine)
    assert ended(sfn, execution)["status"] == "TIMED_OUT"
    assert history(sfn, execution)[-1]["type"] == "ExecutionTimedOut"


# Tasks

@pytest.fixture
def table(server):
    dynamodb = server.client("dynamodb")
    name = fresh("table")
    dynamodb.create_table(TableName=name, BillingMode="PAY_PER_REQUEST", KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
                          AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}])
    until(lambda: dynamodb.describe_table(TableName=name)["Table"]["TableStatus"] == "ACTIVE", 10)
    return name


def item(server, table, key):
    return server.client("dynamodb").get_item(TableName=table, Key={"id": {"S": key}}).get("Item")


def put_task(table, key, resource="arn:aws:states:::aws-sdk:dynamodb:putItem", **more):
    return {"Type": "Task", "Resource": resource, "Parameters": {"TableName": table, "Item": {"id": {"S": key}}}, "ResultPath": None, "End": True, **more}


@pytest.mark.parametrize("kind", ["aws-sdk:dynamodb", "dynamodb"])
def test_task(server, sfn, table, kind):
    shown, events = run(sfn, {"A": put_task(table, "one", f"arn:aws:states:::{kind}:putItem")}, {"kept": 1})
    assert shown["status"] == "SUCCEEDED", shown
    assert json.loads(shown["output"]) == {"kept": 1}
    assert item(server, table, "one") == {"id": {"S": "one"}}
    assert [e["type"] for e in events[1:6]] == ["TaskStateEntered", "TaskScheduled", "TaskStarted", "TaskSucceeded", "TaskStateExited"]
    scheduled = events[2]["taskScheduledEventDetails"]
    assert (scheduled["resourceType"], scheduled["resource"], scheduled["region"]) == (kind, "putItem", "us-east-1")
    assert json.loads(scheduled["parameters"]) == {"TableName": table, "Item": {"id": {"S": "one"}}}


def test_task_retry_and_catch(server, sfn):
    states = {"A": put_task("nowhere", "x", Retry=[{"ErrorEquals": ["States.TaskFailed"], "IntervalSeconds": 1, "MaxAttempts": 1}],
                            Catch=[{"ErrorEquals": ["States.ALL"], "ResultPath": "$.e", "Next": "B"}]), "B": {"Type": "Pass", "End": True}}
    shown, events = run(sfn, states)
    told = json.loads(shown["output"])["e"]
    assert told["Error"].startswith("DynamoDb.") and told["Cause"]
    assert [e["type"] for e in events[1:9]] == ["TaskStateEntered", "TaskScheduled", "TaskStarted", "TaskFailed", "TaskScheduled", "TaskStarted", "TaskFailed", "TaskStateExited"]
    assert [e["previousEventId"] for e in events[1:9]] == [0, 2, 3, 4, 5, 6, 7, 8]


def test_failed_branch_fails_the_map(sfn):
    states = {"A": {"Type": "Map", "ItemProcessor": {"StartAt": "F", "States": {"F": {"Type": "Fail", "Error": "E", "Cause": "c"}}},
                    "Catch": [{"ErrorEquals": ["E"], "Next": "B"}], "End": True}, "B": {"Type": "Pass", "End": True}}
    shown, events = run(sfn, states, [1])
    assert json.loads(shown["output"]) == {"Error": "E", "Cause": "c"}
    assert [e["type"] for e in events[3:9]] == ["MapIterationStarted", "FailStateEntered", "MapIterationFailed", "MapStateFailed", "MapStateExited", "PassStateEntered"]


# Nothing lost

def test_kill_in_the_middle_of_waits_and_retries(fresh_server):
    server = fresh_server
    sfn = server.client("stepfunctions")
    waits = create(sfn, {"StartAt": "A", "States": {"A": {"Type": "Wait", "Seconds": 2, "Next": "B"}, "B": {"Type": "Pass", "Result": "waited", "End": True}}})
    retries = create(sfn, {"StartAt": "A", "States": {"A": put_task("later", "key", Retry=[{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "BackoffRate": 1,
                                                                                          "MaxAttempts": 60}])}})
    maps = create(sfn, {"StartAt": "A", "States": {"A": {"Type": "Map", "End": True, "ItemProcessor": {
        "StartAt": "W", "States": {"W": {"Type": "Wait", "SecondsPath": "$", "End": True}}}}}})
    executions = [start(sfn, waits), start(sfn, retries), start(sfn, maps, input="[1,2,1]")]
    before = history(sfn, executions[1])
    for _ in range(3):
        server.kill()
        server.start()
        sfn = server.client("stepfunctions")
        for execution in executions:
            sfn.describe_execution(executionArn=execution)
    assert ended(sfn, executions[0])["output"] == '"waited"'
    assert ended(sfn, executions[2])["output"] == "[1,2,1]"
    dynamodb = server.client("dynamodb")
    dynamodb.create_table(TableName="later", BillingMode="PAY_PER_REQUEST", KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
                          AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}])
    shown = ended(sfn, executions[1])
    assert shown["status"] == "SUCCEEDED", shown
    assert item(server, "later", "key") == {"id": {"S": "key"}}
    events = history(sfn, executions[1])
    assert events[:len(before)] == before
    assert [e["id"] for e in events] == list(range(1, len(events) + 1))


def test_aws_cli(server):
    machine = server.aws(["stepfunctions", "create-state-machine", "--name", fresh(), "--role-arn", ROLE, "--definition", json.dumps(PASS)])["stateMachineArn"]
    execution = server.aws(["stepfunctions", "start-execution", "--state-machine-arn", machine, "--input", '{"x": 1}'])["executionArn"]
    shown = until(lambda: (lambda s: s if s["status"] != "RUNNING" else None)(server.aws(["stepfunctions", "describe-execution", "--execution-arn", execution])), 20)
    assert shown["output"] == '{"x": 1}'
    refusal = server.aws(["stepfunctions", "describe-execution", "--execution-arn", execution + "x"], check=False)
    assert refusal.returncode != 0 and "ExecutionDoesNotExist" in refusal.stderr and "Execution Does Not Exist" in refusal.stderr

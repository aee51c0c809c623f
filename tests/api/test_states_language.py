"""The States language, field by field, as docs/states-language.md lists it: each case runs on the server."""
import json
import pathlib
import re
import subprocess
import sys

import botocore.session
import pytest

from tests.support.machines import create, details, ended, fresh, history, output, refused, run, start, types

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "states-language.md"
PREFIX = "An error occurred while executing the state 'A' (entered at the event id #2). "


@pytest.fixture
def sfn(server):
    return server.client("stepfunctions")


def passing(**fields):
    return {"A": {"Type": "Pass", "End": True, **fields}}


def computed(sfn, expression, value=None):
    """What a payload's `x.$` with this expression becomes."""
    return output(sfn, passing(Parameters={"x.$": expression}), value)["x"]


def failure(sfn, states, value=None):
    shown, _ = run(sfn, states, value)
    assert shown["status"] == "FAILED"
    return shown.get("error"), shown.get("cause", "").removeprefix(PREFIX)


def told(sfn, definition):
    text = definition if isinstance(definition, str) else json.dumps(definition)
    return refused("InvalidDefinition", sfn.create_state_machine, name="never", definition=text, roleArn="arn:aws:iam::000000000000:role/r")


# Paths

DOCUMENT = {"a": {"b": [10, 20, 30], "c d": 1}, "z": None, "list": [{"n": 1, "s": "x"}, {"n": 2, "s": "y"}, {"n": 3}]}


@pytest.mark.parametrize("path, value", [
    ("$.a.b[1]", 20), ("$.a.b[-1]", 30), ("$['a']['c d']", 1), ("$.z", None), ("$.a.b[*]", [10, 20, 30]), ("$.a.b[0,2]", [10, 30]), ("$.a.b[1:]", [20, 30]),
    ("$.a.b[0:3:2]", [10, 30]), ("$..n", [1, 2, 3]), ("$.list[*].s", ["x", "y"]), ("$.nothing[*]", []), ("$.list[?(@.n > 1)].n", [2, 3]), ("$.list[?(@.s == 'y')].n", [2]),
    ("$.list[?(@.n == 9)]", []), ("$.list[?(@.s =~ /[xz]/)].n", [1]), ("$.a.['c d']", 1), ("$.[?(@.z)]", [DOCUMENT]), ("$['a','z']", {"a": DOCUMENT["a"], "z": None}), ("$", DOCUMENT)])
def test_paths(sfn, path, value):
    assert computed(sfn, path, DOCUMENT) == value


@pytest.mark.parametrize("fields, value", [
    ({"InputPath": "$.a"}, DOCUMENT["a"]), ({"InputPath": None}, {}), ({"OutputPath": "$.a.b[0]"}, 10), ({"OutputPath": None}, {}), ({"Result": 1}, 1),
    ({"Result": 1, "ResultPath": "$.z"}, {**DOCUMENT, "z": 1}), ({"Result": 1, "ResultPath": None}, DOCUMENT), ({"Result": 1, "ResultPath": "$.q.r"}, {**DOCUMENT, "q": {"r": 1}}),
    ({"Parameters": {"k": 1, "l.$": "$.a.b[0]", "m": [{"n.$": "$$.State.Name"}]}}, {"k": 1, "l": 10, "m": [{"n": "A"}]}),
    ({"InputPath": "$.a", "Parameters": {"x.$": "$.b"}, "OutputPath": "$.x"}, [10, 20, 30])])
def test_input_and_output(sfn, fields, value):
    assert output(sfn, passing(**fields), DOCUMENT) == value


@pytest.mark.parametrize("fields, error, cause", [
    ({"InputPath": "$.no"}, "States.Runtime", "Invalid path '$.no' : No results for path: $['no']"),
    ({"OutputPath": "$.no.x"}, "States.Runtime", "Invalid path '$.no.x' : Missing property in path $['no']"),
    ({"Parameters": {"x.$": "$.no"}}, "States.Runtime", "The JSONPath '$.no' specified for the field 'x.$' could not be found in the input '{\"v\": 1}'"),
    ({"Result": 1, "ResultPath": "$.v.w"}, "States.ResultPathMatchFailure", "Unable to apply Reference Path '$.v.w' to input '{\"v\": 1}'")])
def test_paths_that_find_nothing(sfn, fields, error, cause):
    shown = failure(sfn, passing(**fields), {"v": 1})
    assert shown[0] == error and shown[1].replace('{"v":1}', '{"v": 1}') == cause


def test_numbers_keep_their_text(sfn):
    execution = sfn.start_execution(stateMachineArn=create(sfn, passing()), input='{"a": 1.50, "b": 1e3, "c": 123456789012345678901234567890}')["executionArn"]
    assert ended(sfn, execution)["output"] == '{"a": 1.50, "b": 1e3, "c": 123456789012345678901234567890}'


LONG = "123456789012345678901234567890"


@pytest.mark.parametrize("given, written", [
    (LONG, LONG), ("-" + LONG, "-" + LONG), ("18446744073709551616", "18446744073709551616"), ("-9223372036854775809", "-9223372036854775809"), ("1" + "0" * 400, "1" + "0" * 400),
    ("1.0", "1.0"), ("1.10", "1.1"), ("0.1234567890123456789", "0.12345678901234568"), ("1e3", "1000.0"), ("1E300", "1.0E300"), ("100000.0", "100000.0"), ("0.0001", "1.0E-4"), ("12345678.5", "12345678.5"), ("-0", "0"), ("-0.0", "-0.0")])
def test_numbers_that_paths_pick(sfn, given, written):
    """From an input, and a definition, in and out of every state that passes data on, with a wait that stores them between."""
    states = {"A": {"Type": "Pass", "InputPath": "$.n", "ResultPath": "$.picked", "Next": "B"},
              "B": {"Type": "Wait", "Seconds": 0, "Next": "C"},
              "C": {"Type": "Map", "ItemsPath": "$.list", "ItemSelector": {"v.$": "$$.Map.Item.Value"}, "ResultPath": "$.mapped", "Next": "D",
                    "ItemProcessor": {"StartAt": "E", "States": {"E": {"Type": "Pass", "OutputPath": "$.v", "End": True}}}},
              "D": {"Type": "Parallel", "Branches": [{"StartAt": "F", "States": {"F": {"Type": "Pass", "Parameters": {"fixed": "NUMBER", "x.$": "States.ArrayGetItem($.mapped, 0)"}, "End": True}}}],
                    "ResultSelector": {"a.$": "$[0].x", "b.$": "$[0].fixed", "c.$": "States.StringToJson($$.Execution.Input.text)"}, "End": True}}
    definition = json.dumps({"StartAt": "A", "States": states}).replace('"NUMBER"', given)
    machine = sfn.create_state_machine(name=fresh("machine"), definition=definition, roleArn="arn:aws:iam::000000000000:role/r")["stateMachineArn"]
    execution = sfn.start_execution(stateMachineArn=machine, input=f'{{"n":{given},"list":[{given}],"text":"{given}"}}')["executionArn"]
    shown = ended(sfn, execution)
    assert shown.get("output") == f'{{"a":{written},"b":{written},"c":{written}}}'
    exited = [one["stateExitedEventDetails"]["output"] for one in history(sfn, execution) if one["type"] == "PassStateExited"]
    assert exited[0].endswith(f'"picked":{written}}}')


def test_numbers_that_are_none(sfn):
    """What is larger than any double and no integer cannot be held: it is refused where it comes in."""
    machine = create(sfn, passing())
    assert "beyond 1.7976931348623157e+308" in refused("InvalidExecutionInput", sfn.start_execution, stateMachineArn=machine, input='{"n":1E400}')
    assert "beyond 1.7976931348623157e+308" in told(sfn, '{"StartAt":"A","States":{"A":{"Type":"Pass","Result":1E400,"End":true}}}')
    assert failure(sfn, passing(Parameters={"x.$": "States.StringToJson($.t)"}), {"t": "1E400"})[0] == "States.IntrinsicFailure"


def test_long_integers_are_compared_exactly(sfn):
    def chosen(rule):
        states = {"A": {"Type": "Choice", "Choices": [{"Variable": "$.n", "Next": "Y", **rule}], "Default": "N"}, "Y": {"Type": "Pass", "Result": True, "End": True}, "N": {"Type": "Pass", "Result": False, "End": True}}
        return output(sfn, states, {"n": int(LONG), "same": int(LONG), "next": int(LONG) + 1})
    for rule in ({"NumericEqualsPath": "$.same"}, {"NumericLessThanPath": "$.next"}, {"NumericGreaterThan": int(LONG) - 1}, {"IsNumeric": True}, {"IsString": False}):
        assert chosen(rule), rule
    for rule in ({"NumericEqualsPath": "$.next"}, {"NumericEquals": 1.2345678901234568e29}, {"StringEqualsPath": "$.same"}):
        assert not chosen(rule), rule
    error, cause = failure(sfn, passing(Parameters={"x.$": "States.MathAdd($.n, 1)"}), {"n": int(LONG)})
    assert error == "States.IntrinsicFailure" and f"a whole number is expected, not {LONG}" in cause


# The same member twice

def test_a_member_twice_in_data(sfn):
    """The last one is taken; what only passes keeps its text."""
    machine = create(sfn, passing())
    twice = '{"a":1,"a":2}'
    assert ended(sfn, sfn.start_execution(stateMachineArn=machine, input=twice)["executionArn"])["output"] == twice
    machine = create(sfn, passing(Parameters={"x.$": "$.a", "y.$": "$", "z.$": "States.StringToJson('{\"b\":1,\"b\":2}')"}))
    assert json.loads(ended(sfn, sfn.start_execution(stateMachineArn=machine, input=twice)["executionArn"])["output"]) == {"x": 2, "y": {"a": 2}, "z": {"b": 2}}


def test_a_member_twice_in_a_definition(sfn):
    """Two states of one name are refused; of other members the last counts, and validation warns."""
    message = told(sfn, '{"StartAt":"A","States":{"A":{"Type":"Fail"},"A":{"Type":"Succeed"}}}')
    assert message == "Invalid State Machine Definition: 'DUPLICATE_STATE_NAME: Duplicate State name: A at /States/A'"
    definition = '{"StartAt":"A","States":{"A":{"Type":"Fail","Type":"Pass","Result":1,"Result":{"b":1,"b":2},"End":true}}}'
    machine = sfn.create_state_machine(name=fresh("machine"), definition=definition, roleArn="arn:aws:iam::000000000000:role/r")["stateMachineArn"]
    assert ended(sfn, sfn.start_execution(stateMachineArn=machine)["executionArn"])["output"] == '{"b":2}'


def test_context_object(sfn):
    machine = create(sfn, passing(Parameters={"c.$": "$$"}))
    execution = start(sfn, machine, {"i": 1})
    context = json.loads(ended(sfn, execution)["output"])["c"]
    assert context["Execution"]["Id"] == execution and context["Execution"]["Input"] == {"i": 1} and context["Execution"]["RedriveCount"] == 0
    assert set(context["Execution"]) == {"Id", "Input", "Name", "RoleArn", "StartTime", "RedriveCount"}
    assert context["State"]["Name"] == "A" and context["State"]["RetryCount"] == 0 and context["State"]["EnteredTime"].endswith("Z")
    assert context["StateMachine"] == {"Id": machine, "Name": machine.rpartition(":")[2]}


# Intrinsics

@pytest.mark.parametrize("expression, value", [
    (r"States.Format('Hi {}, \{\} {} it\'s', $.n, 3)", "Hi Bo, {} 3 it's"), ("States.StringToJson($.t)", {"a": 1}), ("States.JsonToString($.l)", "[3,1,3]"),
    ("States.Array(1, 'a', true, null, $.l)", [1, "a", True, None, [3, 1, 3]]), ("States.ArrayPartition($.l, 2)", [[3, 1], [3]]), ("States.ArrayContains($.l, 1)", True),
    ("States.ArrayRange(1, 9, 4)", [1, 5, 9]), ("States.ArrayGetItem($.l, 1)", 1), ("States.ArrayLength($.l)", 3), ("States.ArrayUnique($.l)", [3, 1]),
    ("States.Base64Encode($.n)", "Qm8="), ("States.Base64Decode('Qm8=')", "Bo"), ("States.Hash($.n, 'SHA-256')", "ef893cf15da14c71cb0f3cc0b8e0a7b0ddc4f6d8b1b4ae4c5a0d1a0a4b4ac8ee"),
    ("States.JsonMerge($.m, States.StringToJson($.t), false)", {"z": 2, "a": 1}), ("States.MathAdd($.l[0], -1)", 2), ("States.StringSplit('1,2.3', ',.')", ["1", "2", "3"]),
    ("States.MathRandom(5, 6)", 5), ("States.Format('{}', States.ArrayLength(States.Array(1, States.Format('a{}', 'b'))))", "2"), ("States.Format('{}', $$.State.Name)", "A")])
def test_intrinsics(sfn, expression, value):
    if "Hash" in expression:
        import hashlib
        value = hashlib.sha256(b"Bo").hexdigest()
    assert computed(sfn, expression, {"n": "Bo", "t": '{"a":1}', "l": [3, 1, 3], "m": {"z": 2}}) == value


def test_uuids_differ(sfn):
    made = output(sfn, passing(Parameters={"a.$": "States.UUID()", "b.$": "States.UUID()"}))
    assert made["a"] != made["b"] and all(re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", one) for one in made.values())


@pytest.mark.parametrize("expression", ["States.Format('{} {}', 1)", "States.StringToJson('{')", "States.ArrayRange(1, 5000, 1)", "States.ArrayGetItem($.l, 9)", "States.MathAdd('a', 1)"])
def test_intrinsics_that_fail(sfn, expression):
    states = {**passing(Parameters={"x.$": expression})}
    assert failure(sfn, states, {"l": [1]})[0] == "States.IntrinsicFailure"


@pytest.mark.parametrize("expression", ["States.Format('{}', $.no)", "States.Format('{} {}',  States.ArrayLength($.no), 1)"])
def test_paths_in_intrinsics_that_find_nothing(sfn, expression):
    shown = failure(sfn, passing(Parameters={"x.$": expression}), {"other": 1})
    assert shown == ("States.Runtime", f"The function '{expression}' had the following error: The JsonPath argument for the field '$.no' could not be found in the input '{{\"other\":1}}'")


# Choice

CHOICE = {"s": "b", "n": 2, "t": "2024-01-01T00:00:00Z", "f": False, "nul": None, "b": "b", "two": 2.0, "later": "2024-01-01T02:00:00+01:00", "yes": True}


@pytest.mark.parametrize("rule, holds", [
    ({"Variable": "$.s", "StringEquals": "b"}, True), ({"Variable": "$.s", "StringEqualsPath": "$.b"}, True), ({"Variable": "$.s", "StringLessThan": "c"}, True),
    ({"Variable": "$.s", "StringLessThanPath": "$.b"}, False), ({"Variable": "$.s", "StringGreaterThan": "a"}, True), ({"Variable": "$.s", "StringGreaterThanPath": "$.b"}, False),
    ({"Variable": "$.s", "StringLessThanEquals": "b"}, True), ({"Variable": "$.s", "StringLessThanEqualsPath": "$.b"}, True), ({"Variable": "$.s", "StringGreaterThanEquals": "c"}, False),
    ({"Variable": "$.s", "StringGreaterThanEqualsPath": "$.b"}, True), ({"Variable": "$.n", "StringEquals": "2"}, False),
    ({"Variable": "$.t", "StringMatches": "2024-*Z"}, True), ({"Variable": "$.t", "StringMatches": "2024-\\*Z"}, False),
    ({"Variable": "$.n", "NumericEquals": 2}, True), ({"Variable": "$.n", "NumericEqualsPath": "$.two"}, True), ({"Variable": "$.n", "NumericLessThan": 2}, False),
    ({"Variable": "$.n", "NumericLessThanPath": "$.two"}, False), ({"Variable": "$.n", "NumericGreaterThan": 1.5}, True), ({"Variable": "$.n", "NumericGreaterThanPath": "$.two"}, False),
    ({"Variable": "$.n", "NumericLessThanEquals": 2}, True), ({"Variable": "$.n", "NumericLessThanEqualsPath": "$.two"}, True), ({"Variable": "$.n", "NumericGreaterThanEquals": 3}, False),
    ({"Variable": "$.n", "NumericGreaterThanEqualsPath": "$.two"}, True), ({"Variable": "$.s", "NumericEquals": 2}, False),
    ({"Variable": "$.f", "BooleanEquals": False}, True), ({"Variable": "$.f", "BooleanEqualsPath": "$.yes"}, False),
    ({"Variable": "$.t", "TimestampEquals": "2024-01-01T01:00:00+01:00"}, True), ({"Variable": "$.t", "TimestampEqualsPath": "$.later"}, False),
    ({"Variable": "$.t", "TimestampLessThan": "2024-01-01T00:00:00.5Z"}, True), ({"Variable": "$.t", "TimestampLessThanPath": "$.later"}, True),
    ({"Variable": "$.t", "TimestampGreaterThan": "2023-12-31T23:59:59Z"}, True), ({"Variable": "$.t", "TimestampGreaterThanPath": "$.later"}, False),
    ({"Variable": "$.t", "TimestampLessThanEquals": "2024-01-01T00:00:00Z"}, True), ({"Variable": "$.t", "TimestampLessThanEqualsPath": "$.later"}, True),
    ({"Variable": "$.t", "TimestampGreaterThanEquals": "2024-01-01T00:00:00Z"}, True), ({"Variable": "$.t", "TimestampGreaterThanEqualsPath": "$.later"}, False),
    ({"Variable": "$.nul", "IsNull": True}, True), ({"Variable": "$.no", "IsPresent": False}, True), ({"Variable": "$.n", "IsNumeric": True}, True), ({"Variable": "$.s", "IsString": True}, True),
    ({"Variable": "$.f", "IsBoolean": True}, True), ({"Variable": "$.t", "IsTimestamp": True}, True), ({"Variable": "$.s", "IsTimestamp": True}, False),
    ({"And": [{"Variable": "$.n", "IsNumeric": True}, {"Variable": "$.s", "IsNumeric": True}]}, False),
    ({"Or": [{"Variable": "$.s", "IsNumeric": True}, {"Not": {"Variable": "$.s", "IsNumeric": True}}]}, True), ({"Not": {"Variable": "$.n", "NumericEquals": 2}}, False)])
def test_choice_rules(sfn, rule, holds):
    states = {"A": {"Type": "Choice", "Choices": [{**rule, "Next": "Yes"}], "Default": "No"}, "Yes": {"Type": "Pass", "Result": True, "End": True}, "No": {"Type": "Pass", "Result": False, "End": True}}
    assert output(sfn, states, CHOICE) is holds


def test_choice_without_a_match(sfn):
    states = {"A": {"Type": "Choice", "Choices": [{"Variable": "$.n", "NumericEquals": 1, "Next": "B"}]}, "B": {"Type": "Succeed"}}
    assert failure(sfn, states, {"n": 2})[0] == "States.NoChoiceMatched"
    assert failure(sfn, states, {})[0] == "States.Runtime"


# Wait, Succeed, Fail

@pytest.mark.parametrize("fields", [{"Seconds": 0}, {"SecondsPath": "$.s"}, {"Timestamp": "2024-01-01T00:00:00Z"}, {"TimestampPath": "$.t"}])
def test_wait(sfn, fields):
    assert output(sfn, {"A": {"Type": "Wait", "End": True, **fields}}, {"s": 0, "t": "2024-01-01T00:00:00+01:00"}) == {"s": 0, "t": "2024-01-01T00:00:00+01:00"}


@pytest.mark.parametrize("fields, value, cause", [
    ({"SecondsPath": "$.s"}, {}, "The SecondsPath parameter does not reference an input value: $.s"),
    ({"SecondsPath": "$.s"}, {"s": -1}, "The SecondsPath parameter references a negative value: $.s == -1"),
    ({"SecondsPath": "$.s"}, {"s": 1.5}, "The SecondsPath parameter cannot be parsed as a long value: $.s == 1.5"),
    ({"SecondsPath": "$.s"}, {"s": 2147483648}, "Wait state delay is too long."),
    ({"TimestampPath": "$.s"}, {"s": "soon"}, "The TimestampPath parameter does not reference a valid ISO-8601 extended offset date-time format string: $.s == soon")])
def test_wait_errors(sfn, fields, value, cause):
    assert failure(sfn, {"A": {"Type": "Wait", "End": True, **fields}}, value) == ("States.Runtime", cause)


def test_succeed_and_fail(sfn):
    assert output(sfn, {"A": {"Type": "Succeed", "OutputPath": "$.x"}}, {"x": 1}) == 1
    assert failure(sfn, {"A": {"Type": "Fail", "Error": "E", "Cause": "C"}}) == ("E", "C")
    assert failure(sfn, {"A": {"Type": "Fail", "ErrorPath": "$.e", "CausePath": "States.Format('c {}', $.e)"}}, {"e": "E"}) == ("E", "c E")
    assert failure(sfn, {"A": {"Type": "Fail"}}) == (None, "")


# Retry, Catch, time

def failing(error="E", **fields):
    """A Parallel whose branch fails: errors without any service."""
    return {"A": {"Type": "Parallel", "Branches": [{"StartAt": "F", "States": {"F": {"Type": "Fail", "Error": error, "Cause": "C"}}}], "End": True, **fields}}


def test_retry(sfn):
    retry = [{"ErrorEquals": ["Other"], "MaxAttempts": 9}, {"ErrorEquals": ["E"], "IntervalSeconds": 1, "MaxAttempts": 1, "BackoffRate": 2.5, "MaxDelaySeconds": 5, "JitterStrategy": "FULL"}]
    shown, events = run(sfn, failing(Retry=retry))
    assert shown["error"] == "E" and types(events).count("ParallelStateStarted") == 2
    shown, events = run(sfn, failing(Retry=[{"ErrorEquals": ["States.ALL"], "MaxAttempts": 0}]))
    assert shown["error"] == "E" and types(events).count("ParallelStateStarted") == 1


@pytest.mark.parametrize("error, names, caught", [
    ("E", ["X", "E"], True), ("E", ["States.ALL"], True), ("E", ["X"], False), ("States.Runtime", ["States.ALL"], False), ("States.DataLimitExceeded", ["States.ALL"], False),
    ("States.Runtime", ["States.Runtime"], True), ("E", ["States.BranchFailed"], True), ("E", ["States.Timeout"], False)])
def test_what_is_caught(sfn, error, names, caught):
    states = {**failing(error, Catch=[{"ErrorEquals": names, "ResultPath": "$.err", "Next": "B"}]), "B": {"Type": "Pass", "End": True}}
    shown, _ = run(sfn, states, {"v": 1})
    if caught:
        assert json.loads(shown["output"]) == {"v": 1, "err": {"Error": error, "Cause": "C"}}
    else:
        assert (shown["status"], shown["error"]) == ("FAILED", error)


def test_task_failed_is_caught_for_tasks(sfn):
    task = {"Type": "Task", "Resource": "arn:aws:states:::aws-sdk:dynamodb:getItem", "Parameters": {"TableName": "nothing", "Key": {"k": {"S": "x"}}}, "End": True,
            "Catch": [{"ErrorEquals": ["States.TaskFailed"], "Next": "B"}], "ResultSelector": {"never.$": "$.x"}}
    assert output(sfn, {"A": task, "B": {"Type": "Pass", "End": True}})["Error"] == "DynamoDb.ResourceNotFoundException"


def test_timeouts(sfn):
    assert run(sfn, {"A": {"Type": "Wait", "Seconds": 60, "End": True}}, TimeoutSeconds=1)[0]["status"] == "TIMED_OUT"
    child = create(sfn, {"A": {"Type": "Wait", "Seconds": 60, "End": True}})
    task = {"Type": "Task", "Resource": "arn:aws:states:::states:startExecution.sync", "Parameters": {"StateMachineArn": child}, "TimeoutSecondsPath": "$.t", "End": True,
            "Catch": [{"ErrorEquals": ["States.Timeout"], "Next": "B"}]}
    assert output(sfn, {"A": task, "B": {"Type": "Pass", "End": True}}, {"t": 1}) == {"Error": "States.Timeout", "Cause": ""}


# Map, Parallel

def mapping(processor="ItemProcessor", **fields):
    return {"A": {"Type": "Map", processor: {"StartAt": "P", "States": {"P": {"Type": "Pass", "End": True}}}, "End": True, **fields}}


@pytest.mark.parametrize("states, value, result", [
    (mapping(), [1, 2], [1, 2]), (mapping("Iterator"), [], []), (mapping(ItemsPath="$.l"), {"l": [1]}, [1]),
    (mapping(ItemsPath="$.l", ItemSelector={"i.$": "$$.Map.Item.Index", "v.$": "$$.Map.Item.Value", "k.$": "$.k"}), {"l": ["a"], "k": 7}, [{"i": 0, "v": "a", "k": 7}]),
    (mapping("Iterator", ItemsPath="$.l", Parameters={"v.$": "$$.Map.Item.Value"}), {"l": [5]}, [{"v": 5}]), (mapping(MaxConcurrency=1), [1, 2, 3], [1, 2, 3]),
    (mapping(ItemsPath="$.l", MaxConcurrencyPath="$.c"), {"l": [1, 2], "c": 1}, [1, 2]), (mapping(ResultSelector={"all.$": "$"}, ResultPath="$.r", ItemsPath="$.l"), {"l": [1]}, {"l": [1], "r": {"all": [1]}}),
    (mapping(ItemProcessor={"ProcessorConfig": {"Mode": "INLINE"}, "StartAt": "P", "States": {"P": {"Type": "Pass", "End": True}}}), [1], [1])])
def test_map(sfn, states, value, result):
    assert output(sfn, states, value) == result


def odd_ones_fail(**fields):
    return {"A": {"Type": "Map", "End": True, "ItemsPath": "$.l", "ItemProcessor": {"StartAt": "C", "States": {
        "C": {"Type": "Choice", "Choices": [{"Variable": "$", "NumericEquals": 1, "Next": "F"}], "Default": "S"}, "F": {"Type": "Fail", "Error": "E"}, "S": {"Type": "Succeed"}}}, **fields}}


@pytest.mark.parametrize("fields, fails", [
    ({}, "E"), ({"ToleratedFailureCount": 1}, None), ({"ToleratedFailureCountPath": "$.c"}, None), ({"ToleratedFailurePercentage": 50}, None), ({"ToleratedFailurePercentagePath": "$.p"}, None),
    ({"ToleratedFailureCount": 0}, "States.ExceedToleratedFailureThreshold"), ({"ToleratedFailurePercentage": 10}, "States.ExceedToleratedFailureThreshold")])
def test_map_with_failures(sfn, fields, fails):
    shown, _ = run(sfn, odd_ones_fail(**fields), {"l": [1, 2], "c": 1, "p": 50.0})
    assert shown["status"] == ("FAILED" if fails else "SUCCEEDED") and shown.get("error") == fails


@pytest.mark.parametrize("states, value, cause", [
    (mapping(), {"a": 1}, 'Map state input must be an array but was: {"a": 1}'),
    (mapping(ItemsPath="$.no"), {}, 'Reference path "$.no" must point to array.'),
    (mapping(ItemsPath="$.l", MaxConcurrencyPath="$.c"), {"l": [], "c": "x"}, 'The MaxConcurrencyPath field refers to value "x" which is not a valid integer: $.c'),
    (mapping(ItemsPath="$.l", ToleratedFailureCountPath="$.c"), {"l": [], "c": -1}, "ToleratedFailureCount cannot be negative."),
    (mapping(ItemsPath="$.l", ToleratedFailurePercentagePath="$.c"), {"l": [], "c": 101}, "ToleratedFailurePercentage must be between 0 and 100.")])
def test_map_errors(sfn, states, value, cause):
    assert failure(sfn, states, value) == ("States.Runtime", cause)


def test_parallel(sfn):
    branches = [{"StartAt": f"X{i}", "States": {f"X{i}": {"Type": "Pass", "Result": i, "End": True}}} for i in range(3)]
    states = {"A": {"Type": "Parallel", "Branches": branches, "Parameters": {"p.$": "$.v"}, "ResultSelector": {"r.$": "$[1:]"}, "ResultPath": "$.out", "End": True}}
    assert output(sfn, states, {"v": 1}) == {"v": 1, "out": {"r": [1, 2]}}


# Limits

def test_payload_limit(sfn):
    error, cause = failure(sfn, passing(Parameters={"a.$": "States.Format('{}{}{}', $.x, $.x, $.x)"}), {"x": "x" * 100_000})
    assert (error, cause) == ("States.DataLimitExceeded", "The state/task 'A' returned a result with a size exceeding the maximum number of bytes service limit.")
    assert refused("InvalidExecutionInput", sfn.start_execution, stateMachineArn=create(sfn, passing()), input=json.dumps("x" * 262_144)).startswith("Invalid State Machine Execution Input: ")


def test_a_catcher_whose_own_output_is_too_large(sfn):
    """It took its own error for ever."""
    branch = {"StartAt": "P", "States": {"P": {"Type": "Pass", "Parameters": {"a.$": "States.Format('{}{}', $.x, $.x)"}, "End": True}}}
    states = {"A": {"Type": "Parallel", "Branches": [branch], "Catch": [{"ErrorEquals": ["States.DataLimitExceeded"], "ResultPath": "$.e", "Next": "B"}], "End": True},
              "B": {"Type": "Succeed"}}
    assert failure(sfn, states, {"x": "x" * 262_100})[0] == "States.DataLimitExceeded"
    assert set(output(sfn, states, {"x": "x" * 140_000})) == {"x", "e"}


def test_history_limit(sfn):
    states = {"A": {"Type": "Pass", "Next": "C"}, "C": {"Type": "Choice", "Choices": [{"Variable": "$", "IsPresent": False, "Next": "E"}], "Default": "A"}, "E": {"Type": "Succeed"}}
    shown, events = run(sfn, states)
    assert (shown["error"], shown["cause"], len(events)) == ("States.Runtime", "The execution reached the maximum number of history events (25000).", 25_000)


def test_error_and_cause_are_cut(sfn):
    assert failure(sfn, {"A": {"Type": "Fail", "ErrorPath": "$.e", "CausePath": "$.c"}}, {"e": "e" * 300, "c": "c" * 40_000}) == ("e" * 256, "c" * 32_768)


def test_definition_limits(sfn):
    assert "80" in told(sfn, {"StartAt": "x" * 81, "States": {"x" * 81: {"Type": "Succeed"}}})
    assert "INVALID_JSON_DESCRIPTION" in told(sfn, '{"StartAt":"A","States":{"A":{"Type":"Parallel","End":true,"Branches":[' * 1000)


@pytest.mark.parametrize("field, place", [("Arguments", "Task"), ("Assign", "Pass"), ("Output", "Pass"), ("Items", "Map"), ("ItemReader", "Map"), ("ItemBatcher", "Map"), ("ResultWriter", "Map"), ("Label", "Map")])
def test_fields_of_later(sfn, field, place):
    state = {"Type": place, "End": True, field: {}}
    why = (f"The QueryLanguage is set to 'JSONPath', but field '{field}' is only supported for the 'JSONata' QueryLanguage at /States/A"
           if field in ("Arguments", "Output", "Items") else f"Field '{field}' is not supported")
    assert why in told(sfn, {"StartAt": "A", "States": {"A": state}})


def test_query_language(sfn):
    assert "'QueryLanguage'" in told(sfn, {"QueryLanguage": "JSONata", "StartAt": "A", "States": passing()})
    assert "/States/A/QueryLanguage" in told(sfn, {"StartAt": "A", "States": passing(QueryLanguage="JSONata")})
    assert output(sfn, passing(QueryLanguage="JSONPath"), 1) == 1
    assert "field 'Condition' is only supported for the 'JSONata' QueryLanguage at /States/A/Choices[0]" in told(sfn, {"StartAt": "A", "States": {"A": {"Type": "Choice", "Choices": [{"Condition": "{% true %}", "Next": "B"}]}, "B": {"Type": "Succeed"}}})


# The page

def rows():
    """(what, state, tests) of every table's row."""
    found = []
    for line in PAGE.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if not line.startswith("|") or set("".join(cells)) <= set("-: ") or cells[1] == "state":
            continue
        assert len(cells) == 3, line
        found.append((cells[0], cells[1], [name.strip() for name in cells[2].split(",") if name.strip()]))
    return found


def test_the_page_names_tests_that_exist():
    run_ = subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--collect-only", *sorted({"tests/api/" + test.partition("::")[0] for _, _, tests in rows() for test in tests if "::" in test})],
                          cwd=ROOT, text=True, capture_output=True)
    collected = {line.removeprefix("tests/api/").partition("[")[0] for line in run_.stdout.splitlines() if "::" in line}
    units = set()
    for source in (ROOT / "src").rglob("*_test.cc"):
        units |= {".".join(pair) for pair in re.findall(r"^TEST(?:_F)?\((\w+), (\w+)\)", source.read_text(), re.M)}
    wrong = []
    for what, state, tests in rows():
        if state not in ("works", "refused", "not yet"):
            wrong.append(f"{what}: state {state!r}")
        if not tests and state != "not yet":
            wrong.append(f"{what}: no test")
        wrong += [f"{what}: no test {test}" for test in tests if test not in collected and test not in units]
    assert not wrong, "\n".join(wrong)


ERRORS = ("ALL", "Runtime", "DataLimitExceeded", "TaskFailed", "Timeout", "HeartbeatTimeout", "Permissions", "ResultPathMatchFailure", "ParameterPathFailure", "BranchFailed",
          "NoChoiceMatched", "IntrinsicFailure", "ExceedToleratedFailureThreshold", "ItemReaderFailed", "ResultWriterFailed", "QueryEvaluationError", "Http.Socket")
# https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html and the lengths of the API's model.
LIMITS = ("262,144 bytes", "25,000 events", "256 characters, cause of 32,768", "definition of 1 MiB", "request of 1 MiB", "names of states of 80", "activities: 80 characters", "40 iterations",
          "2,048 characters, long poll of 60", "90 days", "14", "a year", "1,000,000 open", "100,000 state machines", "100,000 activities", "50 tags", "keys of 128 and values of 256",
          "1,000 results of a page, 100 unless", "1,024 characters, ListExecutions 3,096", "ARN of 256", "10,000 iterations", "label of 40", "1,000 open map runs", "1,000 versions and 100 aliases",
          "5 minutes of an EXPRESS", "60 seconds of an HTTP", "256 KiB each, 10 MiB")


def test_the_page_lists_every_error_event_and_limit():
    sections = {section.partition("\n")[0]: section for section in PAGE.read_text().split("\n## ")}
    errors, events, limits = (set(re.findall(r"[\w.]+\w", sections[title])) for title in ("Errors", "History events", "Limits"))
    assert not {f"States.{name}" for name in ERRORS} - errors
    model = botocore.session.get_session().get_service_model("stepfunctions")
    assert not set(model.shape_for("HistoryEventType").enum) - events
    assert limits and not [limit for limit in LIMITS if limit not in sections["Limits"]]


def test_the_page_lists_every_field():
    """Every member that the compiler knows of, every operator and every intrinsic stands on the page."""
    listed = {word for what, _, _ in rows() for word in re.findall(r"[\w.$]+", what)}
    source = "".join((ROOT / "src" / "asl" / name).read_text() for name in ("fields.cc", "choice.cc", "intrinsics/functions.cc"))
    intrinsics = {"States." + name for name in re.findall(r'Intrinsic\{"(\w+)",', source)}
    fields = set(re.findall(r'Field\{"([A-Z][A-Za-z]+)"', source))
    operators = set(re.findall(r'Operator\{"(\w+)",', source))
    assert len(fields) > 40 and len(operators) > 25 and len(intrinsics) == 18
    missing = (fields | operators | intrinsics) - listed
    assert not missing, sorted(missing)

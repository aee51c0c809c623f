"""Definitions and inputs made to take all there is: they end with a clear error, and others go on meanwhile."""
import json

import pytest

from tests.support.machines import ROLE, create, ended, fresh, history, refused, run, start

PASS = {"A": {"Type": "Pass", "End": True}}
FULL = ("States.Runtime", "The execution reached the maximum number of history events (25000).")
LOOP = {"A": {"Type": "Choice", "Choices": [{"Variable": "$.end", "IsPresent": True, "Next": "C"}], "Default": "B"},
        "B": {"Type": "Choice", "Choices": [{"Variable": "$.end", "IsPresent": True, "Next": "C"}], "Default": "A"}, "C": {"Type": "Succeed"}}
MAP = {"A": {"Type": "Map", "ItemProcessor": {"StartAt": "P", "States": {"P": {"Type": "Pass", "End": True}}}, "End": True}}
DEEP = "[" * 400 + ",".join(["7"] * 60_000) + "]" * 400


def passing(expression):
    return {"A": {"Type": "Pass", "Parameters": {"x.$": expression}, "End": True}}


@pytest.fixture
def sfn(server):
    return server.client("stepfunctions")


def test_a_map_over_100000_items(sfn):
    text = "[" + ",".join(["1"] * 100_000) + "]"
    execution = sfn.start_execution(stateMachineArn=create(sfn, MAP), input=text)["executionArn"]
    shown = ended(sfn, execution)
    assert ((shown["error"], shown["cause"]), len(history(sfn, execution))) == (FULL, 25_000)


def test_a_cycle_of_choices(sfn):
    shown, events = run(sfn, LOOP)
    assert ((shown["error"], shown["cause"]), len(events)) == (FULL, 25_000)


@pytest.mark.parametrize("path", ["$..*", "$..*..*..*", "$..[?(@..[?(@..[?(@..[?(@..x)])])])]", "$..[?(@..* == $..*)]"])
def test_paths_made_to_blow_up(sfn, path):
    execution = sfn.start_execution(stateMachineArn=create(sfn, passing(path)), input=DEEP)["executionArn"]
    shown = ended(sfn, execution, 60)
    assert (shown["error"], shown["cause"]) == ("States.Runtime", f"An error occurred while executing the state 'A' (entered at the event id #2). the path '{path}' looks at more than the "
                                                "2000000 places that one state may look at")


UNIQUE = "States.ArrayLength(States.ArrayUnique(States.ArrayRange(0,999,1)))"


@pytest.mark.parametrize("states, value", [
    ({"A": {"Type": "Pass", "Parameters": {f"x{i}.$": UNIQUE for i in range(3000)}, "End": True}}, None),
    ({"A": {"Type": "Pass", "Parameters": {f"x{i}.$": "States.ArrayLength(States.ArrayUnique($))" for i in range(47)}, "End": True}}, list(range(30_000)))])
def test_functions_made_to_take_long(sfn, states, value):
    """What functions read and make counts as what paths look at does; others are answered meanwhile."""
    shown, _ = run(sfn, states, value)
    assert shown["error"] == "States.Runtime" and "more than the 2000000 places that one state may look at" in shown["cause"], shown


def test_functions_of_a_map_share_with_others(sfn):
    """Each item's selector is within bounds and takes long; the steps end between them (Bounds.* count), so that small ones are through while it runs."""
    heavy = start(sfn, create(sfn, {"A": {**MAP["A"], "ItemSelector": {"x.$": "States.ArrayLength(" + "States.ArrayUnique(" * 8 + "$$.Execution.Input" + ")" * 9}}}), list(range(5_000)))
    small = create(sfn, PASS)
    quick = [start(sfn, small, i) for i in range(20)]
    assert [ended(sfn, one)["output"] for one in quick] == [str(i) for i in range(20)]
    assert sfn.describe_execution(executionArn=heavy)["status"] == "RUNNING"
    sfn.stop_execution(executionArn=heavy)


def test_regular_expressions_made_to_take_long(sfn):
    many = {"A": {"Type": "Pass", "Parameters": {f"x{i}.$": "$[?(@.a =~ /(a|b|c|d|[^x]){1,150}/)]" for i in range(2000)}, "End": True}}
    message = refused("InvalidDefinition", sfn.create_state_machine, name="never", definition=json.dumps({"StartAt": "A", "States": many}), roleArn=ROLE)
    assert "too many regular expressions: at most 200" in message


def test_a_page_of_large_events_ends_early(sfn):
    """All events come, in pages of a few megabytes."""
    states = {f"S{i}": {"Type": "Pass", "Next": f"S{i + 1}"} for i in range(60)}
    execution = sfn.start_execution(stateMachineArn=create(sfn, {**states, "S60": {"Type": "Succeed"}}, start="S0"), input=json.dumps("x" * 200_000))["executionArn"]
    ended(sfn, execution)
    for backward in (False, True):
        pages, token = [], {}
        while True:
            page = sfn.get_execution_history(executionArn=execution, maxResults=1000, reverseOrder=backward, **token)
            pages.append(page["events"])
            if "nextToken" not in page:
                break
            token = {"nextToken": page["nextToken"]}
        assert len(pages) > 3 and all(sum(len(json.dumps(event, default=str)) for event in page) < 3_000_000 for page in pages)
        ids = [event["id"] for page in pages for event in page]
        assert ids == (list(range(len(ids), 0, -1)) if backward else list(range(1, len(ids) + 1)))
        entered = [event["stateEnteredEventDetails"] for page in pages for event in page if "stateEnteredEventDetails" in event]
        assert len(entered) == 61 and all(len(one["input"]) == 200_002 for one in entered)


def test_a_pattern_made_to_blow_up(sfn):
    states = {"A": {"Type": "Choice", "Choices": [{"Variable": "$", "StringMatches": "*" + "a" * 100_000 + "b", "Next": "B"}], "Default": "B"}, "B": {"Type": "Succeed"}}
    shown, _ = run(sfn, states, "a" * 250_000)
    assert shown["error"] == "States.Runtime" and shown["cause"].endswith("the Choice looks at more than the 2000000 places that one state may look at")


def test_a_definition_nested_1000_deep(sfn):
    opened, closed = '{"StartAt":"A","States":{"A":{"Type":"Parallel","End":true,"Branches":[', "]}}}"
    text = opened * 1000 + '{"StartAt":"A","States":{"A":{"Type":"Succeed"}}}' + closed * 1000
    message = refused("InvalidDefinition", sfn.create_state_machine, name="never", definition=text + " " * (900_000 - len(text)), roleArn=ROLE)
    assert "INVALID_JSON_DESCRIPTION" in message and len(message) < 2_000
    message = refused("InvalidDefinition", sfn.create_state_machine, name="never", definition=json.dumps({"StartAt": "A", "States": {f"S{i}": {"Type": "Nap"} for i in range(30_000)}}), roleArn=ROLE)
    assert "more" in message and len(message) < 10_000


def test_others_go_on_meanwhile(sfn):
    """Four that use up all their events, and twenty small ones that are started behind them (Bounds.* count the steps)."""
    heavy = [create(sfn, LOOP, name=fresh("heavy")) for _ in range(4)]
    small = create(sfn, PASS)
    begun = [start(sfn, machine) for machine in heavy]
    quick = [start(sfn, small, i) for i in range(20)]
    assert [ended(sfn, one)["output"] for one in quick] == [str(i) for i in range(20)]
    assert [(one["error"], one["cause"]) for one in (ended(sfn, one) for one in begun)] == [FULL] * 4

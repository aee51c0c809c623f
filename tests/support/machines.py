"""State machines in tests: making, starting and reading them by boto3."""
import json

import botocore.exceptions
import pytest

from tests.support.until import until

ROLE = "arn:aws:iam::000000000000:role/states"
PREFIX = "arn:aws:states:us-east-1:000000000000:"
# What the cause of a States.Runtime of the first state, A, begins with.
WHILE_A = "An error occurred while executing the state 'A' (entered at the event id #2). "

_count = 0


def fresh(prefix="m"):
    """A name that no other test of this process uses."""
    global _count
    _count += 1
    return f"{prefix}-{_count}"


def create(sfn, states, start="A", name=None, **more):
    """A state machine of these states; its ARN. `more` are top-level members of the definition."""
    text = json.dumps({"StartAt": start, "States": states, **more})
    return sfn.create_state_machine(name=name or fresh(), definition=text, roleArn=ROLE)["stateMachineArn"]


def start(sfn, machine, value=None, **more):
    return sfn.start_execution(stateMachineArn=machine, input=json.dumps({} if value is None else value), **more)["executionArn"]


def ended(sfn, execution, seconds=20):
    def look():
        shown = sfn.describe_execution(executionArn=execution)
        return shown if shown["status"] != "RUNNING" else None
    return until(look, seconds)


def history(sfn, execution, **more):
    events, token = [], {}
    while True:
        page = sfn.get_execution_history(executionArn=execution, **token, **more)
        events += page["events"]
        if "nextToken" not in page:
            return events
        token = {"nextToken": page["nextToken"]}


def types(events):
    return [event["type"] for event in events]


def details(events, kind):
    """The details of the first event of that type."""
    event = next(event for event in events if event["type"] == kind)
    return event[kind[0].lower() + kind[1:] + "EventDetails"]


def run(sfn, states, value=None, first="A", **more):
    """Runs a machine of these states; its description and its history."""
    execution = start(sfn, create(sfn, states, first, **more), value)
    return ended(sfn, execution), history(sfn, execution)


def output(sfn, states, value=None, first="A"):
    shown, _ = run(sfn, states, value, first)
    assert shown["status"] == "SUCCEEDED", (shown.get("error"), shown.get("cause"))
    return json.loads(shown["output"])


def refused(code, call, **arguments):
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(**arguments)
    assert caught.value.response["Error"]["Code"] == code, caught.value
    return caught.value.response["Error"]["Message"]

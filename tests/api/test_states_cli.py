"""Every operation of Step Functions by Debian's AWS CLI, and every error that its page names."""
import json
import pathlib

import pytest
from botocore import xform_name

from tests.api import api_pages
from tests.conftest import make
from tests.support import by_cli
from tests.support.machines import PREFIX, ROLE, fresh
from tests.support.until import until

PASS = json.dumps({"StartAt": "A", "States": {"A": {"Type": "Pass", "End": True}}})
WAIT = json.dumps({"StartAt": "A", "States": {"A": {"Type": "Wait", "Seconds": 300, "End": True}}})
NOBODY = {"machine": PREFIX + "stateMachine:nobody", "execution": PREFIX + "execution:nobody:x", "activity": PREFIX + "activity:nobody"}
TAGS = [f"key={number},value=v" for number in range(51)]


def sfn(server, operation, *words):
    return server.aws(["stepfunctions", operation, *words])


def refused(server, code, operation, *words):
    return by_cli.refused(server, "stepfunctions", operation, code, *words)


def machine(server, definition=PASS, name=None):
    return sfn(server, "create-state-machine", "--name", name or fresh("cli"), "--role-arn", ROLE, "--definition", definition)["stateMachineArn"]


def activity(server):
    return sfn(server, "create-activity", "--name", fresh("cli"))["activityArn"]


def task(server, arn, **more):
    """An execution that waits for a worker of this activity."""
    state = {"Type": "Task", "Resource": arn, "End": True, **more}
    made = machine(server, json.dumps({"StartAt": "A", "States": {"A": state}}))
    return sfn(server, "start-execution", "--state-machine-arn", made)["executionArn"]


def token_of(server, arn):
    return sfn(server, "get-activity-task", "--activity-arn", arn, "--worker-name", "w")["taskToken"]


def ended(server, execution):
    def look():
        shown = sfn(server, "describe-execution", "--execution-arn", execution)
        return shown if shown["status"] != "RUNNING" else None
    return until(look, 30)


def test_every_operation_and_error_stands_here():
    source = pathlib.Path(__file__).read_text()
    page = api_pages.read("stepfunctions")
    wanted = {xform_name(name, "-") for name in page.works()} | {code for row in page.rows for code in row.errors}
    assert not [word for word in wanted if f'"{word}"' not in source]


def test_state_machines(server):
    arn = machine(server, name="cli-machine")
    assert arn == PREFIX + "stateMachine:cli-machine"
    assert sfn(server, "update-state-machine", "--state-machine-arn", arn, "--definition", WAIT)["updateDate"]
    assert sfn(server, "describe-state-machine", "--state-machine-arn", arn)["definition"] == WAIT
    assert arn in [one["stateMachineArn"] for one in sfn(server, "list-state-machines")["stateMachines"]]
    sfn(server, "tag-resource", "--resource-arn", arn, "--tags", "key=a,value=1", "key=b,value=2")
    sfn(server, "untag-resource", "--resource-arn", arn, "--tag-keys", "a")
    assert sfn(server, "list-tags-for-resource", "--resource-arn", arn) == {"tags": [{"key": "b", "value": "2"}]}
    sfn(server, "delete-state-machine", "--state-machine-arn", arn)
    refused(server, "StateMachineDoesNotExist", "describe-state-machine", "--state-machine-arn", arn)


def test_executions(server):
    arn = machine(server)
    execution = sfn(server, "start-execution", "--state-machine-arn", arn, "--name", "one", "--input", '{"x": 1}')["executionArn"]
    shown = ended(server, execution)
    assert (shown["status"], shown["output"]) == ("SUCCEEDED", '{"x": 1}')
    assert sfn(server, "describe-state-machine-for-execution", "--execution-arn", execution)["definition"] == PASS
    assert [one["name"] for one in sfn(server, "list-executions", "--state-machine-arn", arn)["executions"]] == ["one"]
    # Two pages, put together by the CLI.
    events = sfn(server, "get-execution-history", "--execution-arn", execution, "--page-size", "2")["events"]
    assert [event["type"] for event in events] == ["ExecutionStarted", "PassStateEntered", "PassStateExited", "ExecutionSucceeded"]
    waiting = sfn(server, "start-execution", "--state-machine-arn", machine(server, WAIT))["executionArn"]
    sfn(server, "stop-execution", "--execution-arn", waiting, "--error", "E", "--cause", "C")
    shown = ended(server, waiting)
    assert (shown["status"], shown["error"], shown["cause"]) == ("ABORTED", "E", "C")


def test_activities(server):
    arn = activity(server)
    assert sfn(server, "describe-activity", "--activity-arn", arn)["activityArn"] == arn
    assert arn in [one["activityArn"] for one in sfn(server, "list-activities")["activities"]]
    good, bad = task(server, arn), task(server, arn)
    first = sfn(server, "get-activity-task", "--activity-arn", arn)
    sfn(server, "send-task-heartbeat", "--task-token", first["taskToken"])
    sfn(server, "send-task-success", "--task-token", first["taskToken"], "--task-output", '{"done": true}')
    sfn(server, "send-task-failure", "--task-token", token_of(server, arn), "--error", "E", "--cause", "C")
    shown = [ended(server, execution) for execution in (good, bad)]
    assert sorted((one["status"], one.get("output"), one.get("error"), one.get("cause")) for one in shown) == [
        ("FAILED", None, "E", "C"), ("SUCCEEDED", '{"done": true}', None, None)]
    sfn(server, "delete-activity", "--activity-arn", arn)
    refused(server, "ActivityDoesNotExist", "describe-activity", "--activity-arn", arn)


@pytest.mark.parametrize("operation, member, code", [
    ("describe-state-machine", "--state-machine-arn", "StateMachineDoesNotExist"),
    ("update-state-machine", "--state-machine-arn", "StateMachineDoesNotExist"),
    ("list-executions", "--state-machine-arn", "StateMachineDoesNotExist"),
    ("start-execution", "--state-machine-arn", "StateMachineDoesNotExist"),
    ("describe-execution", "--execution-arn", "ExecutionDoesNotExist"),
    ("describe-state-machine-for-execution", "--execution-arn", "ExecutionDoesNotExist"),
    ("get-execution-history", "--execution-arn", "ExecutionDoesNotExist"),
    ("stop-execution", "--execution-arn", "ExecutionDoesNotExist"),
    ("get-activity-task", "--activity-arn", "ActivityDoesNotExist"),
    ("list-tags-for-resource", "--resource-arn", "ResourceNotFound")])
def test_what_is_not_there_or_no_arn(server, operation, member, code):
    more = ["--definition", PASS] if operation == "update-state-machine" else []
    kind = "machine" if member == "--resource-arn" else member.strip("-").split("-")[-2]
    refused(server, code, operation, member, NOBODY[kind], *more)
    assert "Invalid ARN prefix: nonsense" in refused(server, "InvalidArn", operation, member, "nonsense", *more)


def test_machines_that_are_refused(server):
    def create(code, *words, name=None, role=ROLE, definition=PASS):
        return refused(server, code, "create-state-machine", "--name", name or fresh("cli"), "--role-arn", role, "--definition", definition, *words)

    arn = machine(server, name="cli-twice")
    assert "cli-twice" in create("StateMachineAlreadyExists", name="cli-twice", definition=WAIT)
    create("InvalidName", name="a*b")
    create("InvalidArn", role="nobody")
    assert "MISSING_TRANSITION_TARGET" in create("InvalidDefinition", definition='{"StartAt": "B", "States": {"A": {"Type": "Succeed"}}}')
    create("InvalidLoggingConfiguration", "--logging-configuration", "level=ALL")
    create("StateMachineTypeNotSupported", "--type", "EXPRESS")
    create("TooManyTags", "--tags", *TAGS)
    refused(server, "MissingRequiredParameter", "update-state-machine", "--state-machine-arn", arn)
    built_in = PREFIX + "stateMachine:PrePostBackup"
    refused(server, "ValidationException", "delete-state-machine", "--state-machine-arn", built_in)


def test_executions_that_are_refused(server):
    arn = machine(server)

    def start(code, *words):
        return refused(server, code, "start-execution", "--state-machine-arn", arn, *words)

    sfn(server, "start-execution", "--state-machine-arn", arn, "--name", "one", "--input", "1")
    start("ExecutionAlreadyExists", "--name", "one", "--input", "2")
    start("InvalidName", "--name", "a*b")
    start("InvalidExecutionInput", "--input", "{")
    refused(server, "InvalidToken", "list-executions", "--state-machine-arn", arn, "--starting-token", "eyJuZXh0VG9rZW4iOiAibm9uZSJ9")


def test_answers_that_are_refused(server):
    arn = activity(server)
    refused(server, "TooManyTags", "tag-resource", "--resource-arn", arn, "--tags", *TAGS)
    refused(server, "InvalidToken", "send-task-heartbeat", "--task-token", "none")
    execution = task(server, arn)
    token = token_of(server, arn)
    refused(server, "InvalidOutput", "send-task-success", "--task-token", token, "--task-output", "{")
    refused(server, "TaskDoesNotExist", "send-task-success", "--task-token", of_a_task_that_answers_for_itself(server), "--task-output", "1")
    sfn(server, "stop-execution", "--execution-arn", execution)
    refused(server, "TaskTimedOut", "send-task-failure", "--task-token", token)


def of_a_task_that_answers_for_itself(server):
    """The token that a child's input carries, of a task whose resource does not wait for it."""
    state = {"Type": "Task", "Resource": "arn:aws:states:::states:startExecution.sync", "End": True,
             "Parameters": {"StateMachineArn": machine(server, WAIT), "Input": {"token.$": "$$.Task.Token"}}}
    parent = sfn(server, "start-execution", "--state-machine-arn", machine(server, json.dumps({"StartAt": "A", "States": {"A": state}})))["executionArn"]
    events = until(lambda: [event for event in sfn(server, "get-execution-history", "--execution-arn", parent)["events"] if event["type"] == "TaskScheduled"], 20)
    return json.loads(events[0]["taskScheduledEventDetails"]["parameters"])["Input"]["token"]


def test_limits(tmp_path_factory):
    file = tmp_path_factory.mktemp("small") / "small.toml"
    file.write_text("[executions]\nmost_open = 1\nmost_state_machines = 1\nmost_activities = 1\n")
    small = make(tmp_path_factory, args=["--config", str(file)])
    try:
        arn = machine(small, WAIT)  # what is built in does not count
        refused(small, "StateMachineLimitExceeded", "create-state-machine", "--name", "more", "--role-arn", ROLE, "--definition", PASS)
        sfn(small, "start-execution", "--state-machine-arn", arn)
        refused(small, "ExecutionLimitExceeded", "start-execution", "--state-machine-arn", arn)
        activity(small)
        refused(small, "ActivityLimitExceeded", "create-activity", "--name", "more")
    finally:
        small.close()

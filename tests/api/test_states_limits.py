"""Limits of Step Functions that the configuration sets, roles of tasks, and names by which errors are caught."""
import json

import pytest

from tests.conftest import make
from tests.support.machines import ROLE, create, details, ended, fresh, history, output, refused, run, start, types

WAIT = {"A": {"Type": "Wait", "Seconds": 3600, "End": True}}
PASS = {"A": {"Type": "Pass", "End": True}}
TABLES = {"Type": "Task", "Resource": "arn:aws:states:::aws-sdk:dynamodb:listTables", "Parameters": {}, "End": True}


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A server with small limits."""
    file = tmp_path_factory.mktemp("config") / "stillpoint.toml"
    file.write_text("[executions]\nhistory_events = 50\nmost_open = 2\nmost_state_machines = 4\nmost_activities = 1\n")
    running = make(tmp_path_factory, args=["--config", str(file)])
    yield running
    running.close()


def test_open_executions(small):
    sfn = small.client("stepfunctions")
    machine = create(sfn, WAIT, name="open")
    first = start(sfn, machine, name="one")
    start(sfn, machine, name="two")
    message = refused("ExecutionLimitExceeded", sfn.start_execution, stateMachineArn=machine, name="three", input="{}")
    assert message == ("Execution Limit Exceeded: 'The maximum number of running executions (2) has been reached. Running executions must end or be stopped before "
                       "a new execution can be started.'")
    # The same call again is the execution that it started.
    assert start(sfn, machine, name="one") == first
    # The name of the refused one is free.
    sfn.stop_execution(executionArn=first)
    third = start(sfn, machine, name="three")
    assert refused("ExecutionLimitExceeded", sfn.start_execution, stateMachineArn=machine)
    # They are counted after a restart, too.
    small.restart()
    sfn = small.client("stepfunctions")
    assert refused("ExecutionLimitExceeded", sfn.start_execution, stateMachineArn=machine)
    # A task gets the error as the service writes it.
    sfn.stop_execution(executionArn=third)
    parent = create(sfn, {"A": {"Type": "Task", "Resource": "arn:aws:states:::states:startExecution", "Parameters": {"StateMachineArn": machine}, "End": True}}, name="parent")
    assert ended(sfn, start(sfn, parent))["error"] == "StepFunctions.ExecutionLimitExceededException"
    for execution in sfn.list_executions(stateMachineArn=machine, statusFilter="RUNNING")["executions"]:
        sfn.stop_execution(executionArn=execution["executionArn"])
    for name in ("open", "parent"):
        sfn.delete_state_machine(stateMachineArn=machine.replace(":open", ":" + name))


def test_state_machines(small):
    sfn = small.client("stepfunctions")
    while len(sfn.list_state_machines()["stateMachines"]) < 5:
        last = create(sfn, PASS)
    definition = json.dumps({"StartAt": "A", "States": PASS})
    message = refused("StateMachineLimitExceeded", sfn.create_state_machine, name="more", definition=definition, roleArn=ROLE)
    assert message == ("State Machine Limit Exceeded: 'The maximum number of state machines (4) has been reached. Existing state machines must be deleted before a new "
                       "state machine can be created.'")
    # What is there may be made again.
    assert create(sfn, PASS, name=last.rpartition(":")[2]) == last
    sfn.delete_state_machine(stateMachineArn=last)
    sfn.delete_state_machine(stateMachineArn=create(sfn, PASS, name="more"))


def test_activities(small):
    sfn = small.client("stepfunctions")
    made = sfn.create_activity(name="one")["activityArn"]
    assert refused("ActivityLimitExceeded", sfn.create_activity, name="two") == (
        "Activity Limit Exceeded: 'The maximum number of activities (1) has been reached. Existing activities must be deleted before a new activity can be created.'")
    assert sfn.create_activity(name="one")["activityArn"] == made
    sfn.delete_activity(activityArn=made)
    sfn.create_activity(name="two")


def test_length_of_history(small):
    sfn = small.client("stepfunctions")
    machine = create(sfn, {"A": {"Type": "Pass", "Next": "B"}, "B": {"Type": "Choice", "Choices": [{"Variable": "$", "IsPresent": False, "Next": "C"}], "Default": "A"},
                           "C": {"Type": "Succeed"}}, name="endless")
    execution = start(sfn, machine)
    shown = ended(sfn, execution)
    assert (shown["error"], shown["cause"]) == ("States.Runtime", "The execution reached the maximum number of history events (50).")
    assert len(history(sfn, execution)) == 50
    sfn.delete_state_machine(stateMachineArn=machine)


# Roles of tasks

@pytest.fixture
def sfn(server):
    return server.client("stepfunctions")


def role(server, principal, **statement):
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": principal, **statement}]}
    return server.client("iam").create_role(RoleName=fresh("r"), AssumeRolePolicyDocument=json.dumps(document))["Role"]["Arn"]


def test_a_task_under_a_role_of_its_own(server, sfn):
    arn = role(server, {"AWS": ROLE})
    for credentials in ({"RoleArn": arn}, {"RoleArn.$": "$.role"}, {"RoleArn.$": "States.Format('{}', $.role)"}):
        shown, events = run(sfn, {"A": {**TABLES, "Credentials": credentials}}, {"role": arn})
        assert shown["status"] == "SUCCEEDED", shown
        assert details(events, "TaskScheduled")["taskCredentials"] == {"roleArn": arn}
    assert "taskCredentials" not in details(run(sfn, {"A": TABLES})[1], "TaskScheduled")


@pytest.mark.parametrize("principal, more, trusted", [
    ({"AWS": "*"}, {}, True), ({"AWS": "arn:aws:iam::000000000000:root"}, {}, True), ({"AWS": ["000000000000"]}, {"Action": ["sts:TagSession", "sts:*"]}, True),
    ({"AWS": "arn:aws:iam::000000000000:role/other"}, {}, False), ({"Service": "states.amazonaws.com"}, {}, False), ({"AWS": ROLE}, {"Effect": "Deny"}, False),
    ({"AWS": ROLE}, {"Action": "sts:TagSession"}, False), ({"AWS": ROLE}, {"Condition": {"StringEquals": {"sts:ExternalId": "x"}}}, False)])
def test_whom_a_role_trusts(server, sfn, principal, more, trusted):
    arn = role(server, principal, **more)
    shown, events = run(sfn, {"A": {**TABLES, "Credentials": {"RoleArn": arn}}})
    if trusted:
        assert shown["status"] == "SUCCEEDED"
        return
    assert (shown["error"], shown["cause"]) == ("States.TaskFailed", f"The role {ROLE} is not authorized to assume the task state's role, {arn}.")
    assert types(events) == ["ExecutionStarted", "TaskStateEntered", "TaskScheduled", "TaskStarted", "TaskFailed", "ExecutionFailed"]


@pytest.mark.parametrize("arn", ["arn:aws:iam::000000000000:role/nobody", "arn:aws:iam::111122223333:role/states"])
def test_roles_that_are_not_there(sfn, arn):
    """Caught by both of its names."""
    for name in ("States.TaskFailed", "States.Permissions", "States.ALL"):
        task = {**TABLES, "Credentials": {"RoleArn": arn}, "Catch": [{"ErrorEquals": [name], "Next": "B"}]}
        assert output(sfn, {"A": task, "B": {"Type": "Pass", "End": True}}) == {
            "Error": "States.TaskFailed", "Cause": f"The role {ROLE} is not authorized to assume the task state's role, {arn}."}


@pytest.mark.parametrize("credentials, told", [
    ("r", "Expected value of type Object"), ({}, "The field 'RoleArn' is required but was missing"), ({"RoleArn": "me"}, "The value for the field 'RoleArn' must be the ARN of a role"),
    ({"RoleArn": ROLE, "User": "x"}, "Field 'User' is not supported"), ({"RoleArn.$": "nothing"}, "must be a valid JSONPath or a valid intrinsic function call")])
def test_credentials_that_are_none(sfn, credentials, told):
    definition = json.dumps({"StartAt": "A", "States": {"A": {**TABLES, "Credentials": credentials}}})
    message = refused("InvalidDefinition", sfn.create_state_machine, name="never", definition=definition, roleArn=ROLE)
    assert told in message and "/States/A/Credentials" in message


def test_a_role_that_is_computed_wrong(sfn):
    shown, _ = run(sfn, {"A": {**TABLES, "Credentials": {"RoleArn.$": "$.r"}}}, {"r": 5})
    assert shown["error"] == "States.Runtime" and shown["cause"].endswith("The field 'RoleArn' of 'Credentials' must be the ARN of a role, but is 5")


# Names by which errors are caught

MAP = {"Type": "Map", "ItemsPath": "$.l", "ItemProcessor": {"StartAt": "P", "States": {"P": {"Type": "Pass", "End": True}}}, "End": True}


@pytest.mark.parametrize("state", [
    {**TABLES, "Parameters": {"Limit.$": "$.no"}}, {**TABLES, "ResultSelector": {"x.$": "$.no"}}, {**MAP, "ItemSelector": {"x.$": "$.no"}}, {**MAP, "ResultSelector": {"x.$": "$.no"}}],
    ids=["Parameters", "ResultSelector", "ItemSelector", "ResultSelector of a Map"])
def test_paths_in_payloads_that_find_nothing(sfn, state):
    """Told as States.Runtime, as the service does, and caught by the language's name for it too; not by States.ALL."""
    def caught(name):
        return run(sfn, {"A": {**state, "Catch": [{"ErrorEquals": [name], "Next": "B"}]}, "B": {"Type": "Pass", "End": True}}, {"l": [1]})[0]
    for name in ("States.ParameterPathFailure", "States.Runtime"):
        shown = caught(name)
        assert shown["status"] == "SUCCEEDED" and json.loads(shown["output"])["Error"] == "States.Runtime"
        field = "Limit.$" if "Parameters" in state and state["Parameters"] else "x.$"
        assert f"The JSONPath '$.no' specified for the field '{field}' could not be found in the input" in json.loads(shown["output"])["Cause"]
    for name in ("States.ALL", "States.TaskFailed"):
        assert (caught(name)["status"], caught(name)["error"]) == ("FAILED", "States.Runtime")


@pytest.mark.parametrize("error, name, caught", [
    ("States.Timeout", "States.TaskFailed", False), ("States.Timeout", "States.ALL", True), ("States.DataLimitExceeded", "States.TaskFailed", False),
    ("States.Runtime", "States.TaskFailed", False), ("Own", "States.TaskFailed", True), ("States.Permissions", "States.TaskFailed", True), ("Own", "States.Permissions", False),
    ("Own", "States.HeartbeatTimeout", False), ("States.Timeout", "States.HeartbeatTimeout", False)])
def test_what_a_task_state_catches(sfn, error, name, caught):
    """A worker may tell any error; which catchers take it is the language's."""
    activity = sfn.create_activity(name=fresh("a"))["activityArn"]
    states = {"A": {"Type": "Task", "Resource": activity, "Catch": [{"ErrorEquals": [name], "Next": "B"}], "End": True}, "B": {"Type": "Pass", "End": True}}
    execution = start(sfn, create(sfn, states))
    sfn.send_task_failure(taskToken=sfn.get_activity_task(activityArn=activity)["taskToken"], error=error, cause="so")
    shown = ended(sfn, execution)
    assert shown["status"] == ("SUCCEEDED" if caught else "FAILED")
    assert (json.loads(shown["output"])["Error"] if caught else shown["error"]) == error

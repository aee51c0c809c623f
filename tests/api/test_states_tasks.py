"""Tasks that do their work in services of this server: nested executions, `aws-sdk:` calls, optimised integrations."""
import json
import subprocess

import pytest

from tests.support.machines import PREFIX, ROLE, WHILE_A, create, details, ended, history, output, refused, run, start, types
from tests.support.server import ROOT
from tests.support.until import until

PASS = {"A": {"Type": "Pass", "Result": {"Arg1": "argument1"}, "End": True}}
WAIT = {"A": {"Type": "Wait", "Seconds": 3600, "End": True}}
FAIL = {"A": {"Type": "Fail", "Error": "SomeFailure", "Cause": "because"}}
NOBODY = PREFIX + "stateMachine:nobody"


@pytest.fixture
def sfn(server):
    return server.client("stepfunctions")


def nested(suffix="", **more):
    """A state that starts the execution its input names."""
    return {"A": {"Type": "Task", "Resource": f"arn:aws:states:::states:startExecution{suffix}", "End": True,
                  "Parameters": {"StateMachineArn.$": "$.StateMachineArn", "Input.$": "$.Input", "Name.$": "$.Name"}, **more}}


def given(machine, name="child", value=None):
    return {"StateMachineArn": machine, "Input": value, "Name": name}


def child_of(machine, name="child"):
    return machine.replace(":stateMachine:", ":execution:") + ":" + name


def test_start_execution(sfn):
    child = create(sfn, PASS)
    shown, events = run(sfn, nested(), given(child))
    assert shown["status"] == "SUCCEEDED"
    assert types(events) == ["ExecutionStarted", "TaskStateEntered", "TaskScheduled", "TaskStarted", "TaskSucceeded", "TaskStateExited", "ExecutionSucceeded"]
    result = json.loads(shown["output"])
    assert set(result) == {"ExecutionArn", "StartDate", "SdkHttpMetadata", "SdkResponseMetadata"}
    assert result["ExecutionArn"] == child_of(child) and isinstance(result["StartDate"], int)
    request = result["SdkResponseMetadata"]["RequestId"]
    http = result["SdkHttpMetadata"]
    assert http["HttpStatusCode"] == 200 and http["HttpHeaders"]["x-amzn-RequestId"] == request
    assert http["AllHttpHeaders"]["Content-Type"] == ["application/x-amz-json-1.0"]
    assert ended(sfn, child_of(child))["input"] == "{}"


@pytest.mark.parametrize("suffix, kept", [(".sync", json.dumps), (".sync:2", lambda value: value)])
def test_start_execution_and_wait_for_its_end(sfn, suffix, kept):
    child = create(sfn, PASS)
    shown, events = run(sfn, nested(suffix), given(child, value={"a": 1}))
    assert types(events) == ["ExecutionStarted", "TaskStateEntered", "TaskScheduled", "TaskStarted", "TaskSubmitted", "TaskSucceeded", "TaskStateExited", "ExecutionSucceeded"]
    assert details(events, "TaskScheduled")["resource"] == "startExecution" + suffix
    result = json.loads(shown["output"])
    assert isinstance(result.pop("StartDate"), int) and isinstance(result.pop("StopDate"), int)
    for name in ("Input", "Output"):
        if suffix == ".sync":
            result[name] = json.loads(result[name])
    assert result == {"ExecutionArn": child_of(child), "Input": {"a": 1}, "InputDetails": {"Included": True}, "Name": "child", "Output": {"Arg1": "argument1"},
                      "OutputDetails": {"Included": True}, "StateMachineArn": child, "Status": "SUCCEEDED"}
    assert isinstance(json.loads(shown["output"])["Output"], type(kept({})))


@pytest.mark.parametrize("suffix", [".sync", ".sync:2"])
def test_a_child_that_fails(sfn, suffix):
    child = create(sfn, FAIL)
    shown, events = run(sfn, nested(suffix), given(child))
    assert (shown["status"], shown["error"]) == ("FAILED", "States.TaskFailed")
    cause = json.loads(shown["cause"])
    assert {key: cause[key] for key in ("Cause", "Error", "ExecutionArn", "Name", "Status")} == {
        "Cause": "because", "Error": "SomeFailure", "ExecutionArn": child_of(child), "Name": "child", "Status": "FAILED"}
    assert "Output" not in cause and details(events, "TaskFailed")["error"] == "States.TaskFailed"


def test_a_child_that_is_stopped_fails_its_task(sfn):
    child = create(sfn, WAIT)
    execution = start(sfn, create(sfn, nested(".sync")), given(child))
    sfn.stop_execution(executionArn=child_of(child), error="Me", cause="so")
    cause = json.loads(ended(sfn, execution)["cause"])
    assert (cause["Status"], cause["Error"], cause["Cause"]) == ("ABORTED", "Me", "so")


def test_a_stopped_parent_stops_its_child(sfn):
    child = create(sfn, WAIT)
    parent = create(sfn, nested(".sync:2"))
    execution = start(sfn, parent, given(child))
    assert sfn.describe_execution(executionArn=child_of(child))["status"] == "RUNNING"
    sfn.stop_execution(executionArn=execution)
    assert ended(sfn, child_of(child))["status"] == "ABORTED"
    # Without .sync nobody waits for it.
    execution = start(sfn, create(sfn, {**nested(Next="B", End=False), "B": WAIT["A"]}), given(child, "other"))
    until(lambda: len(history(sfn, execution)) > 6)
    sfn.stop_execution(executionArn=execution)
    assert sfn.describe_execution(executionArn=child_of(child, "other"))["status"] == "RUNNING"


def test_iterations_that_wait_for_one_child(sfn):
    """StartExecution of a name and an input that run already is that execution: all that wait for it end with it."""
    child = create(sfn, {"A": {"Type": "Wait", "Seconds": 2, "Next": "B"}, "B": PASS["A"]})
    states = {"A": {"Type": "Map", "ItemsPath": "$.items", "ItemProcessor": {"StartAt": "B", "States": {"B": {
        "Type": "Task", "Resource": "arn:aws:states:::states:startExecution.sync:2", "End": True, "Parameters": {"StateMachineArn": child, "Name": "one", "Input": {"a": 1}}}}}, "End": True}}
    told = output(sfn, states, {"items": [1, 2]})
    assert [each["ExecutionArn"] for each in told] == [child_of(child, "one")] * 2
    assert [each["Output"] for each in told] == [{"Arg1": "argument1"}] * 2


def test_a_child_is_stopped_with_the_last_parent_that_waits_for_it(sfn):
    child = create(sfn, WAIT)
    parent = create(sfn, nested(".sync"))
    first, second = (start(sfn, parent, given(child)) for _ in range(2))
    until(lambda: all("TaskSubmitted" in types(history(sfn, each)) for each in (first, second)))
    sfn.stop_execution(executionArn=second)
    assert ended(sfn, second)["status"] == "ABORTED"
    assert sfn.describe_execution(executionArn=child_of(child))["status"] == "RUNNING"
    assert sfn.describe_execution(executionArn=first)["status"] == "RUNNING"
    third = start(sfn, parent, given(child))
    until(lambda: "TaskSubmitted" in types(history(sfn, third)))
    sfn.stop_execution(executionArn=first)
    assert sfn.describe_execution(executionArn=child_of(child))["status"] == "RUNNING"
    sfn.stop_execution(executionArn=third)
    assert ended(sfn, child_of(child))["status"] == "ABORTED"


def test_a_parents_timeout_stops_its_child(sfn):
    child = create(sfn, WAIT)
    shown, _ = run(sfn, nested(".sync", TimeoutSeconds=1), given(child))
    assert shown["error"] == "States.Timeout"
    assert ended(sfn, child_of(child))["status"] == "ABORTED"


def test_no_such_machine(sfn):
    shown, events = run(sfn, nested(), given(NOBODY))
    assert shown["error"] == "StepFunctions.StateMachineDoesNotExistException"
    assert shown["cause"].startswith(f"State Machine Does Not Exist: '{NOBODY}' (Service: AWSStepFunctions; Status Code: 400; Error Code: StateMachineDoesNotExist; Request ID: ")
    assert shown["cause"].endswith("; Proxy: null)")
    assert types(events)[-2:] == ["TaskFailed", "ExecutionFailed"]


def test_a_name_in_use(sfn):
    child = create(sfn, PASS)
    ended(sfn, start(sfn, child, name="child"))
    assert run(sfn, nested(".sync"), given(child))[0]["error"] == "StepFunctions.ExecutionAlreadyExistsException"


def test_children_of_children(sfn):
    leaf = create(sfn, PASS)
    middle = create(sfn, nested(".sync:2"))
    shown, _ = run(sfn, nested(".sync:2"), given(middle, "m", given(leaf, "l")))
    assert json.loads(shown["output"])["Output"]["Output"] == {"Arg1": "argument1"}


def test_kill_while_a_child_runs(fresh_server):
    sfn = fresh_server.client("stepfunctions")
    child = create(sfn, {"A": {"Type": "Wait", "Seconds": 1, "Next": "B"}, "B": {"Type": "Pass", "Result": 7, "End": True}})
    execution = start(sfn, create(sfn, nested(".sync:2")), given(child))
    fresh_server.kill()
    fresh_server.start()
    assert json.loads(ended(fresh_server.client("stepfunctions"), execution)["output"])["Output"] == 7


# EventBridge by the SDK's names

def bridge(action, **parameters):
    return {"A": {"Type": "Task", "Resource": f"arn:aws:states:::aws-sdk:eventbridge:{action}", "Parameters": parameters, "End": True}}


def test_eventbridge(server, sfn):
    events, bus, machine = server.client("events"), "of-tasks", create(sfn, PASS)
    assert output(sfn, bridge("createEventBus", Name=bus))["EventBusArn"].endswith(":event-bus/" + bus)
    assert output(sfn, bridge("putRule", Name="r", EventBusName=bus, EventPattern=json.dumps({"source": ["task"]})))["RuleArn"].endswith(f":rule/{bus}/r")
    target = {"Id": "1", "Arn": machine, "RoleArn": "arn:aws:iam::000000000000:role/r",
              "InputTransformer": {"InputPathsMap": {"what": "$.detail.what"}, "InputTemplate": '{"got":<what>}'}}
    assert output(sfn, bridge("putTargets", Rule="r", EventBusName=bus, Targets=[target])) == {"FailedEntryCount": 0, "FailedEntries": []}
    # Names in a map are whoever put it there's.
    assert output(sfn, bridge("listTargetsByRule", Rule="r", EventBusName=bus))["Targets"] == [target] == events.list_targets_by_rule(Rule="r", EventBusName=bus)["Targets"]
    sent = output(sfn, bridge("putEvents", Entries=[{"Source": "task", "DetailType": "t", "Detail": json.dumps({"what": 7}), "EventBusName": bus}]))
    assert sent["FailedEntryCount"] == 0 and set(sent["Entries"][0]) == {"EventId"}
    started = until(lambda: sfn.list_executions(stateMachineArn=machine)["executions"])
    assert ended(sfn, started[0]["executionArn"])["input"] == '{"got":7}'


@pytest.mark.parametrize("action, parameters, error", [
    ("describeRule", {"Name": "nobody"}, "ResourceNotFoundException"), ("testEventPattern", {"EventPattern": "{", "Event": "{}"}, "InvalidEventPatternException"),
    ("putRule", {"Name": "r"}, "EventBridgeException"), ("putEvents", {"Entries": []}, "EventBridgeException")])
def test_errors_of_eventbridge(sfn, action, parameters, error):
    shown, _ = run(sfn, bridge(action, **parameters))
    assert shown["error"] == "EventBridge." + error
    assert "(Service: EventBridge, Status Code: 400, Request ID: " in shown["cause"]


@pytest.mark.parametrize("resource, parameters, field", [
    ("aws-sdk:ec2:describeInstances", {"filters": [{"Name": "tag:x", "Values": ["y"]}]}, "filters"), ("aws-sdk:sfn:listActivities", {"maxResults": 1}, "maxResults"),
    ("dynamodb:putItem", {"TableName": "t", "Item": {"id": "x"}, "conditionExpression": "attribute_not_exists(id)"}, "conditionExpression"),
    ("dynamodb:deleteItem", {"TableName": "t", "Key": {"id": "x"}, "Conditionexpression": "a = b"}, "Conditionexpression"),
    ("states:startExecution", {"StateMachineArn": NOBODY, "input": {}}, "input"), ("ec2:stopInstances.sync", {"InstanceIDs": ["i-1"]}, "InstanceIDs"),
    ("events:putEvents", {"Entries": [{"Source": "s", "DetailType": "t", "Detail": {}, "eventBusName": "x"}]}, "eventBusName")])
def test_members_that_are_misspelt(sfn, resource, parameters, field):
    """Left out in silence they would make a call do more than was asked: describe, and then stop, all machines."""
    task = {"Type": "Task", "Resource": f"arn:aws:states:::{resource}", "End": True}
    computed = {name + ".$" if name == field else name: "$.x" if name == field else value for name, value in parameters.items()}
    for written in (parameters, computed):
        message = refused("InvalidDefinition", sfn.create_state_machine, name="never", roleArn=ROLE, definition=json.dumps({"StartAt": "A", "States": {"A": {**task, "Parameters": written}}}))
        assert message == f"""Invalid State Machine Definition: 'SCHEMA_VALIDATION_FAILED: The field "{field}" is not supported by Step Functions at /States/A/Parameters'"""
    # Where only the input says what the parameters are, the task tells it.
    if resource.startswith(("aws-sdk:", "ec2:")):
        shown, _ = run(sfn, {"A": task}, parameters)
        said = json.dumps(parameters, separators=(",", ":"))
        assert (shown["error"], shown["cause"]) == ("States.Runtime", f"""{WHILE_A}The Parameters '{said}' could not be used to start the Task: [The field "{field}" is not supported by Step Functions]""")


def test_members_that_are_misspelt_within_what_the_input_says(server, sfn):
    """In the lists and structures of the operation's input too."""
    task = {"Type": "Task", "Resource": "arn:aws:states:::aws-sdk:eventbridge:putTargets", "Parameters": {"Rule": "r", "Targets.$": "$.targets"}, "End": True}
    shown, _ = run(sfn, {"A": task}, {"targets": [{"Id": "1", "Arn": "a", "input": "{}"}]})
    assert shown["error"] == "States.Runtime" and shown["cause"].endswith('[The field "input" is not supported by Step Functions]')


@pytest.mark.parametrize("action, member, values, good, found", [
    ("listCommands", "Filters", "Value", {"Key": "DocumentName", "Value": "nothing-like-it"}, {"Commands": []}),
    ("listCommandInvocations", "Filters", "Value", {"Key": "DocumentName", "Value": "nothing-like-it"}, {"CommandInvocations": []}),
    ("listDocuments", "DocumentFilterList", "Value", {"Key": "Name", "Value": "nothing-like-it"}, {"DocumentIdentifiers": []}),
    ("describeInstanceInformation", "InstanceInformationFilterList", "ValueSet", {"Key": "tag:nothing-like-it", "ValueSet": ["x"]}, {"InstanceInformationList": []})])
def test_filters_that_ssm_spells_in_lower_case(server, sfn, action, member, values, good, found):
    server.client("ssm").send_command(DocumentName="AWS-RunShellScript", Targets=[{"Key": "tag:nothing-like-it", "Values": ["x"]}], Parameters={"commands": ["true"]})
    task = {"Type": "Task", "Resource": f"arn:aws:states:::aws-sdk:ssm:{action}", "End": True}
    for parameters in ({member: [good]}, {f"{member}.$": "$"}):
        shown, _ = run(sfn, {"A": {**task, "Parameters": parameters}}, [good])
        assert json.loads(shown["output"]) == found
    bad = {"Key": "Nonsense", values: ["x"] if values == "ValueSet" else "x"}
    shown, _ = run(sfn, {"A": {**task, "Parameters": {member: [bad]}}})
    assert shown["error"] == "Ssm.InvalidFilterKeyException" and "'Nonsense'" in shown["cause"]


def test_parameters_that_are_no_object(sfn):
    shown, _ = run(sfn, {"A": {"Type": "Task", "Resource": "arn:aws:states:::aws-sdk:sfn:listActivities", "End": True}}, [1])
    assert (shown["error"], shown["cause"]) == ("States.Runtime", WHILE_A + "The Parameters '[1]' could not be used to start the Task: [they must be an object]")


@pytest.mark.parametrize("action, member", [("states:startExecution.sync", "StateMachineArn"), ("dynamodb:deleteItem", "TableName"), ("events:putEvents", "Entries"), ("lambda:invoke", "FunctionName")])
def test_members_that_the_input_leaves_out(sfn, action, member):
    parameters = {member + ".$": "$.x", **({"Key": {"id": {"S": "x"}}} if "dynamodb" in action else {})}
    shown, _ = run(sfn, {"A": {"Type": "Task", "Resource": f"arn:aws:states:::{action}", "Parameters": parameters, "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "B"}], "Next": "B"},
                         "B": {"Type": "Pass", "End": True}}, {"x": None})
    assert (shown["status"], shown["error"]) == ("FAILED", "States.Runtime")
    assert shown["cause"].startswith(WHILE_A) and shown["cause"].endswith(f"[The field '{member}' is required but was missing]")


@pytest.mark.parametrize("action, members", [
    ("states:startExecution.sync:2", ["StateMachineArn"]), ("dynamodb:putItem", ["TableName", "Item"]), ("dynamodb:getItem", ["TableName", "Key"]),
    ("events:putEvents.waitForTaskToken", ["Entries"]), ("lambda:invoke", ["FunctionName"])])
def test_members_that_are_missing(sfn, action, members):
    def told(**more):
        states = {"A": {"Type": "Task", "Resource": f"arn:aws:states:::{action}", "End": True, **more}}
        return refused("InvalidDefinition", sfn.create_state_machine, name="never", roleArn=ROLE, definition=json.dumps({"StartAt": "A", "States": states}))
    for member in members:
        assert f"SCHEMA_VALIDATION_FAILED: The field '{member}' is required but was missing at /States/A/Parameters" in told(Parameters={})
    assert f"SCHEMA_VALIDATION_FAILED: Parameters field is required for resource ARN: arn:aws:states:::{action} at /States/A'" in told()


def test_the_table_of_members_is_the_models_own():
    subprocess.run(["/usr/bin/python3", ROOT / "tools" / "members.py", "--check"], check=True)

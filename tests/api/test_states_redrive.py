"""RedriveExecution, ValidateStateMachineDefinition and the members that Debian's boto3 does not know yet: signed calls below it."""
import json

import pytest

from tests.support import signed
from tests.support.machines import PREFIX, create, ended, fresh, history, output, refused, run, start, types

TARGET = "AWSStepFunctions."


@pytest.fixture
def sfn(server):
    return server.client("stepfunctions")


def call(server, operation, **body):
    """A call's answer, or "Code: message"."""
    status, answer = signed.call_json(server, "states", TARGET + operation, body)
    return answer if status == 200 else f"{answer['__type'].rpartition('#')[2]}: {answer['message']}"


def describe(server, execution):
    return call(server, "DescribeExecution", executionArn=execution)


def tasks(arn, **more):
    return {"A": {"Type": "Pass", "Result": 1, "ResultPath": "$.a", "Next": "B"}, "B": {"Type": "Task", "Resource": arn, "End": True, **more}}


def failed(server, sfn):
    """An execution whose activity's task failed; its ARN and the activity's."""
    arn = sfn.create_activity(name=fresh("a"))["activityArn"]
    execution = start(sfn, create(sfn, tasks(arn)), {"x": 1})
    sfn.send_task_failure(taskToken=sfn.get_activity_task(activityArn=arn)["taskToken"], error="E", cause="C")
    return execution, arn


def redriven_between_kills(server, execution):
    """Redrives it on a server that was killed just before and is killed just after; a client of the one that follows."""
    server.kill()
    server.start()
    call(server, "RedriveExecution", executionArn=execution)
    server.kill()
    server.start()
    return server.client("stepfunctions")


def test_redrive_goes_on_at_the_failed_state(server, sfn):
    execution, arn = failed(server, sfn)
    before = describe(server, execution)
    assert (before["status"], before["redriveStatus"], before["redriveCount"]) == ("FAILED", "REDRIVABLE", 0)
    redriven = call(server, "RedriveExecution", executionArn=execution)
    assert redriven["redriveDate"] > before["stopDate"] - 1
    during = describe(server, execution)
    assert (during["status"], during["redriveCount"], during["redriveStatus"]) == ("RUNNING", 1, "NOT_REDRIVABLE")
    assert during["redriveDate"] == redriven["redriveDate"] and "error" not in during and "stopDate" not in during
    assert during["redriveStatusReason"] == "Execution is RUNNING and cannot be redriven"
    task = sfn.get_activity_task(activityArn=arn)
    assert json.loads(task["input"]) == {"x": 1, "a": 1}
    sfn.send_task_success(taskToken=task["taskToken"], output="2")
    assert ended(sfn, execution)["output"] == "2"
    events = call(server, "GetExecutionHistory", executionArn=execution)["events"]
    assert types(events)[-6:] == ["ExecutionFailed", "ExecutionRedriven", "ActivityScheduled", "ActivityStarted", "ActivitySucceeded", "TaskStateExited", "ExecutionSucceeded"][-6:]
    event = next(e for e in events if e["type"] == "ExecutionRedriven")
    assert event["executionRedrivenEventDetails"] == {"redriveCount": 1} and event["previousEventId"] == event["id"] - 1


def test_a_refused_run_is_validated_anew(server, sfn):
    """A copy of the built-in machine begins again with its validation; tests/e2e/test_redrive.py has runs that touched machines."""
    built_in = next(m["stateMachineArn"] for m in sfn.list_state_machines()["stateMachines"] if m["name"] == "PrePostBackup")
    own = sfn.start_execution(stateMachineArn=built_in, input="{}")["executionArn"]
    assert ended(sfn, own)["status"] == "FAILED" and describe(server, own)["redriveStatus"] == "NOT_REDRIVABLE"
    assert call(server, "RedriveExecution", executionArn=own).startswith("ExecutionNotRedrivable: ")
    definition = sfn.describe_state_machine(stateMachineArn=built_in)["definition"]
    copy = sfn.create_state_machine(name=fresh("copy"), definition=definition, roleArn="arn:aws:iam::000000000000:role/r")["stateMachineArn"]
    execution = sfn.start_execution(stateMachineArn=copy, input="{}")["executionArn"]
    assert ended(sfn, execution)["status"] == "FAILED" and describe(server, execution)["redriveStatus"] == "REDRIVABLE"
    call(server, "RedriveExecution", executionArn=execution)
    assert ended(sfn, execution)["error"] == "Stillpoint.InvalidInput"
    assert describe(server, execution)["redriveCount"] == 1
    assert types(history(sfn, execution)).count("TaskFailed") == 2
    row = server.client("dynamodb").get_item(TableName="PrePostBackupLog", Key={"SM_Execution_ID": {"S": execution}}, ConsistentRead=True)["Item"]
    assert (row["Status"]["S"], row["RedriveCount"]["S"]) == ("FAILED", "1")


def nested(suffix, **more):
    return {"A": {"Type": "Task", "Resource": f"arn:aws:states:::states:startExecution{suffix}", "End": True, "Parameters": {"StateMachineArn.$": "$.m"}, **more}}


def child_of(sfn, execution):
    """The last child that a task of this execution submitted."""
    told = [e for e in history(sfn, execution) if e["type"] == "TaskSubmitted"][-1]
    return json.loads(told["taskSubmittedEventDetails"]["output"])


@pytest.mark.parametrize("suffix", [".sync", ".sync:2"])
def test_redriving_a_parent_redrives_its_failed_child(server, sfn, suffix):
    arn = sfn.create_activity(name=fresh("a"))["activityArn"]
    leaf = create(sfn, {"P": {"Type": "Pass", "Result": 1, "Next": "T"}, "T": {"Type": "Task", "Resource": arn, "End": True}}, start="P")
    middle = create(sfn, nested(suffix))
    execution = start(sfn, create(sfn, nested(suffix, Parameters={"StateMachineArn": middle, "Input": {"m": leaf}})))
    sfn.send_task_failure(taskToken=sfn.get_activity_task(activityArn=arn)["taskToken"], error="E", cause="C")
    assert ended(sfn, execution)["error"] == "States.TaskFailed"
    child = child_of(sfn, execution)["ExecutionArn"]
    grandchild = child_of(sfn, child)["ExecutionArn"]
    call(server, "RedriveExecution", executionArn=execution)
    again = child_of(sfn, execution)
    assert again["ExecutionArn"] == child and again["RedriveDate"] >= again["StartDate"]
    assert {one: describe(server, one)["redriveCount"] for one in (execution, child, grandchild)} == {execution: 1, child: 1, grandchild: 1}
    sfn.send_task_success(taskToken=sfn.get_activity_task(activityArn=arn)["taskToken"], output='"done"')
    shown = ended(sfn, execution)
    assert shown["status"] == "SUCCEEDED", shown
    assert ended(sfn, grandchild)["output"] == '"done"'
    # It went on where it failed, and no other was started.
    assert types(history(sfn, grandchild)).count("PassStateEntered") == 1
    assert len(sfn.list_executions(stateMachineArn=leaf)["executions"]) == len(sfn.list_executions(stateMachineArn=middle)["executions"]) == 1
    assert types(history(sfn, execution))[-6:] == ["ExecutionRedriven", "TaskScheduled", "TaskStarted", "TaskSubmitted", "TaskSucceeded", "TaskStateExited", "ExecutionSucceeded"][-6:]


def test_a_stopped_parent_goes_on_with_its_stopped_child(server, sfn):
    leaf = create(sfn, {"A": {"Type": "Wait", "Seconds": 1, "End": True}})
    execution = start(sfn, create(sfn, nested(".sync:2")), {"m": leaf})
    child = child_of(sfn, execution)["ExecutionArn"]
    sfn.stop_execution(executionArn=execution)
    assert ended(sfn, child)["status"] == "ABORTED"
    call(server, "RedriveExecution", executionArn=execution)
    assert ended(sfn, execution)["status"] == ended(sfn, child)["status"] == "SUCCEEDED"
    assert describe(server, child)["redriveCount"] == 1


def test_a_child_that_was_redriven_by_itself_is_taken_as_it_is(server, sfn):
    arn = sfn.create_activity(name=fresh("a"))["activityArn"]
    leaf = create(sfn, {"T": {"Type": "Task", "Resource": arn, "End": True}}, start="T")
    execution = start(sfn, create(sfn, nested(".sync:2")), {"m": leaf})
    sfn.send_task_failure(taskToken=sfn.get_activity_task(activityArn=arn)["taskToken"])
    ended(sfn, execution)
    child = child_of(sfn, execution)["ExecutionArn"]
    call(server, "RedriveExecution", executionArn=child)
    sfn.send_task_success(taskToken=sfn.get_activity_task(activityArn=arn)["taskToken"], output="5")
    assert ended(sfn, child)["status"] == "SUCCEEDED"
    call(server, "RedriveExecution", executionArn=execution)
    assert json.loads(ended(sfn, execution)["output"])["Output"] == 5
    assert describe(server, child)["redriveCount"] == 1


def test_retries_of_a_redriven_task_start_new_children(server, sfn):
    leaf = create(sfn, {"A": {"Type": "Fail", "Error": "E"}})
    parent = create(sfn, nested(".sync", Retry=[{"ErrorEquals": ["States.ALL"], "MaxAttempts": 1, "IntervalSeconds": 1}]))
    execution = start(sfn, parent, {"m": leaf})
    ended(sfn, execution)
    second = child_of(sfn, execution)["ExecutionArn"]
    assert len(sfn.list_executions(stateMachineArn=leaf)["executions"]) == 2
    call(server, "RedriveExecution", executionArn=execution)
    assert ended(sfn, execution)["status"] == "FAILED"
    # The last try's child went on; the retry after it began another.
    assert len(sfn.list_executions(stateMachineArn=leaf)["executions"]) == 3
    assert describe(server, second)["redriveCount"] == 1


def test_redriven_children_survive_a_kill(fresh_server):
    sfn = fresh_server.client("stepfunctions")
    arn = sfn.create_activity(name=fresh("a"))["activityArn"]
    leaf = create(sfn, {"T": {"Type": "Task", "Resource": arn, "End": True}}, start="T")
    execution = start(sfn, create(sfn, nested(".sync:2")), {"m": leaf})
    sfn.send_task_failure(taskToken=sfn.get_activity_task(activityArn=arn)["taskToken"])
    ended(sfn, execution)
    sfn = redriven_between_kills(fresh_server, execution)
    sfn.send_task_success(taskToken=sfn.get_activity_task(activityArn=arn)["taskToken"], output="6")
    assert json.loads(ended(sfn, execution)["output"])["Output"] == 6
    assert len(sfn.list_executions(stateMachineArn=leaf)["executions"]) == 1


@pytest.mark.parametrize("how", ["stopped", "timed out"])
def test_redrive_after_stop_and_timeout(server, sfn, how):
    states = {"A": {"Type": "Parallel", "End": True, "Branches": [
        {"StartAt": "P", "States": {"P": {"Type": "Pass", "Result": 1, "End": True}}},
        {"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 2, "End": True}}}]}}
    execution = start(sfn, create(sfn, states, **({"TimeoutSeconds": 1} if how == "timed out" else {})))
    if how == "stopped":
        sfn.stop_execution(executionArn=execution)
    assert ended(sfn, execution)["status"] == ("ABORTED" if how == "stopped" else "TIMED_OUT")
    assert "redriveDate" in call(server, "RedriveExecution", executionArn=execution)
    shown = ended(sfn, execution)
    if how == "timed out":
        # Its time begins anew, and is too short again.
        assert shown["status"] == "TIMED_OUT"
        return
    assert json.loads(shown["output"]) == [1, {}]
    assert types(history(sfn, execution)).count("PassStateEntered") == 1


def test_redrive_of_what_cannot_be(server, sfn):
    done = start(sfn, create(sfn, {"A": {"Type": "Pass", "End": True}}))
    ended(sfn, done)
    assert call(server, "RedriveExecution", executionArn=done) == "ExecutionNotRedrivable: Execution Not Redrivable: 'Execution is SUCCEEDED and cannot be redriven'"
    running = start(sfn, create(sfn, {"A": {"Type": "Wait", "Seconds": 600, "End": True}}))
    assert "RUNNING" in call(server, "RedriveExecution", executionArn=running)
    unknown = PREFIX + "execution:m:nobody"
    assert call(server, "RedriveExecution", executionArn=unknown) == f"ExecutionDoesNotExist: Execution Does Not Exist: '{unknown}'"
    assert call(server, "RedriveExecution", executionArn="x").startswith("InvalidArn: ")


def test_redrive_twice_with_one_token(server, sfn):
    execution, _ = failed(server, sfn)
    first = call(server, "RedriveExecution", executionArn=execution, clientToken="t")
    assert call(server, "RedriveExecution", executionArn=execution, clientToken="t") == first
    assert call(server, "RedriveExecution", executionArn=execution, clientToken="u").startswith("ExecutionNotRedrivable: ")
    assert describe(server, execution)["redriveCount"] == 1


def test_list_redriven_executions(server, sfn):
    machine = create(sfn, {"A": {"Type": "Fail"}})
    plain, again = start(sfn, machine), start(sfn, machine)
    ended(sfn, plain), ended(sfn, again)
    call(server, "RedriveExecution", executionArn=again)
    assert ended(sfn, again)["status"] == "FAILED"

    def listed(**more):
        page = call(server, "ListExecutions", stateMachineArn=machine, **more)
        return [(one["executionArn"], one["redriveCount"]) for one in page["executions"]]
    assert listed(redriveFilter="REDRIVEN") == [(again, 1)]
    assert listed(redriveFilter="NOT_REDRIVEN") == [(plain, 0)]
    assert listed(statusFilter="FAILED", redriveFilter="REDRIVEN") == [(again, 1)]
    assert listed(statusFilter="RUNNING") == []
    assert "mapRunArn" in call(server, "ListExecutions", mapRunArn=PREFIX + "mapRun:m/l:x")
    assert call(server, "ListExecutions", stateMachineArn=machine, redriveFilter="x").startswith("ValidationException: ")


def test_redrive_survives_a_kill(fresh_server):
    sfn = fresh_server.client("stepfunctions")
    execution, arn = failed(fresh_server, sfn)
    sfn = redriven_between_kills(fresh_server, execution)
    sfn.send_task_success(taskToken=sfn.get_activity_task(activityArn=arn)["taskToken"], output="3")
    assert ended(sfn, execution)["output"] == "3"


def test_redrive_of_a_map_goes_back_to_borne_failures(fresh_server):
    names = ["/redrive/a", "/redrive/b", "/redrive/c"]
    get = {"Type": "Task", "Resource": "arn:aws:states:::aws-sdk:ssm:getParameter", "Parameters": {"Name.$": "$"}, "OutputPath": "$.Parameter.Value", "End": True}
    over = {"Type": "Map", "ToleratedFailureCount": 1, "MaxConcurrency": 1, "ItemProcessor": {"StartAt": "G", "States": {"G": get}}, "End": True}
    sfn = fresh_server.client("stepfunctions")
    execution = start(sfn, create(sfn, {"A": over}), names)
    assert ended(sfn, execution)["error"] == "States.ExceedToleratedFailureThreshold"
    for name in names:
        fresh_server.client("ssm").put_parameter(Name=name, Value="v" + name, Type="String")
    sfn = redriven_between_kills(fresh_server, execution)
    assert json.loads(ended(sfn, execution)["output"]) == ["v" + name for name in names]


def test_redrive_count_in_the_context_object(server, sfn):
    machine = create(sfn, {"A": {"Type": "Pass", "Parameters": {"n.$": "$$.Execution.RedriveCount"}, "Next": "B"}, "B": {"Type": "Fail", "ErrorPath": "States.Format('{}', $$.Execution.RedriveCount)"}})
    execution = start(sfn, machine)
    assert ended(sfn, execution)["error"] == "0"
    call(server, "RedriveExecution", executionArn=execution)
    assert ended(sfn, execution)["error"] == "1"


def validate(server, definition, **more):
    return call(server, "ValidateStateMachineDefinition", definition=definition if isinstance(definition, str) else json.dumps(definition), **more)


def diagnostics(answer):
    return [(one["severity"], one["code"], one["message"], one.get("location")) for one in answer["diagnostics"]]


def machine_of(**state):
    return {"StartAt": "A", "States": {"A": {"End": True, **state}}}


def test_validate_a_good_definition(server):
    assert validate(server, machine_of(Type="Pass")) == {"result": "OK", "diagnostics": [], "truncated": False}
    assert validate(server, machine_of(Type="Pass"), type="EXPRESS")["result"] == "OK"


@pytest.mark.parametrize("definition, told", [
    ("", ("SCHEMA_VALIDATION_FAILED", "Definition must be a valid JSON object", None)),
    ("[]", ("SCHEMA_VALIDATION_FAILED", "Definition must be a valid JSON object", None)),
    ({}, ("SCHEMA_VALIDATION_FAILED", "These fields are required: [States, StartAt]", "/")),
    ({"States": {"A": {"Type": "Pass", "End": True}}}, ("SCHEMA_VALIDATION_FAILED", "These fields are required: [StartAt]", "/")),
])
def test_validate_what_is_no_definition(server, definition, told):
    answer = validate(server, definition)
    assert answer["result"] == "FAIL" and diagnostics(answer) == [("ERROR", *told)]


def test_validate_tells_everything_at_once(server):
    answer = validate(server, {"StartAt": "A", "States": {
        "A": {"Type": "Pass", "Foo": 1, "Next": "B"}, "B": {"Type": "Wait", "Seconds": -1, "Next": "nowhere"}, "C": {"Type": "Task", "Resource": "x", "End": True}}})
    assert {(code, location) for _, code, _, location in diagnostics(answer)} == {
        ("SCHEMA_VALIDATION_FAILED", "/States/A"), ("SCHEMA_VALIDATION_FAILED", "/States/B/Seconds"),
        ("MISSING_TRANSITION_TARGET", "/States/B/Next"), ("SCHEMA_VALIDATION_FAILED", "/States/C/Resource"), ("MISSING_TRANSITION_TARGET", "/States/C")}
    short = validate(server, {"StartAt": "A", "States": {"A": {"Type": "Pass", "Foo": 1, "Bar": 2, "Baz": 3, "End": True}}}, maxResults=2)
    assert len(short["diagnostics"]) == 2 and short["truncated"] is True


@pytest.mark.parametrize("resource, told", [
    (PREFIX + "activity:a", "Express state machine does not support Activity ARN"),
    ("arn:aws:states:::states:startExecution.sync", "Express state machine does not support '.sync' service integration"),
    ("arn:aws:states:::states:startExecution.waitForTaskToken", "Express state machine does not support '.waitForTaskToken' service integration "),
])
def test_validate_express(server, resource, told):
    definition = machine_of(Type="Task", Resource=resource, Parameters={"StateMachineArn": "x"})
    assert validate(server, definition)["result"] == "OK"
    assert diagnostics(validate(server, definition, type="EXPRESS")) == [("ERROR", "SCHEMA_VALIDATION_FAILED", told, "/States/A/Resource")]


def test_validate_wrong_types(server):
    answer = validate(server, {"StartAt": 5, "States": [], "Comment": 5, "Version": 2})
    assert {(message, location) for _, _, message, location in diagnostics(answer)} == {
        ("Expected value of type String", "/StartAt"), ("Expected value of type Object", "/States"), ("Expected value of type String", "/Comment"), ("Expected value of type String", "/Version")}
    answer = validate(server, {"StartAt": "A", "States": {
        "A": {"Type": "Task", "Resource": 5, "Parameters": 5, "Next": "B"}, "B": {"Type": "Parallel", "Branches": {}, "Next": "C"}, "C": {"Type": "Map", "ItemProcessor": 5, "ItemSelector": 5, "Next": "D"},
        "D": {"Type": "Choice", "Choices": {}}}})
    assert {(message, location) for _, _, message, location in diagnostics(answer)} == {
        ("Expected value of type String", "/States/A/Resource"), ("Expected value of type Object", "/States/A/Parameters"), ("Expected value of type Array", "/States/B/Branches"),
        ("Expected value of type Object", "/States/C/ItemProcessor"), ("Expected value of type Object", "/States/C/ItemSelector"), ("Expected value of type Array", "/States/D/Choices")}


def test_validate_inner_scopes_without_an_end(server):
    answer = validate(server, machine_of(Type="Parallel", Branches=[{"StartAt": "B", "States": {"B": {"Type": "Pass", "Next": "B"}}}]))
    assert diagnostics(answer) == [("ERROR", "MISSING_END_STATE", "Workflow has no terminal state", "/States/A/Branches[0]")]


def test_validate_many_states_of_one_name(server):
    states = ",".join('"A":{"Type":"Succeed"}' for _ in range(131))
    answer = validate(server, '{"StartAt":"A","States":{%s}}' % states)
    assert len(answer["diagnostics"]) == 100 and answer["truncated"] is True
    assert {one[:2] for one in diagnostics(answer)} == {("ERROR", "DUPLICATE_STATE_NAME")}
    fewer = validate(server, '{"StartAt":"A","States":{%s}}' % states, maxResults=20)
    assert len(fewer["diagnostics"]) == 20 and fewer["truncated"] is True


def test_validate_parameters(server):
    states = {"A": {"Type": "Task", "Resource": "arn:aws:states:::aws-sdk:ec2:describeInstances.waitForTaskToken", "Parameters": {"filters": [], "Foo.$": "$.x"}, "End": True}}
    assert diagnostics(validate(server, {"StartAt": "A", "States": states})) == [
        ("ERROR", "SCHEMA_VALIDATION_FAILED", f'The field "{field}" is not supported by Step Functions', "/States/A/Parameters") for field in ("filters", "Foo")]


def test_validate_warnings(server):
    definition = {"StartAt": "A", "States": {
        "A": {"Type": "Pass", "Result": {"x": "$.y"}, "Next": "B"}, "B": {"Type": "Pass", "Parameters": {"a": [{"b": "$.c"}], "d.$": "$.e", "f": "price: $.5"}, "Next": "C"},
        "C": {"Type": "Fail", "Error": "$.e"}}}
    assert validate(server, definition)["diagnostics"] == []
    answer = validate(server, definition, severity="WARNING")
    assert answer["result"] == "OK"
    assert [(severity, code, location) for severity, code, _, location in diagnostics(answer)] == [
        ("WARNING", "PASS_RESULT_IS_STATIC", "/States/A/Result/x"), ("WARNING", "NO_DOLLAR", "/States/B/Parameters/a[0]/b"), ("WARNING", "NO_PATH", "/States/C/Error")]


def test_validate_members_given_twice(server):
    twice = '{"StartAt":"A","States":{"A":{"Type":"Pass","Result":{"b":[{"c":1,"c":2}]},"End":false,"End":true}}}'
    assert validate(server, twice)["diagnostics"] == []
    answer = validate(server, twice, severity="WARNING")
    assert answer["result"] == "OK"
    assert diagnostics(answer) == [("WARNING", "DUPLICATE_FIELD", "The field 'c' is given more than once: the last one counts", "/States/A/Result/b[0]/c"),
                                   ("WARNING", "DUPLICATE_FIELD", "The field 'End' is given more than once: the last one counts", "/States/A/End")]
    answer = validate(server, '{"StartAt":"A","States":{"A":{"Type":"Fail"},"A":{"Type":"Succeed"}}}', severity="WARNING")
    assert answer["result"] == "FAIL" and diagnostics(answer) == [("ERROR", "DUPLICATE_STATE_NAME", "Duplicate State name: A", "/States/A")]


def test_validate_bad_arguments(server):
    assert "'definition'" in call(server, "ValidateStateMachineDefinition")
    assert validate(server, "{}", maxResults=101).startswith("ValidationException: ")
    assert validate(server, "{}", severity="x").startswith("ValidationException: ")


def test_metadata_only(server, sfn):
    machine = create(sfn, {"A": {"Type": "Pass", "End": True}})
    execution = start(sfn, machine, {"secret": 1})
    ended(sfn, execution)
    shown = call(server, "DescribeExecution", executionArn=execution, includedData="METADATA_ONLY")
    assert "input" not in shown and "output" not in shown and shown["inputDetails"] == shown["outputDetails"] == {"included": False}
    for operation, named in (("DescribeStateMachine", {"stateMachineArn": machine}), ("DescribeStateMachineForExecution", {"executionArn": execution})):
        assert "definition" in call(server, operation, **named, includedData="ALL_DATA")
        assert "definition" not in call(server, operation, **named, includedData="METADATA_ONLY")
    assert call(server, "DescribeExecution", executionArn=execution, includedData="x").startswith("ValidationException: ")

"""Activities and task callbacks by boto3: workers, tokens, heartbeats, long polls, and what a kill leaves behind."""
import json
import threading
import time

import botocore.exceptions
import pytest

from tests.support.machines import PREFIX, create, details, ended, fresh, history, refused, run, start, types
from tests.support.until import until

UNKNOWN = PREFIX + "activity:nobody"


@pytest.fixture
def sfn(server):
    return server.client("stepfunctions", read_timeout=70, retries={"max_attempts": 0})


def activity(sfn, **more):
    return sfn.create_activity(name=fresh("a"), **more)["activityArn"]


def worked(arn, **more):
    """A machine whose one task is the activity's."""
    return {"A": {"Type": "Task", "Resource": arn, "End": True, **more}}


def callback(child, **more):
    """A task that starts `child` and ends when somebody sends its token."""
    return {"Type": "Task", "Resource": "arn:aws:states:::states:startExecution.waitForTaskToken",
            "Parameters": {"StateMachineArn": child, "Input": {"token.$": "$$.Task.Token"}}, **more}


def handed(sfn, child):
    """The token that the newest execution of `child` was given."""
    def look():
        found = sfn.list_executions(stateMachineArn=child)["executions"]
        return json.loads(sfn.describe_execution(executionArn=found[0]["executionArn"])["input"])["token"] if found else None
    return until(look)


def called_back(sfn, **more):
    """A running execution that waits for a callback, and its token."""
    child = create(sfn, {"A": {"Type": "Pass", "End": True}})
    execution = start(sfn, create(sfn, {"A": callback(child, End=True, **more)}))
    return execution, handed(sfn, child)


def test_create_describe_delete(sfn):
    name = fresh("a")
    made = sfn.create_activity(name=name, tags=[{"key": "k", "value": "v"}])
    arn = made["activityArn"]
    assert arn == PREFIX + "activity:" + name
    again = sfn.create_activity(name=name)
    assert (again["activityArn"], again["creationDate"]) == (arn, made["creationDate"])
    shown = sfn.describe_activity(activityArn=arn)
    assert (shown["activityArn"], shown["name"], shown["creationDate"]) == (arn, name, made["creationDate"])
    assert sfn.list_tags_for_resource(resourceArn=arn)["tags"] == [{"key": "k", "value": "v"}]
    sfn.delete_activity(activityArn=arn)
    sfn.delete_activity(activityArn=arn)
    assert refused("ActivityDoesNotExist", sfn.describe_activity, activityArn=arn) == f"Activity Does Not Exist: '{arn}'"


def test_tags(sfn):
    arn = activity(sfn)
    sfn.tag_resource(resourceArn=arn, tags=[{"key": "a", "value": "1"}, {"key": "b", "value": "2"}])
    sfn.untag_resource(resourceArn=arn, tagKeys=["a"])
    assert sfn.list_tags_for_resource(resourceArn=arn)["tags"] == [{"key": "b", "value": "2"}]
    refused("ResourceNotFound", sfn.tag_resource, resourceArn=UNKNOWN, tags=[])
    assert "50" in refused("TooManyTags", sfn.create_activity, name=fresh("a"), tags=[{"key": f"k{i}", "value": ""} for i in range(51)])


def test_bad_names(sfn):
    assert refused("InvalidName", sfn.create_activity, name="TestActivity InvalidName$") == "Invalid Name: 'TestActivity InvalidName$'"
    arn = activity(sfn)
    assert refused("InvalidName", sfn.get_activity_task, activityArn=arn, workerName="a b") == "Invalid Name: 'a b'"


def test_list(fresh_server):
    sfn = fresh_server.client("stepfunctions")
    made = sorted(activity(sfn) for _ in range(5))
    found, token = [], {}
    while True:
        page = sfn.list_activities(maxResults=2, **token)
        found += [one["activityArn"] for one in page["activities"]]
        if "nextToken" not in page:
            break
        token = {"nextToken": page["nextToken"]}
    assert found == made
    assert refused("InvalidToken", sfn.list_activities, nextToken="x") == "Invalid Token: 'Invalid token'"


@pytest.mark.parametrize("name", ["describe_activity", "delete_activity", "get_activity_task"])
def test_invalid_arn(sfn, name):
    assert refused("InvalidArn", getattr(sfn, name), activityArn="nothing") == "Invalid Arn: 'Invalid ARN prefix: nothing'"
    refused("InvalidArn", getattr(sfn, name), activityArn=PREFIX + "stateMachine:x")


@pytest.mark.parametrize("name", ["describe_activity", "get_activity_task"])
def test_unknown_activity(sfn, name):
    assert refused("ActivityDoesNotExist", getattr(sfn, name), activityArn=UNKNOWN) == f"Activity Does Not Exist: '{UNKNOWN}'"


def test_a_worker_does_a_task(sfn):
    arn = activity(sfn)
    execution = start(sfn, create(sfn, worked(arn, TimeoutSeconds=60, HeartbeatSeconds=10)), {"a": "b"})
    task = sfn.get_activity_task(activityArn=arn, workerName="me")
    assert json.loads(task["input"]) == {"a": "b"}
    sfn.send_task_heartbeat(taskToken=task["taskToken"])
    sfn.send_task_success(taskToken=task["taskToken"], output='{"done":  [1.50]}')
    shown, events = ended(sfn, execution), history(sfn, execution)
    assert (shown["status"], shown["output"]) == ("SUCCEEDED", '{"done":  [1.50]}')
    assert types(events) == ["ExecutionStarted", "TaskStateEntered", "ActivityScheduled", "ActivityStarted", "ActivitySucceeded", "TaskStateExited", "ExecutionSucceeded"]
    assert [e["previousEventId"] for e in events] == [0, 0, 2, 3, 4, 5, 6]
    assert details(events, "ActivityScheduled") == {"resource": arn, "input": '{"a": "b"}', "inputDetails": {"truncated": False}, "timeoutInSeconds": 60, "heartbeatInSeconds": 10}
    assert details(events, "ActivityStarted") == {"workerName": "me"}
    assert details(events, "ActivitySucceeded") == {"output": '{"done":  [1.50]}', "outputDetails": {"truncated": False}}


def test_a_worker_fails_a_task(sfn):
    arn = activity(sfn)
    execution = start(sfn, create(sfn, worked(arn)))
    token = sfn.get_activity_task(activityArn=arn)["taskToken"]
    sfn.send_task_failure(taskToken=token, error="Programmatic Error", cause="why")
    shown, events = ended(sfn, execution), history(sfn, execution)
    assert (shown["status"], shown["error"], shown["cause"]) == ("FAILED", "Programmatic Error", "why")
    assert details(events, "ActivityStarted") == {}
    assert details(events, "ActivityFailed") == {"error": "Programmatic Error", "cause": "why"}
    assert [e["previousEventId"] for e in events[-2:]] == [4, 5]


def test_a_failure_told_in_any_language(sfn):
    arn = activity(sfn)
    execution = start(sfn, create(sfn, worked(arn)))
    token = sfn.get_activity_task(activityArn=arn, workerName="工" * 80)["taskToken"]
    assert "at 'cause' failed" in refused("ValidationException", sfn.send_task_failure, taskToken=token, cause="故" * 32769)
    sfn.send_task_failure(taskToken=token, error="障" * 256, cause="故" * 32768)
    shown, events = ended(sfn, execution), history(sfn, execution)
    assert (shown["status"], shown["error"], shown["cause"]) == ("FAILED", "障" * 256, "故" * 32768)
    assert details(events, "ActivityStarted") == {"workerName": "工" * 80}


def test_tasks_are_handed_out_once_and_in_order(sfn):
    arn = activity(sfn)
    machine = create(sfn, worked(arn))
    for i in range(3):
        start(sfn, machine, i)
    tasks = [sfn.get_activity_task(activityArn=arn) for _ in range(3)]
    assert [json.loads(task["input"]) for task in tasks] == [0, 1, 2]
    assert len({task["taskToken"] for task in tasks}) == 3


def test_long_polls_wait_and_hold_nothing_up(server, sfn):
    arn = activity(sfn)
    answers = []

    def poll():
        answers.append(server.client("stepfunctions", read_timeout=70).get_activity_task(activityArn=arn)["taskToken"])
    polls = [threading.Thread(target=poll) for _ in range(3)]
    for one in polls:
        one.start()
    machine = create(sfn, worked(arn))
    began = time.monotonic()
    for i in range(20):
        sfn.describe_activity(activityArn=arn)
    assert time.monotonic() - began < 5
    executions = [start(sfn, machine) for _ in range(3)]
    for one in polls:
        one.join(20)
    assert len(set(answers)) == 3
    for token in answers:
        sfn.send_task_success(taskToken=token, output="1")
    assert [ended(sfn, one)["status"] for one in executions] == ["SUCCEEDED"] * 3


def test_a_poll_whose_caller_has_gone_takes_no_task(server, sfn):
    arn = activity(sfn)
    impatient = server.client("stepfunctions", read_timeout=0.5, retries={"max_attempts": 0})
    with pytest.raises(botocore.exceptions.ReadTimeoutError):
        impatient.get_activity_task(activityArn=arn)
    impatient.close()
    # The server looks for its peer about twice a second.
    execution = start(sfn, create(sfn, {"W": {"Type": "Wait", "Seconds": 2, "Next": "A"}, **worked(arn)}, "W"))
    token = sfn.get_activity_task(activityArn=arn)["taskToken"]
    sfn.send_task_success(taskToken=token, output="1")
    assert ended(sfn, execution)["status"] == "SUCCEEDED"


def test_a_stopping_server_answers_its_polls(fresh_server):
    sfn = fresh_server.client("stepfunctions", read_timeout=70, retries={"max_attempts": 0})
    arn = activity(sfn)
    answers = []
    poll = threading.Thread(target=lambda: answers.append(sfn.get_activity_task(activityArn=arn)))
    poll.start()
    other = fresh_server.client("stepfunctions")
    for _ in range(5):
        other.describe_activity(activityArn=arn)
    began = time.monotonic()
    fresh_server.stop()
    poll.join(20)
    assert time.monotonic() - began < 10
    assert answers and "taskToken" not in answers[0]


def test_a_deleted_activity_ends_its_executions(sfn):
    arn = activity(sfn)
    machine = create(sfn, worked(arn))
    sfn.delete_activity(activityArn=arn)
    execution = start(sfn, machine)
    shown, events = ended(sfn, execution), history(sfn, execution)
    assert (shown["error"], shown["cause"]) == (
        "States.Runtime", f"An error occurred while executing the state 'A' (entered at the event id #2). The activity {arn} does not exist.")
    assert [(e["type"], e["previousEventId"]) for e in events] == [("ExecutionStarted", 0), ("TaskStateEntered", 0), ("ExecutionFailed", 2)]


def test_missed_heartbeat_and_timeout(sfn):
    arn = activity(sfn)
    beating = start(sfn, create(sfn, worked(arn, HeartbeatSeconds=1)))
    token = sfn.get_activity_task(activityArn=arn)["taskToken"]
    shown, events = ended(sfn, beating), history(sfn, beating)
    assert (shown["status"], shown["error"]) == ("FAILED", "States.Timeout")
    assert details(events, "ActivityTimedOut") == {"error": "States.Timeout"}
    for call in (sfn.send_task_heartbeat, sfn.send_task_failure):
        assert refused("TaskTimedOut", call, taskToken=token) == "Task Timed Out: 'Provided task does not exist anymore'"
    assert refused("TaskTimedOut", sfn.send_task_success, taskToken=token, output="1") == "Task Timed Out: 'Provided task does not exist anymore'"
    # Nobody takes it: its time does not begin.
    waiting = start(sfn, create(sfn, worked(arn, TimeoutSecondsPath="$.t")), {"t": 1})
    other = start(sfn, create(sfn, {"A": {"Type": "Wait", "Seconds": 2, "End": True}}))
    assert ended(sfn, other)["status"] == "SUCCEEDED"
    assert sfn.describe_execution(executionArn=waiting)["status"] == "RUNNING"
    sfn.get_activity_task(activityArn=arn)
    assert ended(sfn, waiting)["error"] == "States.Timeout"


def test_a_stopped_execution_takes_its_task_back(sfn):
    arn = activity(sfn)
    machine = create(sfn, worked(arn))
    sfn.stop_execution(executionArn=start(sfn, machine, "first"))
    start(sfn, machine, "second")
    assert json.loads(sfn.get_activity_task(activityArn=arn)["input"]) == "second"


@pytest.mark.parametrize("call", ["send_task_success", "send_task_failure", "send_task_heartbeat"])
def test_bad_tokens(sfn, call):
    more = {"output": "1"} if call == "send_task_success" else {}
    assert refused("InvalidToken", getattr(sfn, call), taskToken="nonsense", **more) == "Invalid Token: 'Invalid token'"


@pytest.mark.parametrize("call", ["send_task_success", "send_task_failure", "send_task_heartbeat"])
def test_tokens_of_tasks_that_answer_for_themselves(sfn, call):
    """A task that is no callback can show its token to others; they cannot settle it."""
    child = create(sfn, {"A": {"Type": "Wait", "Seconds": 600, "End": True}})
    start(sfn, create(sfn, {"A": {**callback(child, End=True), "Resource": "arn:aws:states:::states:startExecution.sync"}}))
    more = {"output": "1"} if call == "send_task_success" else {}
    assert refused("TaskDoesNotExist", getattr(sfn, call), taskToken=handed(sfn, child), **more) == "Task Does Not Exist: 'Provided task does not exist'"


def test_a_task_is_told_of_a_bad_token_in_the_words_of_the_service(sfn):
    """The one code that does not end in Exception in the model gets it like the others (reference of the SDK integrations)."""
    state = {"Type": "Task", "Resource": "arn:aws:states:::aws-sdk:sfn:sendTaskSuccess", "Parameters": {"TaskToken": "none", "Output": "1"}, "End": True}
    shown, _ = run(sfn, {"A": state})
    assert shown["error"] == "Sfn.InvalidTokenException" and shown["cause"].startswith("Invalid Token: 'Invalid token' (Service: Sfn, Status Code: 400, Request ID: ")


def test_bad_output(sfn):
    arn = activity(sfn)
    start(sfn, create(sfn, worked(arn)))
    token = sfn.get_activity_task(activityArn=arn)["taskToken"]
    assert refused("InvalidOutput", sfn.send_task_success, taskToken=token, output="so") == (
        "Invalid Output: 'com.fasterxml.jackson.core.JsonParseException: Unrecognized token 'so': was expecting (JSON String, Number, Array, Object or token 'null', "
        "'true' or 'false')\n at [Source: (String)\"so\"; line: 1, column: 3]'")
    assert "262144" in refused("InvalidOutput", sfn.send_task_success, taskToken=token, output=json.dumps("x" * 262144))
    sfn.send_task_success(taskToken=token, output="{}")


def test_callback_succeeds(sfn):
    execution, token = called_back(sfn, HeartbeatSeconds=60)
    sfn.send_task_heartbeat(taskToken=token)
    sfn.send_task_success(taskToken=token, output='"text"')
    shown, events = ended(sfn, execution), history(sfn, execution)
    assert (shown["status"], shown["output"]) == ("SUCCEEDED", '"text"')
    assert types(events) == ["ExecutionStarted", "TaskStateEntered", "TaskScheduled", "TaskStarted", "TaskSubmitted", "TaskSucceeded", "TaskStateExited", "ExecutionSucceeded"]
    assert details(events, "TaskScheduled")["resource"] == "startExecution.waitForTaskToken"
    assert details(events, "TaskSucceeded") == {"resourceType": "states", "resource": "startExecution.waitForTaskToken", "output": '"text"', "outputDetails": {"truncated": False}}
    refused("TaskTimedOut", sfn.send_task_success, taskToken=token, output="1")


def test_callback_fails(sfn):
    execution, token = called_back(sfn)
    sfn.send_task_failure(taskToken=token)
    shown = ended(sfn, execution)
    assert shown["status"] == "FAILED" and "error" not in shown and "cause" not in shown


def test_callback_of_an_sdk_task(sfn):
    child = create(sfn, {"A": {"Type": "Pass", "End": True}})
    task = callback(child, End=True)
    task["Resource"] = "arn:aws:states:::aws-sdk:sfn:startExecution.waitForTaskToken"
    execution = start(sfn, create(sfn, {"A": task}))
    sfn.send_task_success(taskToken=handed(sfn, child), output="7")
    assert ended(sfn, execution)["output"] == "7"
    assert details(history(sfn, execution), "TaskSubmitted")["resourceType"] == "aws-sdk:sfn"


def test_missed_heartbeat_of_a_callback_is_caught(sfn):
    child = create(sfn, {"A": {"Type": "Pass", "End": True}})
    caught = start(sfn, create(sfn, {
        "A": callback(child, End=True, HeartbeatSecondsPath="$.h", Catch=[{"ErrorEquals": ["States.HeartbeatTimeout"], "Next": "B"}]), "B": {"Type": "Pass", "End": True}}), {"h": 1})
    shown = ended(sfn, caught)
    assert (shown["status"], json.loads(shown["output"])["Error"]) == ("SUCCEEDED", "States.Timeout")


def test_kill_between_scheduling_and_answer(fresh_server):
    sfn = fresh_server.client("stepfunctions")
    arn = activity(sfn)
    machine = create(sfn, worked(arn))
    first, second = start(sfn, machine, 1), start(sfn, machine, 2)
    token = sfn.get_activity_task(activityArn=arn)["taskToken"]
    waiting, callback_token = called_back(sfn, TimeoutSeconds=3600)
    fresh_server.kill()
    fresh_server.start()
    sfn = fresh_server.client("stepfunctions")
    sfn.send_task_success(taskToken=token, output="1")
    other = sfn.get_activity_task(activityArn=arn)
    assert json.loads(other["input"]) == 2
    sfn.send_task_success(taskToken=other["taskToken"], output="2")
    sfn.send_task_success(taskToken=callback_token, output="3")
    assert [ended(sfn, one)["output"] for one in (first, second, waiting)] == ["1", "2", "3"]


def test_long_integers_of_workers_survive(fresh_server):
    """To a worker, back, through the store of a server that was killed twice, and to the next worker: all digits."""
    sfn = fresh_server.client("stepfunctions")
    arn, long = activity(sfn), 123456789012345678901234567890
    states = {"A": {"Type": "Task", "Resource": arn, "Parameters": {"n.$": "$.n"}, "ResultPath": "$.got", "Next": "B"},
              "B": {"Type": "Task", "Resource": arn, "InputPath": "$.got.list[0]", "End": True}}
    execution = start(sfn, create(sfn, states), {"n": long})
    for given, answer in ((f'{{"n":{long}}}', f'{{"list":[-{long}]}}'), (f"-{long}", f"[{long}]")):
        fresh_server.kill()
        fresh_server.start()
        sfn = fresh_server.client("stepfunctions")
        task = sfn.get_activity_task(activityArn=arn)
        assert task["input"] == given
        sfn.send_task_success(taskToken=task["taskToken"], output=answer)
    assert ended(sfn, execution)["output"] == f"[{long}]"

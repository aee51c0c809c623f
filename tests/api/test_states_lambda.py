"""Functions at a Lambda endpoint of the test's own, and events into the outbox."""
import http.server
import json
import threading

import pytest

from tests.conftest import make
from tests.support.machines import WHILE_A, create, details, ended, history, output, run, start, types
from tests.support.until import until

FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:"


class Functions:
    """An Invoke API: what each function answers, and what it was asked."""

    def __init__(self):
        self.asked = []
        self.hold = threading.Event()
        self.hold.set()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
                name = self.path.split("/")[3]
                outer.asked.append((self.path, body, dict(self.headers)))
                if name.startswith("slow"):
                    outer.hold.wait(60)
                answer, status, extra = body or "null", 200, {}
                if name == "broken":
                    answer, extra = json.dumps({"errorMessage": "no", "errorType": "KeyError", "requestId": "r", "stackTrace": ["a"]}), {"X-Amz-Function-Error": "Unhandled"}
                if name == "crashed":
                    answer, extra = '{"errorMessage":"exited"}', {"X-Amz-Function-Error": "Unhandled"}
                if name == "nobody":
                    answer, status, extra = json.dumps({"Type": "User", "Message": f"Function not found: {FUNCTION}nobody"}), 404, {"x-amzn-errortype": "ResourceNotFoundException:http://x"}
                if name == "large":
                    answer = json.dumps("x" * 1_000_000)
                if name == "escaped":
                    answer = json.dumps("\u00e9" * 100_000)
                if name == "text":
                    answer = '{"a":  1.50}'
                self.send_response(status)
                for key, value in {"X-Amz-Executed-Version": "$LATEST", "x-amzn-RequestId": "rid", "Content-Type": "application/json", **extra}.items():
                    self.send_header(key, value)
                self.send_header("Content-Length", str(len(answer.encode())))
                self.end_headers()
                self.wfile.write(answer.encode())

            def log_message(self, *_):
                pass
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.server.server_port}"

    def paths(self, name):
        return [path for path, _, _ in self.asked if f"/functions/{name}/" in path]


@pytest.fixture(scope="module")
def functions():
    made = Functions()
    yield made
    made.hold.set()
    made.server.shutdown()


@pytest.fixture(scope="module")
def configured(tmp_path_factory, functions):
    file = tmp_path_factory.mktemp("config") / "stillpoint.toml"
    file.write_text(f'[lambda]\nendpoint = "{functions.endpoint}"\n')
    running = make(tmp_path_factory, args=["--config", str(file)])
    yield running
    running.close()


@pytest.fixture
def sfn(configured):
    return configured.client("stepfunctions")


def arn_task(name, **more):
    return {"A": {"Type": "Task", "Resource": FUNCTION + name, "End": True, **more}}


def invoke(name, suffix="", **more):
    return {"A": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke" + suffix, "Parameters": {"FunctionName": name, "Payload.$": "$"}, "End": True, **more}}


def test_a_function_as_resource(sfn, functions):
    shown, events = run(sfn, arn_task("text", TimeoutSeconds=60), {"x": 1})
    assert (shown["status"], shown["output"]) == ("SUCCEEDED", '{"a":  1.50}')
    assert types(events) == ["ExecutionStarted", "TaskStateEntered", "LambdaFunctionScheduled", "LambdaFunctionStarted", "LambdaFunctionSucceeded", "TaskStateExited", "ExecutionSucceeded"]
    assert details(events, "LambdaFunctionScheduled") == {"resource": FUNCTION + "text", "input": '{"x": 1}', "inputDetails": {"truncated": False}, "timeoutInSeconds": 60}
    path, body, headers = next(one for one in functions.asked if "/text/" in one[0])
    assert path == "/2015-03-31/functions/text/invocations" and json.loads(body) == {"x": 1}
    assert headers["X-Amz-Invocation-Type"] == "RequestResponse"


def test_invoke(sfn, functions):
    shown, events = run(sfn, invoke(FUNCTION + "echo:live"), {"x": [1]})
    result = json.loads(shown["output"])
    assert result["Payload"] == {"x": [1]} and result["ExecutedVersion"] == "$LATEST" and result["StatusCode"] == 200
    assert result["SdkHttpMetadata"]["HttpStatusCode"] == 200 and result["SdkResponseMetadata"] == {"RequestId": "rid"}
    assert functions.paths("echo") == ["/2015-03-31/functions/echo/invocations?Qualifier=live"]
    assert details(events, "TaskScheduled")["resourceType"] == "lambda"


@pytest.mark.parametrize("task", [arn_task, invoke])
@pytest.mark.parametrize("name, error, cause", [
    ("broken", "KeyError", '{"errorMessage":"no","errorType":"KeyError","requestId":"r","stackTrace":["a"]}'),
    ("crashed", "Lambda.Unknown", 'The cause could not be determined because Lambda did not return an error type. Returned payload: {"errorMessage":"exited"}'),
    ("nobody", "Lambda.ResourceNotFoundException",
     f"Function not found: {FUNCTION}nobody (Service: AWSLambda; Status Code: 404; Error Code: ResourceNotFoundException; Request ID: rid; Proxy: null)"),
])
def test_errors(sfn, task, name, error, cause):
    shown, _ = run(sfn, task(name))
    assert (shown["status"], shown["error"], shown["cause"]) == ("FAILED", error, cause)


def test_errors_are_caught_by_name(sfn):
    states = {**invoke("broken", Catch=[{"ErrorEquals": ["KeyError"], "Next": "B"}]), "B": {"Type": "Pass", "End": True}}
    assert output(sfn, states)["Error"] == "KeyError"


def test_callback(sfn, functions):
    states = invoke("callback", ".waitForTaskToken")
    states["A"]["Parameters"]["Payload"] = {"token.$": "$$.Task.Token"}
    del states["A"]["Parameters"]["Payload.$"]
    execution = start(sfn, create(sfn, states))
    until(lambda: "TaskSubmitted" in types(history(sfn, execution)))
    token = json.loads(next(body for path, body, _ in functions.asked if "/callback/" in path))["token"]
    sfn.send_task_success(taskToken=token, output="5")
    assert ended(sfn, execution)["output"] == "5"


def test_a_slow_function_holds_nothing_up_and_times_out(sfn, functions):
    functions.hold.clear()
    try:
        slow = [start(sfn, create(sfn, invoke("slow", TimeoutSeconds=2))) for _ in range(3)]
        assert output(sfn, invoke("quick"), {"x": 1})["Payload"] == {"x": 1}
        assert [ended(sfn, one)["error"] for one in slow] == ["States.Timeout"] * 3
    finally:
        functions.hold.set()


def test_kill_during_a_call_makes_it_again(tmp_path_factory, functions):
    file = tmp_path_factory.mktemp("config") / "stillpoint.toml"
    file.write_text(f'[lambda]\nendpoint = "{functions.endpoint}"\n')
    server = make(tmp_path_factory, args=["--config", str(file)])
    try:
        functions.hold.clear()
        sfn = server.client("stepfunctions")
        execution = start(sfn, create(sfn, invoke("slow-again")), {"x": 2})
        until(lambda: len(functions.paths("slow-again")) == 1)
        server.kill()
        server.start()
        until(lambda: len(functions.paths("slow-again")) == 2)
        functions.hold.set()
        assert json.loads(ended(server.client("stepfunctions"), execution)["output"])["Payload"] == {"x": 2}
        ids = {headers["amz-sdk-invocation-id"] for path, _, headers in functions.asked if "/slow-again/" in path}
        assert len(ids) == 1
    finally:
        functions.hold.set()
        server.close()


def test_without_an_endpoint(server):
    shown, _ = run(server.client("stepfunctions"), arn_task("f"))
    assert shown["error"] == "Lambda.SdkClientException" and "no Lambda endpoint is configured" in shown["cause"]


def test_no_function_name(sfn):
    shown, _ = run(sfn, {"A": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Parameters": {"FunctionName.$": "$.name"}, "End": True}}, {"name": ""})
    assert (shown["error"], shown["cause"]) == (
        "States.Runtime", WHILE_A + """The Parameters '{"FunctionName":""}' could not be used to start the Task: [The field 'FunctionName' is required but was missing]""")


def test_members_that_an_invocation_does_not_have(sfn, functions):
    """Told when the task runs, as AWS does; taken, they would be left out: `payload` would invoke the function with nothing."""
    states = invoke("misspelt")
    states["A"]["Parameters"]["payload"] = {"a": 1}
    shown, _ = run(sfn, states)
    assert shown["error"] == "States.Runtime" and shown["cause"].endswith('could not be used to start the Task: [The field "payload" is not supported by Step Functions]')
    assert functions.paths("misspelt") == []


@pytest.mark.parametrize("more, error, cause", [
    ({"InvocationType": "Evil\r\nX: y"}, "Lambda.ValidationException", "enum value set: [Event, RequestResponse, DryRun]"),
    ({"ClientContext": "e30=\r\nX: y"}, "Lambda.SdkClientException", "the request's header X-Amz-Client-Context has a line break"),
])
def test_parameters_begin_no_header(sfn, functions, more, error, cause):
    states = invoke("headers")
    states["A"]["Parameters"].update(more)
    shown, _ = run(sfn, states)
    assert shown["error"] == error and cause in shown["cause"] and functions.paths("headers") == []


@pytest.mark.parametrize("task", [arn_task, invoke])
def test_an_answer_that_no_execution_takes(sfn, task):
    shown, _ = run(sfn, task("large"))
    assert (shown["status"], shown["error"]) == ("FAILED", "States.DataLimitExceeded")
    assert shown["cause"].endswith("returned a result with a size exceeding the maximum number of bytes service limit.")


def test_an_answer_that_is_long_only_as_it_is_written(sfn):
    assert output(sfn, invoke("escaped"))["Payload"] == "\u00e9" * 100_000


def test_long_integers_go_through_functions(sfn, functions):
    long = 123456789012345678901234567890
    shown, _ = run(sfn, invoke("echo", ResultSelector={"n.$": "$.Payload.n"}), {"n": long})
    assert shown["output"] == f'{{"n":{long}}}'


# Events

def put_events(entries, suffix="", **more):
    return {"A": {"Type": "Task", "Resource": "arn:aws:states:::events:putEvents" + suffix, "Parameters": {"Entries": entries}, "End": True, **more}}


@pytest.fixture(scope="module")
def kept(configured):
    """Events of a source in the order sent: what a rule's state machine got."""
    sfn, events = configured.client("stepfunctions"), configured.client("events")
    arn = sfn.create_state_machine(name="keeps-events", roleArn="arn:aws:iam::000000000000:role/events",
                                   definition=json.dumps({"StartAt": "A", "States": {"A": {"Type": "Pass", "End": True}}}))["stateMachineArn"]
    events.put_rule(Name="keeps-events", EventPattern='{"source":["mine","asking","bad"]}')
    events.put_targets(Rule="keeps-events", Targets=[{"Id": "1", "Arn": arn, "RoleArn": "arn:aws:iam::000000000000:role/events"}])

    def events_of(source, count):
        def found():
            started = sfn.list_executions(stateMachineArn=arn)["executions"]
            got = [json.loads(sfn.describe_execution(executionArn=one["executionArn"])["input"]) for one in reversed(started)]
            return [event for event in got if event["source"] == source]
        until(lambda: len(found()) >= count)
        return found()

    return events_of


def test_put_events(kept, sfn):
    shown, events = run(sfn, put_events([{"Source": "mine", "DetailType": "t", "Detail": {"a": 1}, "Resources": ["r"]}, {"Source": "mine", "DetailType": "t", "Detail": '{"b":2}'}]))
    result = json.loads(shown["output"])
    assert result["FailedEntryCount"] == 0 and [set(one) for one in result["Entries"]] == [{"EventId"}] * 2
    assert result["SdkHttpMetadata"]["HttpStatusCode"] == 200
    found = kept("mine", 2)
    # Of one commit, so listed in no order.
    found.sort(key=lambda event: event["id"] != result["Entries"][0]["EventId"])
    assert [(event["id"], event["detail"], event["detail-type"]) for event in found] == [
        (result["Entries"][0]["EventId"], {"a": 1}, "t"), (result["Entries"][1]["EventId"], {"b": 2}, "t")]
    assert found[0]["resources"] == ["r", shown["executionArn"], shown["stateMachineArn"]]


def test_put_events_and_wait_for_an_answer(kept, sfn):
    execution = start(sfn, create(sfn, put_events([{"Source": "asking", "DetailType": "t", "Detail": {"token.$": "$$.Task.Token"}}], ".waitForTaskToken")))
    until(lambda: "TaskSubmitted" in types(history(sfn, execution)))
    sfn.send_task_success(taskToken=kept("asking", 1)[0]["detail"]["token"], output="6")
    assert ended(sfn, execution)["output"] == "6"


def test_put_bad_events(kept, sfn):
    shown, _ = run(sfn, put_events([{"Source": "bad", "DetailType": "t", "Detail": {}}, {"DetailType": "t", "Detail": {}}]))
    assert shown["error"] == "EventBridge.FailedEntry"
    cause = json.loads(shown["cause"])
    assert cause["FailedEntryCount"] == 1
    assert cause["Entries"][1] == {"ErrorCode": "InvalidArgument", "ErrorMessage": "Parameter Source is not valid. Reason: Source is a required argument."}
    assert kept("bad", 0) == []
    # Nobody speaks for a service.
    shown, _ = run(sfn, put_events([{"Source": "aws.backup", "DetailType": "t", "Detail": {}}]))
    assert shown["error"] == "EventBridge.FailedEntry"
    assert json.loads(shown["cause"])["Entries"] == [{"ErrorCode": "NotAuthorizedForSourceException", "ErrorMessage": "Not authorized for the source."}]
    shown, _ = run(sfn, put_events([]))
    assert shown["error"] == "EventBridge.AmazonEventBridgeException" and "Error Code: ValidationException; Request ID: " in shown["cause"]

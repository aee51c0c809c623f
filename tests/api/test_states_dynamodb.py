"""The optimised integrations of Step Functions with DynamoDB, by executions: bare strings, results, errors by name."""
import json

import pytest

from tests.support.dynamodb import make
from tests.support.until import until

ROLE = "arn:aws:iam::000000000000:role/states"


@pytest.fixture(scope="module")
def table(server):
    return make(server.client("dynamodb"))


def run(server, table, steps, name, value=None):
    """Runs these steps (action, parameters, more members) one after the other; the execution's description."""
    states = {}
    for i, (action, parameters, more) in enumerate(steps):
        states[f"S{i}"] = {"Type": "Task", "Resource": f"arn:aws:states:::dynamodb:{action}", "Parameters": {"TableName": table, **parameters},
                           "ResultPath": f"$.r{i}", **({"End": True} if i + 1 == len(steps) else {"Next": f"S{i + 1}"}), **more}
    states["Caught"] = {"Type": "Pass", "End": True}
    if not any("Catch" in state for state in states.values()):
        del states["Caught"]
    sfn = server.client("stepfunctions")
    machine = sfn.create_state_machine(name=name, definition=json.dumps({"StartAt": "S0", "States": states}), roleArn=ROLE)["stateMachineArn"]
    arn = sfn.start_execution(stateMachineArn=machine, input=json.dumps(value or {}))["executionArn"]

    def ended():
        shown = sfn.describe_execution(executionArn=arn)
        return shown if shown["status"] != "RUNNING" else None

    return until(ended)


def test_put_update_get_and_delete_in_one_run(server, table):
    shown = run(server, table, [
        ("putItem", {"Item": {"id.$": "$.who", "title": "bare", "doc": {"M": {"k": "deep", "l": {"L": ["x", {"N": "1"}]}}}}}, {}),
        ("updateItem", {"Key": {"id.$": "$.who"}, "UpdateExpression": "SET doc.k = :k, hits = if_not_exists(hits, :z) + :one",
                        "ExpressionAttributeValues": {":k": "changed", ":z": {"N": "0"}, ":one": {"N": "1"}}, "ReturnValues": "UPDATED_NEW"}, {}),
        ("getItem", {"Key": {"id": {"S.$": "$.who"}}, "ConsistentRead": True}, {}),
        ("deleteItem", {"Key": {"id.$": "$.who"}, "ReturnValues": "ALL_OLD"}, {}),
        ("getItem", {"Key": {"id.$": "$.who"}}, {})], "ddb-all", {"who": "w-1"})
    assert shown["status"] == "SUCCEEDED", shown
    out = json.loads(shown["output"])
    whole = {"id": {"S": "w-1"}, "title": {"S": "bare"}, "doc": {"M": {"k": {"S": "changed"}, "l": {"L": [{"S": "x"}, {"N": "1"}]}}}, "hits": {"N": "1"}}
    assert out["r0"]["SdkHttpMetadata"]["HttpStatusCode"] == 200 and out["r0"]["SdkResponseMetadata"]["RequestId"]
    assert out["r1"]["Attributes"] == {"doc": {"M": {"k": {"S": "changed"}}}, "hits": {"N": "1"}}
    assert out["r2"]["Item"] == whole and out["r3"]["Attributes"] == whole
    assert "Item" not in out["r4"]


FAILURES = {
    "DynamoDB.ConditionalCheckFailedException": ("updateItem", {"Key": {"id": "none"}, "UpdateExpression": "SET a = :a", "ConditionExpression": "attribute_exists(id)",
                                                               "ExpressionAttributeValues": {":a": "x"}}, "The conditional request failed", "ConditionalCheckFailedException"),
    "DynamoDB.ResourceNotFoundException": ("putItem", {"TableName": "no-such-table", "Item": {"id": "x"}}, "Requested resource not found", "ResourceNotFoundException"),
    "DynamoDB.AmazonDynamoDBException": ("updateItem", {"Key": {"id": "x"}, "UpdateExpression": "SET"}, "Invalid UpdateExpression: Syntax error", "ValidationException"),
}


@pytest.mark.parametrize("error", FAILURES)
def test_failures_have_their_names(server, table, error):
    action, parameters, message, code = FAILURES[error]
    shown = run(server, table, [(action, parameters, {})], "ddb-" + code)
    assert shown["status"] == "FAILED" and shown["error"] == error
    assert shown["cause"].startswith(message) and f"(Service: AmazonDynamoDBv2; Status Code: 400; Error Code: {code}; Request ID: " in shown["cause"]
    assert shown["cause"].endswith("; Proxy: null)")


def test_a_failed_condition_is_caught_by_name(server, table):
    put = ("putItem", {"Item": {"id": "once"}, "ConditionExpression": "attribute_not_exists(id)"},
           {"Catch": [{"ErrorEquals": ["DynamoDB.ConditionalCheckFailedException"], "ResultPath": "$.caught", "Next": "Caught"}]})
    shown = run(server, table, [put, put], "ddb-catch")
    assert shown["status"] == "SUCCEEDED" and json.loads(shown["output"])["caught"]["Error"] == "DynamoDB.ConditionalCheckFailedException"
    assert server.client("dynamodb").scan(TableName=table)["Items"] == [{"id": {"S": "once"}}]

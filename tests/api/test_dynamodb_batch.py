"""DynamoDB's requests for several items with boto3: batches and transactions."""
import boto3
import pytest
from botocore.exceptions import ClientError

from tests.support.dynamodb import make, refusal


@pytest.fixture(scope="module")
def ddb(server):
    return server.client("dynamodb")


@pytest.fixture(scope="module")
def raw(server):
    return server.client("dynamodb", parameter_validation=False)


@pytest.fixture
def table(ddb):
    return make(ddb)


def key(name):
    return {"id": {"S": name}}


def get(ddb, table, name):
    return ddb.get_item(TableName=table, Key=key(name)).get("Item")


# Batches


def test_batch_write_puts_and_deletes(ddb, table):
    other = make(ddb, sort_type="N")
    ddb.put_item(TableName=table, Item={**key("gone"), "x": {"N": "1"}})
    answer = ddb.batch_write_item(RequestItems={
        table: [{"PutRequest": {"Item": {**key("a"), "n": {"N": "1.0"}}}}, {"DeleteRequest": {"Key": key("gone")}}, {"DeleteRequest": {"Key": key("never")}}],
        other: [{"PutRequest": {"Item": {**key("a"), "sk": {"N": str(n)}}}} for n in range(3)]}, ReturnConsumedCapacity="TOTAL")
    assert answer["UnprocessedItems"] == {}
    assert sorted(answer["ConsumedCapacity"], key=lambda one: one["TableName"] != table) == [{"TableName": table, "CapacityUnits": 3.0}, {"TableName": other, "CapacityUnits": 3.0}]
    assert ddb.scan(TableName=table)["Items"] == [{**key("a"), "n": {"N": "1"}}]
    assert ddb.scan(TableName=other)["Count"] == 3


def test_batch_get(ddb, table):
    other = make(ddb)
    for name in ("a", "b"):
        ddb.put_item(TableName=table, Item={**key(name), "x": {"S": name}, "y": {"N": "1"}})
    ddb.put_item(TableName=other, Item=key("o"))
    answer = ddb.batch_get_item(RequestItems={
        table: {"Keys": [key("b"), key("a"), key("none")], "ProjectionExpression": "#x", "ExpressionAttributeNames": {"#x": "x"}},
        other: {"Keys": [key("o")], "ConsistentRead": True}}, ReturnConsumedCapacity="TOTAL")
    assert answer["Responses"] == {table: [{"x": {"S": "b"}}, {"x": {"S": "a"}}], other: [key("o")]}
    assert answer["UnprocessedKeys"] == {}
    assert {one["TableName"]: one["CapacityUnits"] for one in answer["ConsumedCapacity"]} == {table: 1.5, other: 1.0}


def test_batch_writer_and_resource(server, table):
    access, secret = server.credentials
    resource = boto3.resource("dynamodb", endpoint_url=server.api, region_name="us-east-1", aws_access_key_id=access, aws_secret_access_key=secret)
    with resource.Table(table).batch_writer() as batch:
        for i in range(60):
            batch.put_item(Item={"id": f"k{i:02}"})
    got = resource.batch_get_item(RequestItems={table: {"Keys": [{"id": f"k{i:02}"} for i in range(60)]}})
    assert [item["id"] for item in got["Responses"][table]] == [f"k{i:02}" for i in range(60)]


def test_batch_get_leaves_what_is_beyond_16_mb(ddb, table):
    names = [f"k{i:02}" for i in range(48)]
    for name in names:
        ddb.put_item(TableName=table, Item={**key(name), "x": {"S": "x" * 390_000}})
    asked = {table: {"Keys": [key(name) for name in names], "ConsistentRead": True}}
    seen = []
    rounds = 0
    while asked:
        answer = ddb.batch_get_item(RequestItems=asked)
        seen += [item["id"]["S"] for item in answer["Responses"][table]]
        asked = answer["UnprocessedKeys"]
        assert not asked or asked[table]["ConsistentRead"] is True
        rounds += 1
    assert seen == names and rounds == 2


BAD_GETS = {
    "nothing": ({}, "at 'requestItems' failed to satisfy constraint: Member must have length greater than or equal to 1"),
    "no keys": ({"Keys": []}, "member.keys' failed to satisfy constraint: Member must have length greater than or equal to 1"),
    "101 keys": ({"Keys": [key(str(i)) for i in range(101)]}, "member.keys' failed to satisfy constraint: Member must have length less than or equal to 100"),
    "duplicates": ({"Keys": [key("a"), key("a")]}, "Provided list of item keys contains duplicates"),
    "key of another shape": ({"Keys": [{"x": {"S": "a"}}]}, "The provided key element does not match the schema"),
    "mixed": ({"Keys": [key("a")], "AttributesToGet": ["id"], "ProjectionExpression": "id"}, "Can not use both expression and non-expression parameters in the same request"),
    "projection": ({"Keys": [key("a")], "ProjectionExpression": "a b"}, "Invalid ProjectionExpression: Syntax error"),
}


@pytest.mark.parametrize("case", BAD_GETS)
def test_batch_get_refused(raw, table, case):
    asked, words = BAD_GETS[case]
    code, message = refusal(lambda: raw.batch_get_item(RequestItems={table: asked} if asked else {}))
    assert code == "ValidationException" and words in message


def test_batch_get_of_too_many_and_of_no_table(ddb, table):
    other = make(ddb)
    many = {name: {"Keys": [key(str(i)) for i in range(51)]} for name in (table, other)}
    assert refusal(lambda: ddb.batch_get_item(RequestItems=many)) == ("ValidationException", "Too many items requested for the BatchGetItem call")
    missing = {table: {"Keys": [key("a")]}, "no-such-table": {"Keys": [key("a")]}}
    assert refusal(lambda: ddb.batch_get_item(RequestItems=missing)) == ("ResourceNotFoundException", "Requested resource not found")


PUT = {"PutRequest": {"Item": key("a")}}
BAD_WRITES = {
    "nothing": (None, "at 'requestItems' failed to satisfy constraint: Member must have length greater than or equal to 1"),
    "no request": ([], "failed to satisfy constraint: Member must have length greater than or equal to 1"),
    "26 requests": ([{"PutRequest": {"Item": key(str(i))}} for i in range(26)], "failed to satisfy constraint: Member must have length less than or equal to 25"),
    "duplicates": ([PUT, {"DeleteRequest": {"Key": key("a")}}], "Provided list of item keys contains duplicates"),
    "neither": ([PUT, {}], "has neither of PutRequest and DeleteRequest, must contain exactly one of the two"),
    "both": ([{**PUT, "DeleteRequest": {"Key": key("b")}}], "has both of PutRequest and DeleteRequest, must contain exactly one of the two"),
    "missing key": ([PUT, {"PutRequest": {"Item": {"x": {"S": "a"}}}}], "One or more parameter values were invalid: Missing the key id in the item"),
    "key of another shape": ([PUT, {"DeleteRequest": {"Key": {"x": {"S": "a"}}}}], "The provided key element does not match the schema"),
    "too large": ([PUT, {"PutRequest": {"Item": {**key("b"), "x": {"S": "x" * 410_000}}}}], "Item size has exceeded the maximum allowed size"),
    "no item": ([PUT, {"PutRequest": {}}], "member.2.member.putRequest.item' failed to satisfy constraint: Member must not be null"),
}


@pytest.mark.parametrize("case", BAD_WRITES)
def test_batch_write_refused_whole(ddb, raw, table, case):
    asked, words = BAD_WRITES[case]
    code, message = refusal(lambda: raw.batch_write_item(RequestItems={} if asked is None else {table: asked}))
    assert code == "ValidationException" and words in message
    assert ddb.scan(TableName=table)["Count"] == 0


def test_batch_write_of_too_many_and_of_no_table(ddb, table):
    other = make(ddb)
    many = {name: [{"PutRequest": {"Item": key(str(i))}} for i in range(13)] for name in (table, other)}
    assert refusal(lambda: ddb.batch_write_item(RequestItems=many)) == ("ValidationException", "Too many items requested for the BatchWriteItem call")
    assert refusal(lambda: ddb.batch_write_item(RequestItems={table: [PUT], "no-such-table": [PUT]})) == ("ResourceNotFoundException", "Requested resource not found")
    assert ddb.scan(TableName=table)["Count"] == 0


# Transactions


def test_transact_write_does_all(ddb, table):
    for name in ("counter", "gone", "guard"):
        ddb.put_item(TableName=table, Item={**key(name), "n": {"N": "1"}})
    ddb.transact_write_items(TransactItems=[
        {"Put": {"TableName": table, "Item": key("new"), "ConditionExpression": "attribute_not_exists(id)"}},
        {"Update": {"TableName": table, "Key": key("counter"), "UpdateExpression": "ADD n :n", "ExpressionAttributeValues": {":n": {"N": "4"}}}},
        {"Delete": {"TableName": table, "Key": key("gone")}},
        {"ConditionCheck": {"TableName": table, "Key": key("guard"), "ConditionExpression": "n = :n", "ExpressionAttributeValues": {":n": {"N": "1"}}}}])
    assert {item["id"]["S"]: item.get("n") for item in ddb.scan(TableName=table)["Items"]} == {"new": None, "counter": {"N": "5"}, "guard": {"N": "1"}}


def test_transact_write_does_all_or_nothing_and_says_why(ddb, table):
    ddb.put_item(TableName=table, Item={**key("a"), "n": {"N": "1"}})
    with pytest.raises(ClientError) as caught:
        ddb.transact_write_items(TransactItems=[
            {"Put": {"TableName": table, "Item": key("new")}},
            {"Delete": {"TableName": table, "Key": key("a"), "ConditionExpression": "n = :n", "ExpressionAttributeValues": {":n": {"N": "2"}},
                        "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}},
            {"Update": {"TableName": table, "Key": key("b"), "UpdateExpression": "SET x.y = id"}},
            {"Put": {"TableName": table, "Item": {"x": {"S": "a"}}}}])
    response = caught.value.response
    assert response["Error"] == {"Code": "TransactionCanceledException",
                                 "Message": "Transaction cancelled, please refer cancellation reasons for specific reasons [None, ConditionalCheckFailed, ValidationError, ValidationError]"}
    assert response["CancellationReasons"] == [
        {"Code": "None"},
        {"Code": "ConditionalCheckFailed", "Message": "The conditional request failed", "Item": {**key("a"), "n": {"N": "1"}}},
        {"Code": "ValidationError", "Message": "The provided expression refers to an attribute that does not exist in the item"},
        {"Code": "ValidationError", "Message": "One or more parameter values were invalid: Missing the key id in the item"}]
    assert ddb.scan(TableName=table)["Items"] == [{**key("a"), "n": {"N": "1"}}]


def test_transact_write_with_a_token_is_done_once(fresh_server):
    ddb = fresh_server.client("dynamodb")
    table = make(ddb)

    def add(amount, token):
        return ddb.transact_write_items(ClientRequestToken=token, ReturnConsumedCapacity="TOTAL", TransactItems=[
            {"Update": {"TableName": table, "Key": key("a"), "UpdateExpression": "ADD n :n", "ExpressionAttributeValues": {":n": {"N": amount}}}}])

    assert add("1", "one")["ConsumedCapacity"] == [{"TableName": table, "CapacityUnits": 2.0, "WriteCapacityUnits": 2.0}]
    assert add("1", "one")["ConsumedCapacity"] == [{"TableName": table, "CapacityUnits": 2.0, "ReadCapacityUnits": 2.0}]
    assert get(ddb, table, "a")["n"] == {"N": "1"}
    assert refusal(lambda: add("2", "one"))[0] == "IdempotentParameterMismatchException"
    fresh_server.kill()
    fresh_server.start()
    ddb = fresh_server.client("dynamodb")
    add("1", "one")
    assert get(ddb, table, "a")["n"] == {"N": "1"}
    add("1", "two")
    assert get(ddb, table, "a")["n"] == {"N": "2"}


def test_a_cancelled_transaction_spends_no_token(ddb, table):
    asked = {"ClientRequestToken": f"token-{table}"[:36], "TransactItems": [
        {"Update": {"TableName": table, "Key": key("a"), "UpdateExpression": "SET x = :x", "ConditionExpression": "attribute_exists(id)",
                    "ExpressionAttributeValues": {":x": {"N": "1"}}}}]}
    assert refusal(lambda: ddb.transact_write_items(**asked))[0] == "TransactionCanceledException"
    ddb.put_item(TableName=table, Item=key("a"))
    ddb.transact_write_items(**asked)
    assert get(ddb, table, "a")["x"] == {"N": "1"}


BAD_TRANSACTIONS = {
    "nothing": ([], "at 'transactItems' failed to satisfy constraint: Member must have length greater than or equal to 1"),
    "101 actions": ([{"Put": {"TableName": "T", "Item": key(str(i))}} for i in range(101)],
                    "at 'transactItems' failed to satisfy constraint: Member must have length less than or equal to 100"),
    "two of one item": ([{"Put": {"TableName": "T", "Item": key("a")}}, {"Delete": {"TableName": "T", "Key": key("a")}}],
                        "Transaction request cannot include multiple operations on one item"),
    "two in one action": ([{"Put": {"TableName": "T", "Item": key("a")}, "Delete": {"TableName": "T", "Key": key("b")}}],
                          "TransactItems can only contain one of Check, Put, Update or Delete"),
    "no action": ([{}], "TransactWriteRequest should contain Delete or Put or Update request"),
    "no condition": ([{"ConditionCheck": {"TableName": "T", "Key": key("a")}}],
                     "Value null at 'transactItems.1.member.conditionCheck.conditionExpression' failed to satisfy constraint: Member must not be null"),
    "no update": ([{"Update": {"TableName": "T", "Key": key("a")}}],
                  "Value null at 'transactItems.1.member.update.updateExpression' failed to satisfy constraint: Member must not be null"),
    "syntax": ([{"Update": {"TableName": "T", "Key": key("a"), "UpdateExpression": "SET"}}], "Invalid UpdateExpression: Syntax error"),
}


@pytest.mark.parametrize("case", BAD_TRANSACTIONS)
def test_transact_write_refused(raw, table, case):
    items, words = BAD_TRANSACTIONS[case]
    named = [{kind: {**action, "TableName": table} for kind, action in item.items()} for item in items]
    code, message = refusal(lambda: raw.transact_write_items(TransactItems=named))
    assert code == "ValidationException" and words in message
    assert raw.scan(TableName=table)["Count"] == 0


def test_transactions_of_more_than_4_mb_are_refused(ddb, table):
    items = [{"Put": {"TableName": table, "Item": {**key(str(i)), "x": {"S": "x" * 400_000}}}} for i in range(11)]
    code, message = refusal(lambda: ddb.transact_write_items(TransactItems=items))
    assert code == "ValidationException" and "the maximum is 4194304" in message
    assert ddb.scan(TableName=table, Select="COUNT")["Count"] == 0


def test_transact_get(ddb, table):
    ddb.put_item(TableName=table, Item={**key("a"), "x": {"N": "1"}, "y": {"N": "2"}})
    answer = ddb.transact_get_items(TransactItems=[{"Get": {"TableName": table, "Key": key("a"), "ProjectionExpression": "x"}},
                                                   {"Get": {"TableName": table, "Key": key("none")}}], ReturnConsumedCapacity="TOTAL")
    assert answer["Responses"] == [{"Item": {"x": {"N": "1"}}}, {}]
    assert answer["ConsumedCapacity"] == [{"TableName": table, "CapacityUnits": 4.0, "ReadCapacityUnits": 4.0}]


def test_transact_get_refused(ddb, raw, table):
    one = {"Get": {"TableName": table, "Key": key("a")}}
    assert refusal(lambda: ddb.transact_get_items(TransactItems=[one, one])) == ("ValidationException", "Transaction request cannot include multiple operations on one item")
    code, message = refusal(lambda: raw.transact_get_items(TransactItems=[{}]))
    assert code == "ValidationException" and "Value null at 'transactItems.1.member.get' failed to satisfy constraint: Member must not be null" in message
    with pytest.raises(ClientError) as caught:
        ddb.transact_get_items(TransactItems=[one, {"Get": {"TableName": table, "Key": {"x": {"S": "a"}}}}])
    assert caught.value.response["Error"]["Code"] == "TransactionCanceledException"
    assert [reason["Code"] for reason in caught.value.response["CancellationReasons"]] == ["None", "ValidationError"]


def test_transactions_on_a_missing_table(ddb):
    for call in (lambda: ddb.transact_get_items(TransactItems=[{"Get": {"TableName": "no-such-table", "Key": key("a")}}]),
                 lambda: ddb.transact_write_items(TransactItems=[{"Put": {"TableName": "no-such-table", "Item": key("a")}}])):
        assert refusal(call) == ("ResourceNotFoundException", "Requested resource not found")

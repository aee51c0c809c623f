"""UpdateItem with boto3: what expressions change, what comes back, what is refused."""
import decimal
import threading

import boto3
import pytest

from tests.support.dynamodb import make, refusal
from tests.support.signed import call_json

KEY = {"id": {"S": "a"}}


@pytest.fixture(scope="module")
def ddb(server):
    return server.client("dynamodb")


@pytest.fixture
def table(ddb):
    return make(ddb)


@pytest.fixture
def update(ddb, table):
    """Updates item `a` with bare placeholders' values: update("SET x = :v", v={"N": "1"})."""

    def run(expression, more=None, **values):
        arguments = {"TableName": table, "Key": KEY, "UpdateExpression": expression, **(more or {})}
        if values:
            arguments["ExpressionAttributeValues"] = {f":{name}": value for name, value in values.items()}
        return ddb.update_item(**arguments)

    return run


@pytest.fixture
def item(ddb, table):
    return lambda: ddb.get_item(TableName=table, Key=KEY).get("Item")


def test_update_makes_and_changes_an_item(update, item):
    assert "Attributes" not in update("SET x = :x, y = :y", x={"N": "1"}, y={"S": "y"})
    assert item() == {**KEY, "x": {"N": "1"}, "y": {"S": "y"}}
    update("SET x = x + :one, z = if_not_exists(z, :one) REMOVE y", one={"N": "1"})
    assert item() == {**KEY, "x": {"N": "2"}, "z": {"N": "1"}}


def test_update_without_expression_makes_the_key_alone(ddb, table, item):
    ddb.update_item(TableName=table, Key=KEY)
    assert item() == KEY


def test_update_by_cli(server, table):
    answer = server.aws(["dynamodb", "update-item", "--table-name", table, "--key", '{"id":{"S":"a"}}', "--update-expression", "ADD hits :n",
                         "--expression-attribute-values", '{":n":{"N":"2"}}', "--return-values", "ALL_NEW"])
    assert answer["Attributes"] == {"id": {"S": "a"}, "hits": {"N": "2"}}


def test_update_by_resource(server, table):
    key, secret = server.credentials
    things = boto3.resource("dynamodb", endpoint_url=server.api, region_name="us-east-1", aws_access_key_id=key, aws_secret_access_key=secret).Table(table)
    things.put_item(Item={"id": "a", "doc": {"list": [1, 2, 3], "set": {"x", "y"}}, "n": decimal.Decimal("0.1")})
    new = things.update_item(Key={"id": "a"}, UpdateExpression="SET doc.#l = list_append(doc.#l, :l), n = n + :n DELETE doc.#s :s",
                             ExpressionAttributeNames={"#l": "list", "#s": "set"},
                             ExpressionAttributeValues={":l": [{"deep": True}], ":n": decimal.Decimal("0.2"), ":s": {"y"}}, ReturnValues="ALL_NEW")["Attributes"]
    assert new == {"id": "a", "doc": {"list": [1, 2, 3, {"deep": True}], "set": {"x"}}, "n": decimal.Decimal("0.3")}


def test_update_of_list_elements(update, item):
    update("SET l = :l", l={"L": [{"N": str(n)} for n in range(5)]})
    update("REMOVE l[1] SET l[3] = :v, l[90] = :w, l[80] = :v", v={"S": "v"}, w={"S": "w"})
    assert item()["l"] == {"L": [{"N": "0"}, {"N": "2"}, {"S": "v"}, {"N": "4"}, {"S": "v"}, {"S": "w"}]}


def test_update_adds_and_deletes_in_sets(update, item):
    update("ADD tags :t, n :n", t={"SS": ["a", "b"]}, n={"N": "5"})
    update("ADD tags :t, n :n", t={"SS": ["b", "c"]}, n={"N": "-7"})
    assert sorted(item()["tags"]["SS"]) == ["a", "b", "c"] and item()["n"] == {"N": "-2"}
    update("DELETE tags :t", t={"SS": ["b"]})
    assert sorted(item()["tags"]["SS"]) == ["a", "c"]
    update("DELETE tags :t", t={"SS": ["a", "c"]})
    assert "tags" not in item()


def test_update_that_only_removes_makes_nothing(update, item):
    for expression in ("REMOVE x", "REMOVE x.y"):
        assert "Attributes" not in update(expression, {"ReturnValues": "ALL_NEW"})
    update("DELETE x :s", s={"SS": ["a"]})
    assert item() is None
    update("SET x = :v", v={"N": "1"})
    assert item()["x"] == {"N": "1"}


def test_update_returns_what_is_asked(ddb, table, update):
    ddb.put_item(TableName=table, Item={**KEY, "x": {"N": "1"}, "m": {"M": {"a": {"S": "a"}, "b": {"L": [{"N": "1"}, {"N": "2"}]}}}})

    def returned(kind, expression, **values):
        return update(expression, {"ReturnValues": kind}, **values).get("Attributes")

    one = {"N": "1"}
    assert returned("NONE", "ADD x :v", v=one) is None
    assert returned("UPDATED_OLD", "ADD x :v", v=one) == {"x": {"N": "2"}}
    assert returned("UPDATED_NEW", "ADD x :v", v=one) == {"x": {"N": "4"}}
    assert returned("ALL_OLD", "SET m.a = :v", v=one)["m"]["M"]["a"] == {"S": "a"}
    assert returned("ALL_NEW", "SET m.a = :v", v={"N": "7"})["m"]["M"]["a"] == {"N": "7"}
    assert returned("UPDATED_OLD", "SET m.b[1] = :v, m.a = :v", v=one) == {"m": {"M": {"a": {"N": "7"}, "b": {"L": [{"N": "2"}]}}}}
    assert returned("UPDATED_NEW", "SET m.c = :v, y = :v", v=one) == {"m": {"M": {"c": one}}, "y": one}
    assert returned("UPDATED_OLD", "SET z = :v", v=one) is None
    assert returned("UPDATED_NEW", "REMOVE z") is None
    assert returned("UPDATED_OLD", "REMOVE y") == {"y": one}


def test_update_on_condition(ddb, table, update, item):
    guarded = {"ConditionExpression": "version = :old"}
    assert refusal(lambda: update("SET version = :new", guarded, old={"N": "1"}, new={"N": "2"})) == (
        "ConditionalCheckFailedException", "The conditional request failed")
    assert item() is None
    update("SET version = :new", {"ConditionExpression": "attribute_not_exists(id)"}, new={"N": "1"})
    update("SET version = :new", guarded, old={"N": "1"}, new={"N": "2"})
    assert refusal(lambda: update("SET version = :new", guarded, old={"N": "1"}, new={"N": "3"}))[0] == "ConditionalCheckFailedException"
    assert item()["version"] == {"N": "2"}


def test_update_condition_failure_tells_the_item(server, ddb, table):
    ddb.put_item(TableName=table, Item={**KEY, "x": {"N": "1"}})
    status, answer = call_json(server, "dynamodb", "DynamoDB_20120810.UpdateItem",
                               {"TableName": table, "Key": KEY, "UpdateExpression": "REMOVE x", "ConditionExpression": "attribute_not_exists(id)",
                                "ReturnValuesOnConditionCheckFailure": "ALL_OLD"})
    assert status == 400 and answer["__type"].endswith("ConditionalCheckFailedException")
    assert answer["Item"] == {**KEY, "x": {"N": "1"}}


BAD_UPDATES = {
    "empty": ({"UpdateExpression": ""}, "Invalid UpdateExpression: The expression can not be empty;"),
    "syntax": ({"UpdateExpression": "SET x ="}, 'Invalid UpdateExpression: Syntax error; token: "<EOF>", near: "="'),
    "clause twice": ({"UpdateExpression": "REMOVE a REMOVE b"}, 'Invalid UpdateExpression: The "REMOVE" section can only be used once in an update expression;'),
    "unknown value": ({"UpdateExpression": "SET a = :v"}, "An expression attribute value used in expression is not defined; attribute value: :v"),
    "unused value": ({"UpdateExpression": "REMOVE a", "ExpressionAttributeValues": {":v": {"N": "1"}}},
                     "Value provided in ExpressionAttributeValues unused in expressions: keys: {:v}"),
    "unused name": ({"UpdateExpression": "REMOVE a", "ExpressionAttributeNames": {"#a": "a"}},
                    "Value provided in ExpressionAttributeNames unused in expressions: keys: {#a}"),
    "values alone": ({"ExpressionAttributeValues": {":v": {"N": "1"}}},
                     "ExpressionAttributeValues can only be specified when using expressions: UpdateExpression and ConditionExpression are null"),
    "overlap": ({"UpdateExpression": "REMOVE a, a.b"}, "Two document paths overlap with each other"),
    "conflict": ({"UpdateExpression": "REMOVE a[0], a.b"}, "Two document paths conflict with each other"),
    "reserved": ({"UpdateExpression": "REMOVE Status"}, "Attribute name is a reserved keyword; reserved keyword: Status"),
    "key": ({"UpdateExpression": "REMOVE id"}, "One or more parameter values were invalid: Cannot update attribute id. This attribute is part of the key"),
    "absent operand": ({"UpdateExpression": "SET a = b"}, "The provided expression refers to an attribute that does not exist in the item"),
    "path to nowhere": ({"UpdateExpression": "SET a.b = id"}, "The document path provided in the update expression is invalid for update"),
    "operand of another type": ({"UpdateExpression": "SET a = id + id"}, "An operand in the update expression has an incorrect data type"),
    "add of a string": ({"UpdateExpression": "ADD a :v", "ExpressionAttributeValues": {":v": {"S": "x"}}},
                        "Incorrect operand type for operator or function; operator: ADD, operand type: STRING, typeSet: ALLOWED_FOR_ADD_OPERAND"),
    "overflow": ({"UpdateExpression": "SET a = :v + :v", "ExpressionAttributeValues": {":v": {"N": "9e125"}}},
                 "Number overflow. Attempting to store a number with magnitude larger than supported range"),
    "too large": ({"UpdateExpression": "SET a = :v", "ExpressionAttributeValues": {":v": {"S": "x" * (400 * 1024)}}},
                  "Item size to update has exceeded the maximum allowed size"),
    "long expression": ({"UpdateExpression": "REMOVE " + "a" * 4090}, "Expression size has exceeded the maximum allowed size; expression size: 4097"),
    "key of another shape": ({"Key": {"x": {"S": "a"}}}, "The provided key element does not match the schema"),
    "return values": ({"ReturnValues": "DOG"}, "Value 'DOG' at 'returnValues' failed to satisfy constraint: Member must satisfy enum value set: "
                                               "[ALL_NEW, UPDATED_OLD, ALL_OLD, NONE, UPDATED_NEW]"),
    "no key": ({"Key": None}, "Value null at 'key' failed to satisfy constraint: Member must not be null"),
}


@pytest.mark.parametrize("case", BAD_UPDATES)
def test_update_refused(server, ddb, table, case):
    ddb.put_item(TableName=table, Item={**KEY, "n": {"N": "1"}})
    change, words = BAD_UPDATES[case]
    arguments = {name: value for name, value in {"TableName": table, "Key": KEY, **change}.items() if value is not None}
    code, message = refusal(lambda: server.client("dynamodb", parameter_validation=False).update_item(**arguments))
    assert code == "ValidationException" and words in message
    assert ddb.get_item(TableName=table, Key=KEY)["Item"] == {**KEY, "n": {"N": "1"}}


def test_update_of_a_missing_table(ddb):
    assert refusal(lambda: ddb.update_item(TableName="no-such-table", Key=KEY)) == ("ResourceNotFoundException", "Requested resource not found")


def test_put_and_delete_return_old_values_alone(ddb, table):
    for call in (lambda kind: ddb.put_item(TableName=table, Item=KEY, ReturnValues=kind), lambda kind: ddb.delete_item(TableName=table, Key=KEY, ReturnValues=kind)):
        for kind in ("ALL_NEW", "UPDATED_OLD", "UPDATED_NEW"):
            assert refusal(lambda call=call, kind=kind: call(kind)) == ("ValidationException", "ReturnValues can only be ALL_OLD or NONE")


def test_update_with_a_set_of_more_than_two_megabytes_is_refused(server, update, table, item):
    update("SET s = :s", s={"NS": ["0"]})
    numbers = ",".join(f'"{n}"' for n in range(1_000_000, 1_600_000))
    body = f'{{"TableName":"{table}","Key":{{"id":{{"S":"a"}}}},"UpdateExpression":"ADD s :v","ExpressionAttributeValues":{{":v":{{"NS":[{numbers}]}}}}}}'
    status, answer = call_json(server, "dynamodb", "DynamoDB_20120810.UpdateItem", body.encode())
    assert (status, answer["__type"].rpartition("#")[2]) == (400, "ValidationException")
    assert "ExpressionAttributeValues is too large" in answer["message"] and "the maximum is 2097152" in answer["message"]
    assert item()["s"] == {"NS": ["0"]}


def test_update_of_large_sets(update, item):
    update("SET s = :s", s={"NS": [str(n) for n in range(40_000)]})
    update("ADD s :s", s={"NS": [str(n) for n in range(30_000, 80_000)]})
    assert {int(n) for n in item()["s"]["NS"]} == set(range(80_000))
    update("DELETE s :s", s={"NS": [str(n) for n in range(1, 80_000)]})
    assert item()["s"] == {"NS": ["0"]}


def test_update_that_puts_one_value_many_times(ddb, update, table, item):
    many = "SET " + ",".join(f"a{n}=:v" for n in range(500))
    too_large = "Item size to update has exceeded the maximum allowed size"
    assert refusal(lambda: update(many, v={"S": "x" * 2_000_000})) == ("ValidationException", too_large)
    with pytest.raises(ddb.exceptions.TransactionCanceledException) as caught:
        ddb.transact_write_items(TransactItems=[{"Update": {"TableName": table, "Key": KEY, "UpdateExpression": many, "ExpressionAttributeValues": {":v": {"S": "x" * 2_000_000}}}}])
    assert caught.value.response["CancellationReasons"] == [{"Code": "ValidationError", "Message": too_large}]
    assert item() is None
    update(many, v={"S": "x" * 800})
    assert len(item()) == 501


def test_concurrent_counters_lose_nothing(server, ddb, table):
    def count():
        client = server.client("dynamodb")
        for _ in range(50):
            client.update_item(TableName=table, Key=KEY, UpdateExpression="ADD hits :one", ExpressionAttributeValues={":one": {"N": "1"}})

    workers = [threading.Thread(target=count) for _ in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert ddb.get_item(TableName=table, Key=KEY)["Item"]["hits"] == {"N": "300"}


def test_update_counts_capacity(ddb, table):
    answer = ddb.update_item(TableName=table, Key=KEY, UpdateExpression="SET x = :x", ExpressionAttributeValues={":x": {"S": "x" * 2500}},
                             ReturnConsumedCapacity="TOTAL")
    assert answer["ConsumedCapacity"] == {"TableName": table, "CapacityUnits": 3.0}

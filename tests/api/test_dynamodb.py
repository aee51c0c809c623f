"""DynamoDB with boto3 and the AWS CLI: tables, items, queries, scans, and how they refuse."""
import contextlib
import decimal
import itertools
import json
import shutil
import sqlite3
import threading
import zlib

import boto3
import pytest
from boto3.dynamodb.conditions import Attr, Key
from botocore.exceptions import BotoCoreError

from tests.support.dynamodb import make, refusal, unique
from tests.support.signed import call_json, send
from tests.support.until import until


@pytest.fixture(scope="module")
def ddb(server):
    return server.client("dynamodb")


@pytest.fixture
def table(ddb):
    return make(ddb)


@pytest.fixture
def resource(server):
    key, secret = server.credentials
    return boto3.resource("dynamodb", endpoint_url=server.api, region_name="us-east-1", aws_access_key_id=key, aws_secret_access_key=secret)


# Tables


def test_create_table(ddb):
    name = unique()
    made = ddb.create_table(
        TableName=name, AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}, {"AttributeName": "n", "AttributeType": "N"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}, {"AttributeName": "n", "KeyType": "RANGE"}],
        ProvisionedThroughput={"ReadCapacityUnits": 1, "WriteCapacityUnits": 2}, Tags=[{"Key": "team", "Value": "ops"}])["TableDescription"]
    assert made["TableStatus"] == "CREATING"
    assert made["TableArn"] == f"arn:aws:dynamodb:us-east-1:000000000000:table/{name}"
    ddb.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 5})
    seen = ddb.describe_table(TableName=name)["Table"]
    assert seen["TableStatus"] == "ACTIVE"
    assert seen["KeySchema"] == [{"AttributeName": "id", "KeyType": "HASH"}, {"AttributeName": "n", "KeyType": "RANGE"}]
    assert seen["ProvisionedThroughput"]["WriteCapacityUnits"] == 2
    assert seen["TableId"] == made["TableId"] and len(seen["TableId"]) == 36


def test_create_table_by_cli(server):
    name = unique()
    made = server.aws(["dynamodb", "create-table", "--table-name", name, "--attribute-definitions", "AttributeName=id,AttributeType=S",
                       "--key-schema", "AttributeName=id,KeyType=HASH", "--billing-mode", "PAY_PER_REQUEST"])
    assert made["TableDescription"]["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    server.aws(["dynamodb", "put-item", "--table-name", name, "--item", '{"id":{"S":"a"},"n":{"N":"1.50"}}'])
    assert server.aws(["dynamodb", "get-item", "--table-name", name, "--key", '{"id":{"S":"a"}}'])["Item"] == {"id": {"S": "a"}, "n": {"N": "1.5"}}
    assert server.aws(["dynamodb", "scan", "--table-name", name])["Count"] == 1


def test_create_table_twice(ddb, table):
    assert refusal(lambda: make(ddb, table)) == ("ResourceInUseException", f"Table already exists: {table}")


BAD_TABLES = {
    "undefined key": ({"AttributeDefinitions": [{"AttributeName": "x", "AttributeType": "S"}]}, "Some index key attributes are not defined in AttributeDefinitions. Keys: [id]"),
    "range first": ({"KeySchema": [{"AttributeName": "id", "KeyType": "RANGE"}]}, "The first KeySchemaElement is not a HASH key type"),
    "two hashes": ({"KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}, {"AttributeName": "x", "KeyType": "HASH"}]},
                   "The second KeySchemaElement is not a RANGE key type"),
    "one name for both": ({"KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}, {"AttributeName": "id", "KeyType": "RANGE"}]}, "have the same name"),
    "too many definitions": ({"AttributeDefinitions": [{"AttributeName": n, "AttributeType": "S"} for n in ("id", "x")]}, "does not exactly match number of attributes"),
    "key of another type": ({"AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "BOOL"}]}, "Member must satisfy enum value set: [B, N, S]"),
    "no throughput": ({"BillingMode": "PROVISIONED"}, "ReadCapacityUnits and WriteCapacityUnits must both be specified"),
    "throughput on demand": ({"ProvisionedThroughput": {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1}}, "when BillingMode is PAY_PER_REQUEST"),
    "bad name": ({"TableName": "a/b"}, "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+"),
    "short name": ({"TableName": "ab"}, "Member must have length greater than or equal to 3"),
    "index": ({"GlobalSecondaryIndexes": [{"IndexName": "gsi", "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}], "Projection": {"ProjectionType": "ALL"}}]},
              "GlobalSecondaryIndexes are not served"),
    "stream": ({"StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"}}, "StreamSpecification is not served"),
}


@pytest.mark.parametrize("case", BAD_TABLES)
def test_create_table_refused(server, case):
    ddb = server.client("dynamodb", parameter_validation=False)
    arguments = {"TableName": unique(), "BillingMode": "PAY_PER_REQUEST", "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
                 "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}]}
    change, words = BAD_TABLES[case]
    code, message = refusal(lambda: ddb.create_table(**{**arguments, **change}))
    assert code == "ValidationException" and words in message


def test_describe_table_counts(ddb, table):
    for i in range(7):
        ddb.put_item(TableName=table, Item={"id": {"S": str(i)}})
    seen = ddb.describe_table(TableName=table)["Table"]
    assert seen["ItemCount"] == 7 and seen["TableSizeBytes"] > 0
    assert ddb.describe_table(TableName=seen["TableArn"])["Table"]["TableName"] == table


def test_describe_table_missing(ddb):
    assert refusal(lambda: ddb.describe_table(TableName="no-such-table")) == (
        "ResourceNotFoundException", "Requested resource not found: Table: no-such-table not found")


def test_table_names_are_checked(server):
    ddb = server.client("dynamodb", parameter_validation=False)
    for call in (ddb.describe_table, ddb.delete_table, ddb.scan):
        code, message = refusal(lambda call=call: call(TableName="ab"))
        assert code == "ValidationException"
        assert message == "1 validation error detected: Value 'ab' at 'tableName' failed to satisfy constraint: Member must have length greater than or equal to 3"
        code, message = refusal(lambda call=call: call())
        assert code == "ValidationException" and "Value null at 'tableName' failed to satisfy constraint: Member must not be null" in message


def test_list_tables_pages(fresh_server):
    ddb = fresh_server.client("dynamodb")
    names = sorted(make(ddb, f"list-{i:02}") for i in range(5))
    everything = ddb.list_tables()
    assert [n for n in everything["TableNames"] if n.startswith("list-")] == names and "LastEvaluatedTableName" not in everything
    assert "PrePostBackupLog" in everything["TableNames"]
    first = ddb.list_tables(Limit=2)
    assert len(first["TableNames"]) == 2 and first["LastEvaluatedTableName"] == first["TableNames"][-1]
    assert [n for page in ddb.get_paginator("list_tables").paginate(PaginationConfig={"PageSize": 2}) for n in page["TableNames"]] == everything["TableNames"]


def test_list_tables_limit(server):
    code, message = refusal(lambda: server.client("dynamodb", parameter_validation=False).list_tables(Limit=101))
    assert code == "ValidationException" and "Value '101' at 'limit' failed to satisfy constraint" in message


def test_delete_table(ddb, table):
    ddb.put_item(TableName=table, Item={"id": {"S": "a"}})
    assert ddb.delete_table(TableName=table)["TableDescription"]["TableStatus"] == "DELETING"
    assert refusal(lambda: ddb.put_item(TableName=table, Item={"id": {"S": "a"}})) == ("ResourceNotFoundException", "Requested resource not found")
    make(ddb, table)
    assert ddb.scan(TableName=table)["Count"] == 0, "a table made anew is empty"


def items_stored(data):
    """How many items of all tables lie in a data directory."""
    with contextlib.closing(sqlite3.connect(data / "store.db")) as database:
        return database.execute("SELECT count(*) FROM items").fetchone()[0]


def test_the_items_of_a_deleted_table_go_in_steps(fresh_server, tmp_path):
    """Other calls are answered between the steps; after a kill between two of them the next server goes on. A new table of the name is empty."""
    make(fresh_server.client("dynamodb"), "large")
    for i in range(60):
        fresh_server.client("dynamodb").put_item(TableName="large", Item={"id": {"S": str(i)}, "x": {"S": "x" * 300_000}})
    fresh_server.stop()
    points = tmp_path / "points"
    points.write_text("dynamodb.dropping kill 4\n")
    fresh_server.args = ["--failpoints", str(points)]
    fresh_server.start()
    with contextlib.suppress(BotoCoreError):  # its answer may be lost with the server
        fresh_server.client("dynamodb").delete_table(TableName="large")
    until(lambda: fresh_server.process.poll() is not None, 20, "the server dies in the fourth step")
    # A copy: who opens the store itself would put it in order.
    shutil.copytree(fresh_server.data, tmp_path / "copy", ignore=lambda _, names: [name for name in names if not name.startswith("store.db")])
    assert items_stored(tmp_path / "copy") == 36
    fresh_server.args = []
    fresh_server.start()
    ddb = fresh_server.client("dynamodb")
    assert refusal(lambda: ddb.describe_table(TableName="large"))[0] == "ResourceNotFoundException"
    make(ddb, "large")
    assert ddb.scan(TableName="large")["Count"] == 0
    ddb.put_item(TableName="large", Item={"id": {"S": "1"}})
    until(lambda: items_stored(fresh_server.data) == 1, 20, "the old items are gone")
    assert ddb.scan(TableName="large")["Items"] == [{"id": {"S": "1"}}]


def test_delete_table_missing(ddb):
    assert refusal(lambda: ddb.delete_table(TableName="no-such-table"))[0] == "ResourceNotFoundException"


def test_the_job_log_is_there_and_comes_back(fresh_server):
    ddb = fresh_server.client("dynamodb")
    assert ddb.describe_table(TableName="PrePostBackupLog")["Table"]["KeySchema"] == [{"AttributeName": "SM_Execution_ID", "KeyType": "HASH"}]
    ddb.delete_table(TableName="PrePostBackupLog")
    fresh_server.restart()
    ddb = fresh_server.client("dynamodb")
    assert ddb.describe_table(TableName="PrePostBackupLog")["Table"]["TableStatus"] == "ACTIVE"


# Items

EVERY_TYPE = {
    "id": {"S": "all"}, "s": {"S": "äöü \U0001f600 \" \\ \n"}, "empty": {"S": ""}, "n": {"N": "-12345678901234567890.123456789012345678"}, "tiny": {"N": "0." + "0" * 129 + "1"},
    "b": {"B": bytes(range(256))}, "t": {"BOOL": True}, "f": {"BOOL": False}, "z": {"NULL": True}, "m": {"M": {"x": {"L": [{"N": "1"}, {"M": {}}]}}}, "l": {"L": []},
    "ss": {"SS": ["a", "b"]}, "ns": {"NS": ["1", "2.5"]}, "bs": {"BS": [b"\x00", b"\xff\xfe"]}}


def test_every_type_comes_back_exactly(ddb, table):
    assert ddb.put_item(TableName=table, Item=EVERY_TYPE)["ResponseMetadata"]["HTTPStatusCode"] == 200
    got = ddb.get_item(TableName=table, Key={"id": {"S": "all"}}, ConsistentRead=True)["Item"]
    assert {name: {kind: sorted(v) if kind in ("SS", "NS", "BS") else v for kind, v in value.items()} for name, value in got.items()} == EVERY_TYPE


def test_numbers_are_exact_and_of_one_form(resource, table, ddb):
    written = {"1.50": "1.5", "1E3": "1000", "-0": "0", "00012": "12", "1e-5": "0.00001", "12345678901234567890123456789012345678": "12345678901234567890123456789012345678"}
    for i, (text, normal) in enumerate(written.items()):
        ddb.put_item(TableName=table, Item={"id": {"S": str(i)}, "n": {"N": text}})
        assert ddb.get_item(TableName=table, Key={"id": {"S": str(i)}})["Item"]["n"] == {"N": normal}
    resource.Table(table).put_item(Item={"id": "d", "n": decimal.Decimal("0.1"), "b": b"\x00\x80"})
    got = resource.Table(table).get_item(Key={"id": "d"})["Item"]
    assert got["n"] == decimal.Decimal("0.1") and got["b"].value == b"\x00\x80"


def test_number_keys_are_equal_by_value(ddb):
    name = make(ddb, hash_type="N")
    ddb.put_item(TableName=name, Item={"id": {"N": "1.0"}, "v": {"S": "first"}})
    ddb.put_item(TableName=name, Item={"id": {"N": "1"}, "v": {"S": "second"}})
    assert ddb.get_item(TableName=name, Key={"id": {"N": "1e0"}})["Item"] == {"id": {"N": "1"}, "v": {"S": "second"}}
    assert ddb.scan(TableName=name)["Count"] == 1


def test_put_replaces_the_whole_item(ddb, table):
    assert "Attributes" not in ddb.put_item(TableName=table, Item={"id": {"S": "a"}, "x": {"N": "1"}}, ReturnValues="ALL_OLD")
    assert ddb.put_item(TableName=table, Item={"id": {"S": "a"}, "y": {"N": "2"}}, ReturnValues="ALL_OLD")["Attributes"] == {"id": {"S": "a"}, "x": {"N": "1"}}
    assert ddb.get_item(TableName=table, Key={"id": {"S": "a"}})["Item"] == {"id": {"S": "a"}, "y": {"N": "2"}}


BAD_ITEMS = {
    "missing key": ({"x": {"S": "a"}}, "One or more parameter values were invalid: Missing the key id in the item"),
    "key of another type": ({"id": {"N": "1"}}, "One or more parameter values were invalid: Type mismatch for key id expected: S actual: N"),
    "empty key": ({"id": {"S": ""}}, "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string value. Key: id"),
    "long key": ({"id": {"S": "x" * 2049}}, "One or more parameter values were invalid: Size of hashkey has exceeded the maximum size limit of 2048 bytes"),
    "no type": ({"id": {"S": "a"}, "x": {}}, "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"),
    "two types": ({"id": {"S": "a"}, "x": {"S": "a", "N": "1"}},
                  "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes"),
    "no number": ({"id": {"S": "a"}, "x": {"N": "one"}}, "The parameter cannot be converted to a numeric value: one"),
    "39 digits": ({"id": {"S": "a"}, "x": {"N": "1" * 39}}, "Attempting to store more than 38 significant digits in a Number"),
    "too great": ({"id": {"S": "a"}, "x": {"N": "1e126"}}, "Number overflow. Attempting to store a number with magnitude larger than supported range"),
    "too small": ({"id": {"S": "a"}, "x": {"N": "1e-131"}}, "Number underflow. Attempting to store a number with magnitude smaller than supported range"),
    "empty set": ({"id": {"S": "a"}, "x": {"SS": []}}, "One or more parameter values were invalid: An string set  may not be empty"),
    "duplicates": ({"id": {"S": "a"}, "x": {"NS": ["1", "1.0"]}}, "Input collection contains duplicates"),
    "null of false": ({"id": {"S": "a"}, "x": {"NULL": False}}, "One or more parameter values were invalid: Null attribute value types must have the value of true"),
    "too large": ({"id": {"S": "a"}, "x": {"S": "x" * (400 * 1024)}}, "Item size has exceeded the maximum allowed size"),
}


@pytest.mark.parametrize("case", BAD_ITEMS)
def test_put_item_refused(server, ddb, table, case):
    item, words = BAD_ITEMS[case]
    careless = server.client("dynamodb", parameter_validation=False)
    assert refusal(lambda: careless.put_item(TableName=table, Item=item)) == ("ValidationException", words)
    assert ddb.scan(TableName=table)["Count"] == 0


def test_an_item_of_400_kb_is_taken(ddb, table):
    item = {"id": {"S": "a"}, "x": {"S": "x" * (400 * 1024 - 4)}}
    ddb.put_item(TableName=table, Item=item)
    assert ddb.get_item(TableName=table, Key={"id": {"S": "a"}})["Item"] == item


def test_put_item_of_a_wrong_json_type(server, table):
    status, answer = call_json(server, "dynamodb", "DynamoDB_20120810.PutItem", {"TableName": table, "Item": {"id": {"S": 5}}})
    assert status == 400 and answer["__type"].endswith("SerializationException")
    assert answer.get("message", answer.get("Message")) == "NUMBER_VALUE cannot be converted to String"


def test_items_of_a_missing_table(ddb):
    key = {"id": {"S": "a"}}
    for call in (lambda: ddb.put_item(TableName="nothing", Item=key), lambda: ddb.get_item(TableName="nothing", Key=key),
                 lambda: ddb.delete_item(TableName="nothing", Key=key), lambda: ddb.scan(TableName="nothing"),
                 lambda: ddb.query(TableName="nothing", KeyConditionExpression="id = :i", ExpressionAttributeValues={":i": {"S": "a"}})):
        assert refusal(call) == ("ResourceNotFoundException", "Requested resource not found")


def test_get_item(ddb, table):
    ddb.put_item(TableName=table, Item={"id": {"S": "a"}, "name": {"S": "n"}, "m": {"M": {"x": {"N": "1"}, "y": {"N": "2"}}}, "l": {"L": [{"S": "0"}, {"S": "1"}]}})
    assert "Item" not in ddb.get_item(TableName=table, Key={"id": {"S": "b"}})
    got = ddb.get_item(TableName=table, Key={"id": {"S": "a"}}, ProjectionExpression="#n, m.x, l[1]", ExpressionAttributeNames={"#n": "name"})["Item"]
    assert got == {"name": {"S": "n"}, "m": {"M": {"x": {"N": "1"}}}, "l": {"L": [{"S": "1"}]}}


def test_get_item_refused(ddb, table):
    shape = "The provided key element does not match the schema"
    for key in ({"x": {"S": "a"}}, {"id": {"N": "1"}}, {"id": {"S": "a"}, "sk": {"S": "b"}}):
        assert refusal(lambda key=key: ddb.get_item(TableName=table, Key=key)) == ("ValidationException", shape)
    code, message = refusal(lambda: ddb.get_item(TableName=table, Key={"id": {"S": "a"}}, ProjectionExpression="Status"))
    assert (code, message) == ("ValidationException", "Invalid ProjectionExpression: Attribute name is a reserved keyword; reserved keyword: Status")


def test_consumed_capacity(ddb, table):
    item = {"id": {"S": "a"}, "x": {"S": "x" * 4500}}
    assert ddb.put_item(TableName=table, Item=item, ReturnConsumedCapacity="TOTAL")["ConsumedCapacity"] == {"TableName": table, "CapacityUnits": 5.0}
    read = {"TableName": table, "Key": {"id": {"S": "a"}}}
    assert ddb.get_item(**read, ReturnConsumedCapacity="TOTAL")["ConsumedCapacity"]["CapacityUnits"] == 1.0
    indexes = ddb.get_item(**read, ReturnConsumedCapacity="INDEXES", ConsistentRead=True)["ConsumedCapacity"]
    assert indexes == {"TableName": table, "CapacityUnits": 2.0, "Table": {"CapacityUnits": 2.0}}


def test_delete_item(ddb, table):
    ddb.put_item(TableName=table, Item={"id": {"S": "a"}, "x": {"N": "1"}})
    assert ddb.delete_item(TableName=table, Key={"id": {"S": "a"}}, ReturnValues="ALL_OLD")["Attributes"]["x"] == {"N": "1"}
    assert "Attributes" not in ddb.delete_item(TableName=table, Key={"id": {"S": "a"}}, ReturnValues="ALL_OLD")
    assert ddb.scan(TableName=table)["Count"] == 0


def test_delete_item_refused(ddb, table):
    assert refusal(lambda: ddb.delete_item(TableName=table, Key={"x": {"S": "a"}})) == ("ValidationException", "The provided key element does not match the schema")


def test_put_on_condition(ddb, table):
    once = {"TableName": table, "Item": {"id": {"S": "a"}, "version": {"N": "1"}}, "ConditionExpression": "attribute_not_exists(id)"}
    ddb.put_item(**once)
    assert refusal(lambda: ddb.put_item(**once)) == ("ConditionalCheckFailedException", "The conditional request failed")
    ddb.put_item(TableName=table, Item={"id": {"S": "a"}, "version": {"N": "2"}}, ConditionExpression="version = :v", ExpressionAttributeValues={":v": {"N": "1"}})
    assert ddb.get_item(TableName=table, Key={"id": {"S": "a"}})["Item"]["version"] == {"N": "2"}


def test_condition_failure_tells_the_item(server, ddb, table):
    ddb.put_item(TableName=table, Item={"id": {"S": "a"}, "x": {"N": "1"}})
    status, answer = call_json(server, "dynamodb", "DynamoDB_20120810.PutItem",
                               {"TableName": table, "Item": {"id": {"S": "a"}}, "ConditionExpression": "attribute_not_exists(id)",
                                "ReturnValuesOnConditionCheckFailure": "ALL_OLD"})
    assert status == 400 and answer["__type"].endswith("ConditionalCheckFailedException")
    assert answer["Item"] == {"id": {"S": "a"}, "x": {"N": "1"}}


def test_delete_on_condition(ddb, table):
    ddb.put_item(TableName=table, Item={"id": {"S": "a"}, "state": {"S": "done"}})
    arguments = {"TableName": table, "Key": {"id": {"S": "a"}}, "ConditionExpression": "#s = :s", "ExpressionAttributeNames": {"#s": "state"}}
    assert refusal(lambda: ddb.delete_item(**arguments, ExpressionAttributeValues={":s": {"S": "open"}}))[0] == "ConditionalCheckFailedException"
    ddb.delete_item(**arguments, ExpressionAttributeValues={":s": {"S": "done"}})
    assert ddb.scan(TableName=table)["Count"] == 0


def test_bad_conditions_change_nothing(ddb, table):
    put = {"TableName": table, "Item": {"id": {"S": "a"}}}
    for more, words in (({"ConditionExpression": "id ="}, 'Syntax error; token: "<EOF>", near: "="'),
                        ({"ConditionExpression": "id = :v"}, "An expression attribute value used in expression is not defined; attribute value: :v"),
                        ({"ConditionExpression": "attribute_exists(id)", "ExpressionAttributeNames": {"#x": "x"}},
                         "Value provided in ExpressionAttributeNames unused in expressions: keys: {#x}"),
                        ({"ExpressionAttributeValues": {":v": {"S": "x"}}}, "ExpressionAttributeValues can only be specified when using expressions")):
        code, message = refusal(lambda more=more: ddb.put_item(**put, **more))
        assert code == "ValidationException" and words in message
    assert ddb.scan(TableName=table)["Count"] == 0


# Query


@pytest.fixture(scope="module")
def numbers(ddb):
    name = make(ddb, sort_type="N")
    for partition in ("p", "q"):
        for n in (-10, -1.5, 0, 0.25, 2, 10, 100):
            ddb.put_item(TableName=name, Item={"id": {"S": partition}, "sk": {"N": str(n)}, "even": {"BOOL": n % 2 == 0}})
    return name


def test_query_operators_on_the_sort_key(resource, numbers):
    table = resource.Table(numbers)

    def found(condition, **more):
        return [float(item["sk"]) for item in table.query(KeyConditionExpression=Key("id").eq("p") & condition, **more)["Items"]]

    assert [float(i["sk"]) for i in table.query(KeyConditionExpression=Key("id").eq("p"))["Items"]] == [-10, -1.5, 0, 0.25, 2, 10, 100]
    assert found(Key("sk").eq(2)) == [2]
    assert found(Key("sk").lt(0)) == [-10, -1.5]
    assert found(Key("sk").lte(0)) == [-10, -1.5, 0]
    assert found(Key("sk").gt(2)) == [10, 100]
    assert found(Key("sk").gte(2)) == [2, 10, 100]
    assert found(Key("sk").between(-2, 2)) == [-1.5, 0, 0.25, 2]
    assert found(Key("sk").gt(0), ScanIndexForward=False) == [100, 10, 2, 0.25]


def test_query_begins_with_and_binary_keys(ddb):
    name = make(ddb, sort_type="S")
    for sort in ("a", "ab", "abc", "b", "ä"):
        ddb.put_item(TableName=name, Item={"id": {"S": "p"}, "sk": {"S": sort}})
    found = ddb.query(TableName=name, KeyConditionExpression="id = :i AND begins_with(sk, :s)", ExpressionAttributeValues={":i": {"S": "p"}, ":s": {"S": "ab"}})
    assert [item["sk"]["S"] for item in found["Items"]] == ["ab", "abc"]
    binary = make(ddb, sort_type="B")
    for sort in (b"\x00", b"\x7f", b"\x80", b"\xff"):
        ddb.put_item(TableName=binary, Item={"id": {"S": "p"}, "sk": {"B": sort}})
    found = ddb.query(TableName=binary, KeyConditionExpression="id = :i AND sk >= :s", ExpressionAttributeValues={":i": {"S": "p"}, ":s": {"B": b"\x7f"}})
    assert [item["sk"]["B"] for item in found["Items"]] == [b"\x7f", b"\x80", b"\xff"]


def test_query_pages(ddb, numbers):
    for forward in (True, False):
        pages = list(ddb.get_paginator("query").paginate(TableName=numbers, KeyConditionExpression="id = :i", ExpressionAttributeValues={":i": {"S": "q"}},
                                                         ScanIndexForward=forward, PaginationConfig={"PageSize": 3}))
        got = [float(item["sk"]["N"]) for page in pages for item in page["Items"]]
        assert got == sorted([-10, -1.5, 0, 0.25, 2, 10, 100], reverse=not forward)
        assert [page["Count"] for page in pages] == [3, 3, 1]
        assert pages[0]["LastEvaluatedKey"] == {"id": {"S": "q"}, "sk": {"N": "0" if forward else "2"}}


def test_query_filters_after_the_limit(ddb, numbers):
    page = ddb.query(TableName=numbers, KeyConditionExpression="id = :i", FilterExpression="even = :e", Limit=4, ProjectionExpression="sk",
                     ExpressionAttributeValues={":i": {"S": "p"}, ":e": {"BOOL": True}})
    assert (page["Count"], page["ScannedCount"], page["Items"]) == (2, 4, [{"sk": {"N": "-10"}}, {"sk": {"N": "0"}}])
    assert page["LastEvaluatedKey"]["sk"] == {"N": "0.25"}
    counted = ddb.query(TableName=numbers, Select="COUNT", KeyConditionExpression="id = :i", ExpressionAttributeValues={":i": {"S": "p"}})
    assert counted["Count"] == 7 and "Items" not in counted


BAD_QUERIES = {
    "no key condition": ({"FilterExpression": "x = :i"}, "Either the KeyConditions or KeyConditionExpression parameter must be specified in the request."),
    "no hash key": ({"KeyConditionExpression": "sk = :n", "ExpressionAttributeValues": {":n": {"N": "1"}}}, "Query condition missed key schema element: id"),
    "hash not equal": ({"KeyConditionExpression": "id > :i"}, "Query key condition not supported"),
    "or": ({"KeyConditionExpression": "id = :i OR id = :i"}, "Invalid KeyConditionExpression: Invalid operator used in KeyConditionExpression: OR"),
    "wrong type": ({"KeyConditionExpression": "id = :i AND sk = :i"}, "Condition parameter type does not match schema type"),
    "filter on a key": ({"KeyConditionExpression": "id = :i", "FilterExpression": "sk = :i"},
                        "Filter Expression can only contain non-primary key attributes: Primary key attribute: sk"),
    "reserved word": ({"KeyConditionExpression": "id = :i", "FilterExpression": "Status = :i"},
                      "Invalid FilterExpression: Attribute name is a reserved keyword; reserved keyword: Status"),
    "start elsewhere": ({"KeyConditionExpression": "id = :i", "ExclusiveStartKey": {"id": {"S": "other"}, "sk": {"N": "1"}}},
                        "The provided starting key is outside query boundaries based on provided conditions"),
    "start of a wrong shape": ({"KeyConditionExpression": "id = :i", "ExclusiveStartKey": {"id": {"S": "p"}}}, "The provided starting key is invalid"),
    "index": ({"KeyConditionExpression": "id = :i", "IndexName": "gsi"}, "The table does not have the specified index: gsi"),
    "limit": ({"KeyConditionExpression": "id = :i", "Limit": 0}, "Value '0' at 'limit' failed to satisfy constraint: Member must have value greater than or equal to 1"),
    "select": ({"KeyConditionExpression": "id = :i", "Select": "SPECIFIC_ATTRIBUTES"}, "when choosing to get SPECIFIC_ATTRIBUTES"),
}


@pytest.mark.parametrize("case", BAD_QUERIES)
def test_query_refused(server, numbers, case):
    change, words = BAD_QUERIES[case]
    arguments = {"TableName": numbers, **change}
    if any(":i" in str(value) for value in change.values()):
        arguments.setdefault("ExpressionAttributeValues", {":i": {"S": "p"}})
    code, message = refusal(lambda: server.client("dynamodb", parameter_validation=False).query(**arguments))
    assert code == "ValidationException" and words in message


# Scan


def test_scan_pages_and_filters(ddb, resource, numbers):
    pages = list(ddb.get_paginator("scan").paginate(TableName=numbers, PaginationConfig={"PageSize": 5}))
    assert [page["Count"] for page in pages] == [5, 5, 4]
    assert len({(i["id"]["S"], i["sk"]["N"]) for page in pages for i in page["Items"]}) == 14
    page = resource.Table(numbers).scan(FilterExpression=Attr("even").eq(True) & Attr("sk").gt(0) & ~Attr("id").is_in(["q"]))
    assert [float(item["sk"]) for item in page["Items"]] == [2, 10, 100] and page["ScannedCount"] == 14


def test_scan_pages_hold_a_megabyte(ddb, table):
    for i in range(7):
        ddb.put_item(TableName=table, Item={"id": {"S": str(i)}, "x": {"S": "x" * 300_000}})
    page = ddb.scan(TableName=table, FilterExpression="attribute_not_exists(x)")
    assert (page["Count"], page["ScannedCount"]) == (0, 4) and page["LastEvaluatedKey"]
    rest = ddb.scan(TableName=table, ExclusiveStartKey=page["LastEvaluatedKey"], ProjectionExpression="id")
    assert rest["Count"] == 3 and "LastEvaluatedKey" not in rest


def test_scan_segments(ddb, table):
    for i in range(60):
        ddb.put_item(TableName=table, Item={"id": {"S": str(i)}})
    found = [[item["id"]["S"] for item in ddb.scan(TableName=table, Segment=s, TotalSegments=4)["Items"]] for s in range(4)]
    assert sorted(sum(found, [])) == sorted(str(i) for i in range(60)) and all(found)


def test_scan_refused(ddb, table):
    for more, words in (({"Segment": 1}, "The TotalSegments parameter is required"), ({"TotalSegments": 2}, "The Segment parameter is required"),
                        ({"Segment": 2, "TotalSegments": 2}, "Segment: 2 is not less than TotalSegments: 2"),
                        ({"FilterExpression": "x = "}, "Invalid FilterExpression: Syntax error"), ({"ExclusiveStartKey": {"x": {"S": "a"}}}, "The provided starting key is invalid")):
        code, message = refusal(lambda more=more: ddb.scan(TableName=table, **more))
        assert code == "ValidationException" and words in message


# The wire and the disk


def test_a_crc_that_is_sent_is_true(server, table):
    body = json.dumps({"TableName": table}).encode()
    status, headers, answer = send(server, "dynamodb", headers={"X-Amz-Target": "DynamoDB_20120810.Scan", "Content-Type": "application/x-amz-json-1.0"}, body=body)
    assert status == 200 and json.loads(answer)["ScannedCount"] == 0
    assert headers.get("x-amz-crc32", str(zlib.crc32(answer))) == str(zlib.crc32(answer))


def test_acknowledged_items_survive_kill(fresh_server):
    name = make(fresh_server.client("dynamodb"))
    acknowledged = []
    enough, over = threading.Event(), threading.Event()

    def write(worker):
        client = fresh_server.client("dynamodb", retries={"max_attempts": 0})
        for i in itertools.count():
            key = f"{worker}-{i}"
            try:
                client.put_item(TableName=name, Item={"id": {"S": key}, "n": {"N": str(i)}})
            except Exception:  # the server was killed: whatever was not answered may be there or not
                return
            acknowledged.append((key, i))
            if len(acknowledged) > 300:
                enough.set()
            if over.is_set():
                return

    workers = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    for worker in workers:
        worker.start()
    assert enough.wait(30)
    try:
        fresh_server.kill()
    finally:
        over.set()
        for worker in workers:
            worker.join()
    fresh_server.start()
    found = {}
    for page in fresh_server.client("dynamodb").get_paginator("scan").paginate(TableName=name):
        found.update({item["id"]["S"]: item["n"]["N"] for item in page["Items"]})
    assert len(acknowledged) > 300
    assert [key for key, i in acknowledged if found.get(key) != str(i)] == []

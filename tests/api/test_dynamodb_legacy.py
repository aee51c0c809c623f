"""DynamoDB's parameters from before expressions, and the discovery of endpoints."""
import boto3
import botocore.config
import pytest

from tests.support.dynamodb import make, refusal
from tests.support.server import REGION


@pytest.fixture(scope="module")
def ddb(server):
    return server.client("dynamodb")


@pytest.fixture
def table(ddb):
    return make(ddb, sort_type="N")


def key(sk=1):
    return {"id": {"S": "p"}, "sk": {"N": str(sk)}}


def compared(operator, *values):
    return {"ComparisonOperator": operator, "AttributeValueList": [*values]}


def fill(ddb, table):
    for i in range(1, 6):
        ddb.put_item(TableName=table, Item={**key(i), "a.b": {"S": f"x{i}"}, "n": {"N": str(i)}, "s": {"SS": ["u", f"v{i}"]}, **({"odd": {"BOOL": True}} if i % 2 else {})})


def numbers(answer):
    return [int(item["sk"]["N"]) for item in answer["Items"]]


def test_attributes_to_get(ddb, table):
    fill(ddb, table)
    # A dot is part of the name here.
    assert ddb.get_item(TableName=table, Key=key(), AttributesToGet=["a.b", "n", "none"])["Item"] == {"a.b": {"S": "x1"}, "n": {"N": "1"}}
    answer = ddb.batch_get_item(RequestItems={table: {"Keys": [key(2)], "AttributesToGet": ["n"]}})
    assert answer["Responses"][table] == [{"n": {"N": "2"}}]
    assert ddb.scan(TableName=table, AttributesToGet=["n"], Limit=1)["Items"] == [{"n": {"N": "1"}}]


@pytest.mark.parametrize("condition, found", [
    (compared("EQ", {"N": "2"}), [2]), (compared("LE", {"N": "2"}), [1, 2]), (compared("LT", {"N": "2"}), [1]), (compared("GE", {"N": "4"}), [4, 5]), (compared("GT", {"N": "4"}), [5]),
    (compared("BETWEEN", {"N": "2"}, {"N": "3"}), [2, 3])])
def test_key_conditions(ddb, table, condition, found):
    fill(ddb, table)
    assert numbers(ddb.query(TableName=table, KeyConditions={"id": compared("EQ", {"S": "p"}), "sk": condition})) == found


@pytest.mark.parametrize("filters, joined, found", [
    ({"n": compared("NE", {"N": "2"})}, None, [1, 3, 4, 5]), ({"odd": {"ComparisonOperator": "NOT_NULL"}}, None, [1, 3, 5]), ({"odd": {"ComparisonOperator": "NULL"}}, None, [2, 4]),
    ({"s": compared("CONTAINS", {"S": "v3"})}, None, [3]), ({"s": compared("NOT_CONTAINS", {"S": "v3"})}, None, [1, 2, 4, 5]), ({"a.b": compared("BEGINS_WITH", {"S": "x4"})}, None, [4]),
    ({"n": compared("IN", {"N": "1"}, {"N": "5"}, {"N": "9"})}, None, [1, 5]), ({"n": compared("GT", {"N": "1"}), "odd": {"ComparisonOperator": "NOT_NULL"}}, None, [3, 5]),
    ({"n": compared("EQ", {"N": "2"}), "odd": {"ComparisonOperator": "NOT_NULL"}}, "OR", [1, 2, 3, 5])])
def test_filters(ddb, table, filters, joined, found):
    fill(ddb, table)
    more = {"ConditionalOperator": joined} if joined else {}
    assert numbers(ddb.query(TableName=table, KeyConditions={"id": compared("EQ", {"S": "p"})}, QueryFilter=filters, **more)) == found
    assert sorted(numbers(ddb.scan(TableName=table, ScanFilter=filters, **more))) == found


def test_expected(ddb, table):
    put = {"TableName": table, "Item": {**key(), "v": {"N": "1"}}}
    ddb.put_item(**put, Expected={"id": {"Exists": False}})
    failed = ("ConditionalCheckFailedException", "The conditional request failed")
    assert refusal(lambda: ddb.put_item(**put, Expected={"id": {"Exists": False}})) == failed
    ddb.put_item(**put, Expected={"v": {"Value": {"N": "1"}}})
    assert refusal(lambda: ddb.put_item(**put, Expected={"v": {"Value": {"N": "2"}}})) == failed
    two = {"v": compared("GT", {"N": "5"}), "id": {"ComparisonOperator": "NOT_NULL"}}
    assert refusal(lambda: ddb.delete_item(TableName=table, Key=key(), Expected=two)) == failed
    assert ddb.delete_item(TableName=table, Key=key(), Expected=two, ConditionalOperator="OR", ReturnValues="ALL_OLD")["Attributes"]["v"] == {"N": "1"}


def test_attribute_updates(ddb, table):
    def update(updates, **more):
        return ddb.update_item(TableName=table, Key=key(), AttributeUpdates=updates, **more)
    update({"a.b": {"Value": {"S": "x"}}, "n": {"Action": "ADD", "Value": {"N": "2"}}, "s": {"Action": "ADD", "Value": {"SS": ["u", "v"]}}, "gone": {"Action": "DELETE"}})
    changed = update({"n": {"Action": "ADD", "Value": {"N": "3"}}, "s": {"Action": "DELETE", "Value": {"SS": ["u"]}}, "a.b": {"Action": "DELETE"}}, ReturnValues="ALL_NEW")["Attributes"]
    assert changed == {**key(), "n": {"N": "5"}, "s": {"SS": ["v"]}}
    assert update({"n": {"Action": "PUT", "Value": {"N": "7"}}}, Expected={"n": {"Value": {"N": "5"}}}, ReturnValues="UPDATED_OLD")["Attributes"] == {"n": {"N": "5"}}
    assert refusal(lambda: update({"id": {"Value": {"S": "q"}}}))[1].endswith("Cannot update attribute id. This attribute is part of the key")


@pytest.mark.parametrize("call, more, words", [
    ("get_item", {"AttributesToGet": ["id"], "ProjectionExpression": "id"},
     "Can not use both expression and non-expression parameters in the same request: Non-expression parameters: {AttributesToGet} Expression parameters: {ProjectionExpression}"),
    ("update_item", {"AttributeUpdates": {"v": {"Action": "ADD"}}}, "Only DELETE action is allowed when no attribute value is specified"),
    ("update_item", {"AttributeUpdates": {"v": {"Action": "MUL", "Value": {"N": "1"}}}}, "Member must satisfy enum value set: [ADD, PUT, DELETE]"),
    ("delete_item", {"Expected": {"v": {}}}, "Value must be provided when Exists is true for Attribute: v"),
    ("delete_item", {"Expected": {"v": {"Exists": False, "Value": {"S": "x"}}}}, "Value cannot be used when Exists is false for Attribute: v"),
    ("delete_item", {"Expected": {"v": compared("EQ")}}, "Invalid number of argument(s) for the EQ ComparisonOperator"),
    ("delete_item", {"Expected": {"v": compared("LIKE", {"S": "x"})}}, "Member must satisfy enum value set: [IN, NULL, BETWEEN,"),
    ("delete_item", {"ConditionalOperator": "AND"}, "ConditionalOperator can only be used when Filter or Expected has two or more elements"),
    ("delete_item", {"Expected": {"v": {"Value": {"S": "x"}}}, "ExpressionAttributeNames": {"#v": "v"}}, "ExpressionAttributeNames can only be specified when using expressions")])
def test_refused(server, table, call, more, words):
    raw = server.client("dynamodb", parameter_validation=False)
    code, message = refusal(lambda: getattr(raw, call)(TableName=table, Key=key(), **more))
    assert code == "ValidationException" and words in message


def test_describe_endpoints(server, ddb):
    (endpoint,) = ddb.describe_endpoints()["Endpoints"]
    assert server.api == "http://" + endpoint["Address"] and endpoint["CachePeriodInMinutes"] == 1440
    # A client that discovers is led to where it is.
    access, secret = server.credentials
    client = boto3.client("dynamodb", endpoint_url="http://" + endpoint["Address"], region_name=REGION, aws_access_key_id=access, aws_secret_access_key=secret,
                          config=botocore.config.Config(endpoint_discovery_enabled=True))
    assert "TableNames" in client.list_tables()

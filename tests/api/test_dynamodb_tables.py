"""What DynamoDB's tables have besides items with boto3: settings, tags, expiry of items, limits."""
import time

import pytest

from tests.support.dynamodb import make, refusal
from tests.support.signed import call_json
from tests.support.until import until


@pytest.fixture(scope="module")
def ddb(server):
    return server.client("dynamodb")


@pytest.fixture(scope="module")
def raw(server):
    return server.client("dynamodb", parameter_validation=False)


@pytest.fixture
def table(ddb):
    return make(ddb)


def arn(name):
    return f"arn:aws:dynamodb:us-east-1:000000000000:table/{name}"


# UpdateTable


def test_update_table(server, ddb, table):
    def protect(wanted):
        # This boto3 does not know the member yet.
        status, answer = call_json(server, "dynamodb", "DynamoDB_20120810.UpdateTable", {"TableName": table, "DeletionProtectionEnabled": wanted})
        assert status == 200 and answer["TableDescription"]["TableStatus"] == "UPDATING"
        assert answer["TableDescription"]["DeletionProtectionEnabled"] is wanted

    protect(True)
    code, message = refusal(lambda: ddb.delete_table(TableName=table))
    assert code == "ValidationException" and "protected against deletion" in message
    protect(False)
    ddb.update_table(TableName=table, BillingMode="PROVISIONED", ProvisionedThroughput={"ReadCapacityUnits": 3, "WriteCapacityUnits": 4})
    seen = ddb.describe_table(TableName=table)["Table"]
    assert (seen["TableStatus"], seen["ProvisionedThroughput"]["WriteCapacityUnits"], "BillingModeSummary" in seen) == ("ACTIVE", 4, False)
    ddb.update_table(TableName=table, ProvisionedThroughput={"ReadCapacityUnits": 5, "WriteCapacityUnits": 4})
    assert ddb.describe_table(TableName=table)["Table"]["ProvisionedThroughput"]["ReadCapacityUnits"] == 5
    ddb.update_table(TableName=table, BillingMode="PAY_PER_REQUEST")
    assert ddb.describe_table(TableName=table)["Table"]["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"


def test_update_table_refused(ddb, table):
    for more, words in (({}, "At least one of ProvisionedThroughput, BillingMode, TableClass or DeletionProtectionEnabled is required"),
                        ({"BillingMode": "PROVISIONED"}, "ReadCapacityUnits and WriteCapacityUnits must both be specified"),
                        ({"ProvisionedThroughput": {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1}}, "when BillingMode is PAY_PER_REQUEST"),
                        ({"StreamSpecification": {"StreamEnabled": True}}, "StreamSpecification is not served")):
        code, message = refusal(lambda more=more: ddb.update_table(TableName=table, **more))
        assert code == "ValidationException" and words in message
    same = {"TableName": table, "BillingMode": "PROVISIONED", "ProvisionedThroughput": {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1}}
    ddb.update_table(**same)
    assert "The provisioned throughput for the table will not change." in refusal(lambda: ddb.update_table(**same))[1]


# Tags


def test_tags(ddb):
    name = make(ddb, Tags=[{"Key": "team", "Value": "ops"}])
    ddb.tag_resource(ResourceArn=arn(name), Tags=[{"Key": "team", "Value": "dev"}, {"Key": "stage", "Value": ""}])
    assert ddb.list_tags_of_resource(ResourceArn=arn(name))["Tags"] == [{"Key": "team", "Value": "dev"}, {"Key": "stage", "Value": ""}]
    ddb.untag_resource(ResourceArn=arn(name), TagKeys=["team", "never"])
    assert ddb.list_tags_of_resource(ResourceArn=arn(name))["Tags"] == [{"Key": "stage", "Value": ""}]


def test_tags_refused(ddb, table):
    def tag(count):
        return ddb.tag_resource(ResourceArn=arn(table), Tags=[{"Key": str(i), "Value": "x"} for i in range(count)])

    assert refusal(lambda: tag(51)) == ("ValidationException", "Too many tags: 51 are given, 50 are allowed")
    twice = [{"Key": "a", "Value": "x"}] * 2
    assert refusal(lambda: ddb.tag_resource(ResourceArn=arn(table), Tags=twice)) == ("ValidationException", "Duplicate tag key found: a")
    assert ddb.list_tags_of_resource(ResourceArn=arn(table))["Tags"] == []


def test_tags_of_what_is_no_table(ddb):
    for call in (lambda a: ddb.tag_resource(ResourceArn=a, Tags=[]), lambda a: ddb.untag_resource(ResourceArn=a, TagKeys=[]), lambda a: ddb.list_tags_of_resource(ResourceArn=a)):
        missing = arn("no-such-table")
        assert refusal(lambda call=call: call(missing)) == ("ResourceNotFoundException", f"Requested resource not found: ResourcArn: {missing} not found")
        assert refusal(lambda call=call: call("arn:aws:s3:::x")) == ("ValidationException", "Invalid TableArn: Invalid ResourceArn provided as input arn:aws:s3:::x")


# Time to live


def expire(ddb, table, attribute="due", enabled=True):
    return ddb.update_time_to_live(TableName=table, TimeToLiveSpecification={"Enabled": enabled, "AttributeName": attribute})


def test_expired_items_vanish(ddb, table):
    now = int(time.time())
    dues = {"past": {"N": str(now - 60)}, "fraction": {"N": f"{now - 60}.5"}, "future": {"N": str(now + 3600)}, "ancient": {"N": "1"}, "negative": {"N": "-5"},
            "endless": {"N": "9e100"}, "text": {"S": str(now - 60)}}
    for name, due in dues.items():
        ddb.put_item(TableName=table, Item={"id": {"S": name}, "due": due})
    ddb.put_item(TableName=table, Item={"id": {"S": "none"}, "nested": {"M": {"due": {"N": str(now - 60)}}}})
    for i in range(100):
        ddb.put_item(TableName=table, Item={"id": {"S": f"many-{i}"}, "due": {"N": str(now - 60)}})
    assert expire(ddb, table)["TimeToLiveSpecification"] == {"Enabled": True, "AttributeName": "due"}
    kept = {"future", "ancient", "negative", "endless", "text", "none"}
    until(lambda: ddb.scan(TableName=table, Select="COUNT")["Count"] == len(kept))
    assert {item["id"]["S"] for item in ddb.scan(TableName=table)["Items"]} == kept


def test_time_to_live_is_described(ddb, table):
    assert ddb.describe_time_to_live(TableName=table)["TimeToLiveDescription"] == {"TimeToLiveStatus": "DISABLED"}
    expire(ddb, table)
    assert ddb.describe_time_to_live(TableName=table)["TimeToLiveDescription"] == {"TimeToLiveStatus": "ENABLED", "AttributeName": "due"}
    expire(ddb, table, enabled=False)
    assert ddb.describe_time_to_live(TableName=table)["TimeToLiveDescription"] == {"TimeToLiveStatus": "DISABLED"}


def test_time_to_live_refused(ddb, raw, table):
    assert refusal(lambda: expire(ddb, table, enabled=False)) == ("ValidationException", "TimeToLive is already disabled")
    expire(ddb, table)
    assert refusal(lambda: expire(ddb, table)) == ("ValidationException", "TimeToLive is already enabled")
    assert refusal(lambda: expire(ddb, table, "other")) == ("ValidationException", "TimeToLive is active on a different AttributeName: current AttributeName is due")
    code, message = refusal(lambda: raw.update_time_to_live(TableName=table, TimeToLiveSpecification={"Enabled": True}))
    assert code == "ValidationException" and "Value null at 'timeToLiveSpecification.attributeName' failed to satisfy constraint: Member must not be null" in message
    assert refusal(lambda: raw.describe_time_to_live(TableName="ab"))[0] == "ValidationException"


# What else clients ask


def test_limits(ddb):
    assert ddb.describe_limits()["TableMaxWriteCapacityUnits"] == 40000


def test_continuous_backups(ddb, table):
    off = {"ContinuousBackupsStatus": "DISABLED", "PointInTimeRecoveryDescription": {"PointInTimeRecoveryStatus": "DISABLED"}}
    assert ddb.describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"] == off
    disable = {"TableName": table, "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": False}}
    assert ddb.update_continuous_backups(**disable)["ContinuousBackupsDescription"] == off
    enable = {"TableName": table, "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True}}
    assert refusal(lambda: ddb.update_continuous_backups(**enable))[0] == "ContinuousBackupsUnavailableException"


def test_settings_of_a_missing_table(ddb):
    missing = ("ResourceNotFoundException", "Requested resource not found: Table: no-such-table not found")
    assert refusal(lambda: ddb.update_table(TableName="no-such-table", BillingMode="PAY_PER_REQUEST")) == missing
    assert refusal(lambda: ddb.describe_time_to_live(TableName="no-such-table")) == missing
    assert refusal(lambda: expire(ddb, "no-such-table")) == missing
    absent = ("TableNotFoundException", "Table not found: no-such-table")
    assert refusal(lambda: ddb.describe_continuous_backups(TableName="no-such-table")) == absent
    off = {"PointInTimeRecoveryEnabled": False}
    assert refusal(lambda: ddb.update_continuous_backups(TableName="no-such-table", PointInTimeRecoverySpecification=off)) == absent

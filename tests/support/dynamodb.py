"""What the tests of DynamoDB share: tables of their own, refusals."""
import random

import pytest
from botocore.exceptions import ClientError


def unique(prefix="t"):
    return f"{prefix}-{random.getrandbits(48):012x}"


def make(client, name=None, sort_type=None, hash_type="S", **more):
    """A table with hash key `id` and, if wanted, sort key `sk`."""
    name = name or unique()
    attributes = [{"AttributeName": "id", "AttributeType": hash_type}]
    schema = [{"AttributeName": "id", "KeyType": "HASH"}]
    if sort_type:
        attributes.append({"AttributeName": "sk", "AttributeType": sort_type})
        schema.append({"AttributeName": "sk", "KeyType": "RANGE"})
    client.create_table(TableName=name, AttributeDefinitions=attributes, KeySchema=schema, BillingMode="PAY_PER_REQUEST", **more)
    return name


def refusal(call):
    """(code, message) of the refusal that must come."""
    with pytest.raises(ClientError) as caught:
        call()
    return caught.value.response["Error"]["Code"], caught.value.response["Error"]["Message"]

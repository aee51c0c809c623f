"""docs/api/sts.md."""
import pytest
from botocore.exceptions import ClientError

from tests.support.wire import Raw, Signer, request_bytes


def test_get_caller_identity(server):
    got = server.client("sts").get_caller_identity()
    assert got["Account"] == got["UserId"] == "000000000000"
    assert got["Arn"] == "arn:aws:iam::000000000000:root"
    assert len(got["ResponseMetadata"]["RequestId"]) == 36


def test_get_caller_identity_by_the_cli(server):
    assert server.aws(["sts", "get-caller-identity"])["Arn"] == "arn:aws:iam::000000000000:root"


def test_every_answer_has_its_own_request_id(server):
    sts = server.client("sts")
    ids = {sts.get_caller_identity()["ResponseMetadata"]["RequestId"] for _ in range(300)}
    assert len(ids) == 300


def test_the_shape_of_the_answer(server):
    body = b"Action=GetCallerIdentity&Version=2011-06-15"
    with Raw(server) as raw:
        headers = Signer(*server.credentials, "sts").headers(
            "POST", "/", {"host": raw.host, "content-type": "application/x-www-form-urlencoded"}, body)
        raw.send(request_bytes("POST", "/", headers, body))
        text = raw.answer().body.decode()
    assert '<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>' in text
    assert "<ResponseMetadata><RequestId>" in text


def test_other_operations_are_not_there_yet(server):
    with pytest.raises(ClientError) as refused:
        server.client("sts").assume_role(RoleArn="arn:aws:iam::000000000000:role/x", RoleSessionName="session")
    assert refused.value.response["Error"]["Code"] == "InvalidAction"

"""S3's buckets, listings and bucket configurations through boto3, the AWS CLI and hand-made requests."""
import hashlib
import itertools
import urllib.parse

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.support import s3_raw
from tests.support.server import Server

_numbers = itertools.count()


def refused(code, call, *args, **arguments):
    """The call fails with that code; gives the error."""
    with pytest.raises(ClientError) as error:
        call(*args, **arguments)
    assert error.value.response["Error"]["Code"] == code, error.value
    return error.value.response


@pytest.fixture
def s3(server):
    return server.client("s3")


@pytest.fixture
def bucket(s3):
    name = f"bucket-{next(_numbers)}"
    s3.create_bucket(Bucket=name)
    s3.head_bucket(Bucket=name)
    return name


def fill(s3, bucket, keys):
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode())


def keys_of(page):
    return [entry["Key"] for entry in page.get("Contents", [])]


def test_create_and_head_bucket(s3):
    created = s3.create_bucket(Bucket="first-bucket.x1")
    assert created["Location"] == "/first-bucket.x1"
    head = s3.head_bucket(Bucket="first-bucket.x1")
    assert head["ResponseMetadata"]["HTTPHeaders"]["x-amz-bucket-region"] == "us-east-1"
    # The oldest region answers a repetition like the first time.
    assert s3.create_bucket(Bucket="first-bucket.x1")["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_every_answer_has_ids_and_a_date(s3, bucket):
    for response in (s3.head_bucket(Bucket=bucket), refused("NoSuchKey", s3.get_object, Bucket=bucket, Key="none")):
        headers = response["ResponseMetadata"]["HTTPHeaders"]
        assert len(headers["x-amz-request-id"]) == 16 and headers["x-amz-id-2"] and headers["date"].endswith("GMT")
    error = refused("NoSuchKey", s3.get_object, Bucket=bucket, Key="none")["Error"]
    assert error["Key"] == "none" and error["Resource"] == f"/{bucket}/none" and error["Message"] == "The specified key does not exist."


@pytest.mark.parametrize("name", ["Upper", "ab", "a" * 64, "under_score", "dot..dot", "-dash", "dash-", "192.168.0.1", "xn--x"])
def test_bad_bucket_names(server, name):
    answer = s3_raw.send(server, "PUT", f"/{name}")
    assert (answer.status, answer.code()) == (400, "InvalidBucketName")


@pytest.mark.parametrize("constraint, code", [("eu-west-1", "IllegalLocationConstraintException"), ("EU", "IllegalLocationConstraintException"),
                                              ("mars", "InvalidLocationConstraint"), ("us-east-1", "InvalidLocationConstraint")])
def test_location_constraints(s3, constraint, code):
    refused(code, s3.create_bucket, Bucket="elsewhere", CreateBucketConfiguration={"LocationConstraint": constraint})
    assert refused("404", s3.head_bucket, Bucket="elsewhere")["ResponseMetadata"]["HTTPStatusCode"] == 404


def test_a_bucket_of_another_region(tmp_path_factory):
    directory = tmp_path_factory.mktemp("region")
    config = directory / "config.toml"
    config.write_text('[realm]\nregion = "eu-west-1"\n')
    elsewhere = Server(directory, args=["--config", str(config)]).start()
    try:
        key, secret = elsewhere.credentials
        s3 = boto3.session.Session().client("s3", endpoint_url=elsewhere.api, region_name="eu-west-1", aws_access_key_id=key,
                                            aws_secret_access_key=secret)
        refused("IllegalLocationConstraintException", s3.create_bucket, Bucket="mine")
        here = {"LocationConstraint": "eu-west-1"}
        s3.create_bucket(Bucket="mine", CreateBucketConfiguration=here)
        refused("BucketAlreadyOwnedByYou", s3.create_bucket, Bucket="mine", CreateBucketConfiguration=here)
        assert s3.get_bucket_location(Bucket="mine")["LocationConstraint"] == "eu-west-1"
    finally:
        elsewhere.close()


def test_create_bucket_body_must_be_its_xml(server):
    for body in (b"<x/>", b"<CreateBucketConfiguration>", b"<!DOCTYPE a [<!ENTITY e 'x'>]><CreateBucketConfiguration/>"):
        assert s3_raw.send(server, "PUT", "/malformed", body).code() == "MalformedXML"


def test_create_bucket_refuses_what_it_cannot_give(s3):
    refused("NotImplemented", s3.create_bucket, Bucket="locked", ObjectLockEnabledForBucket=True)
    refused("NotImplemented", s3.create_bucket, Bucket="public", ACL="public-read")
    refused("404", s3.head_bucket, Bucket="locked")


def test_list_buckets(s3, server):
    names = ["list-b", "list-a", "list-c"]
    for name in names:
        s3.create_bucket(Bucket=name)
    listed = s3.list_buckets()
    found = [entry["Name"] for entry in listed["Buckets"] if entry["Name"].startswith("list-")]
    assert found == sorted(names)
    assert len(listed["Owner"]["ID"]) == 64
    assert all(entry["CreationDate"].year >= 2024 for entry in listed["Buckets"])
    assert "list-a" in [entry["Name"] for entry in server.aws(["s3api", "list-buckets"])["Buckets"]]
    first = s3_raw.send(server, "GET", "/?max-buckets=2&prefix=list-")
    assert first.text("Name") == "list-a" and b"list-c" not in first.body
    token = urllib.parse.quote(first.text("ContinuationToken"), safe="")
    assert s3_raw.send(server, "GET", f"/?continuation-token={token}&prefix=list-").text("Name") == "list-c"
    assert s3_raw.send(server, "GET", "/?continuation-token=nonsense").code() == "InvalidArgument"


def test_delete_bucket(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    assert refused("BucketNotEmpty", s3.delete_bucket, Bucket=bucket)["ResponseMetadata"]["HTTPStatusCode"] == 409
    s3.delete_object(Bucket=bucket, Key="k")
    upload = s3.create_multipart_upload(Bucket=bucket, Key="never")["UploadId"]
    s3.upload_part(Bucket=bucket, Key="never", UploadId=upload, PartNumber=1, Body=b"x")
    assert s3.delete_bucket(Bucket=bucket)["ResponseMetadata"]["HTTPStatusCode"] == 204
    refused("404", s3.head_bucket, Bucket=bucket)
    refused("NoSuchBucket", s3.delete_bucket, Bucket=bucket)


def test_bucket_location(s3, bucket):
    answer = s3.get_bucket_location(Bucket=bucket)
    assert answer["LocationConstraint"] is None
    refused("NoSuchBucket", s3.get_bucket_location, Bucket="no-such-bucket")


OPERATIONS_ON_A_BUCKET = ["list_objects", "list_objects_v2", "list_multipart_uploads", "get_bucket_versioning", "get_bucket_policy", "get_bucket_acl"]


@pytest.mark.parametrize("operation", OPERATIONS_ON_A_BUCKET)
def test_no_such_bucket(s3, operation):
    error = refused("NoSuchBucket", getattr(s3, operation), Bucket="no-such-bucket")
    assert error["Error"]["BucketName"] == "no-such-bucket" and error["ResponseMetadata"]["HTTPStatusCode"] == 404


@pytest.mark.parametrize("operation, code", [
    ("get_bucket_cors", "NoSuchCORSConfiguration"), ("get_bucket_encryption", "ServerSideEncryptionConfigurationNotFoundError"),
    ("get_bucket_lifecycle_configuration", "NoSuchLifecycleConfiguration"), ("get_bucket_lifecycle", "NoSuchLifecycleConfiguration"),
    ("get_object_lock_configuration", "ObjectLockConfigurationNotFoundError"),
    ("get_bucket_ownership_controls", "OwnershipControlsNotFoundError"), ("get_bucket_policy", "NoSuchBucketPolicy"),
    ("get_bucket_policy_status", "NoSuchBucketPolicy"), ("get_public_access_block", "NoSuchPublicAccessBlockConfiguration"),
    ("get_bucket_replication", "ReplicationConfigurationNotFoundError"), ("get_bucket_tagging", "NoSuchTagSet"),
    ("get_bucket_website", "NoSuchWebsiteConfiguration")])
def test_configuration_that_was_never_set(s3, bucket, operation, code):
    assert refused(code, getattr(s3, operation), Bucket=bucket)["ResponseMetadata"]["HTTPStatusCode"] == 404


@pytest.mark.parametrize("operation, root", [
    ("accelerate", "AccelerateConfiguration"), ("logging", "BucketLoggingStatus"), ("notification", "NotificationConfiguration"),
    ("requestPayment", "RequestPaymentConfiguration"), ("versioning", "VersioningConfiguration")])
def test_configuration_that_is_empty(server, bucket, operation, root):
    answer = s3_raw.send(server, "GET", f"/{bucket}?{operation}")
    assert answer.status == 200 and f"<{root} xmlns=".encode() in answer.body


def test_bucket_acl(s3, bucket):
    acl = s3.get_bucket_acl(Bucket=bucket)
    assert [grant["Permission"] for grant in acl["Grants"]] == ["FULL_CONTROL"] and acl["Owner"]["ID"] == acl["Grants"][0]["Grantee"]["ID"]


@pytest.mark.parametrize("method, target", [
    ("PUT", "?versioning"), ("PUT", "?tagging"), ("PUT", "?policy"), ("PUT", "?lifecycle"), ("PUT", "?acl"), ("DELETE", "?policy"),
    ("GET", "?versions"), ("GET", "?inventory"), ("POST", ""), ("PUT", "/k?tagging"), ("PUT", "/k?acl"), ("GET", "/k?attributes"),
    ("POST", "/k?select&select-type=2"), ("POST", "/k?restore"), ("PUT", "/k?legal-hold")])
def test_what_is_not_served_says_so(server, bucket, method, target):
    answer = s3_raw.send(server, method, f"/{bucket}{target}", b"")
    assert (answer.status, answer.code()) == (501, "NotImplemented")


def test_methods_that_do_not_exist(server, bucket):
    assert s3_raw.send(server, "PATCH", f"/{bucket}/k").code() == "MethodNotAllowed"
    assert s3_raw.send(server, "DELETE", "/").status == 405


def test_expected_bucket_owner(s3, bucket):
    assert s3.list_objects_v2(Bucket=bucket, ExpectedBucketOwner="000000000000")["KeyCount"] == 0
    refused("AccessDenied", s3.list_objects_v2, Bucket=bucket, ExpectedBucketOwner="111111111111")


# Listings

KEYS = ["a", "a/1", "a/2", "a/b/3", "a0", "b", "z/1", "z/2", "ü/ä b+c", "ü&<>"]


def test_list_v2_with_delimiter_and_prefix(s3, bucket):
    fill(s3, bucket, KEYS)
    page = s3.list_objects_v2(Bucket=bucket)
    assert keys_of(page) == sorted(KEYS, key=str.encode) and page["KeyCount"] == len(KEYS) and page["IsTruncated"] is False
    first = page["Contents"][0]
    assert first["ETag"] == f'"{hashlib.md5(b"a").hexdigest()}"' and first["Size"] == 1 and first["StorageClass"] == "STANDARD"
    page = s3.list_objects_v2(Bucket=bucket, Delimiter="/")
    assert keys_of(page) == ["a", "a0", "b", "ü&<>"]
    assert [entry["Prefix"] for entry in page["CommonPrefixes"]] == ["a/", "z/", "ü/"] and page["KeyCount"] == 7
    page = s3.list_objects_v2(Bucket=bucket, Delimiter="/", Prefix="a/")
    assert keys_of(page) == ["a/1", "a/2"] and [entry["Prefix"] for entry in page["CommonPrefixes"]] == ["a/b/"]
    assert s3.list_objects_v2(Bucket=bucket, Prefix="nothing")["KeyCount"] == 0
    assert s3.list_objects_v2(Bucket=bucket, FetchOwner=True, MaxKeys=1)["Contents"][0]["Owner"]["ID"]


def test_list_v2_pages(s3, bucket):
    fill(s3, bucket, KEYS)
    for size in (1, 2, 3):
        pages = list(s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Delimiter="/", PaginationConfig={"PageSize": size}))
        assert [page["IsTruncated"] for page in pages] == [True] * (len(pages) - 1) + [False]
        items = [item for page in pages for item in keys_of(page) + [entry["Prefix"] for entry in page.get("CommonPrefixes", [])]]
        assert sorted(items) == sorted(["a", "a0", "b", "ü&<>", "a/", "z/", "ü/"])
        assert all(page["KeyCount"] <= size for page in pages)
    page = s3.list_objects_v2(Bucket=bucket, StartAfter="a/2", MaxKeys=2)
    assert keys_of(page) == ["a/b/3", "a0"] and page["StartAfter"] == "a/2"
    # The token goes before StartAfter.
    again = s3.list_objects_v2(Bucket=bucket, StartAfter="z", ContinuationToken=page["NextContinuationToken"])
    assert keys_of(again)[0] == "b"
    assert s3.list_objects_v2(Bucket=bucket, MaxKeys=0)["KeyCount"] == 0
    assert s3.list_objects_v2(Bucket=bucket, MaxKeys=5000)["MaxKeys"] == 1000


def test_list_refuses_bad_arguments(s3, server, bucket):
    fill(s3, bucket, KEYS)
    refused("InvalidArgument", s3.list_objects_v2, Bucket=bucket, ContinuationToken="nonsense")
    token = s3.list_objects_v2(Bucket=bucket, MaxKeys=1)["NextContinuationToken"]
    # A token is good for the arguments it was made for.
    refused("InvalidArgument", s3.list_objects_v2, Bucket=bucket, ContinuationToken=token, Prefix="a")
    for query in ("max-keys=-1", "max-keys=x", "encoding-type=base64"):
        assert s3_raw.send(server, "GET", f"/{bucket}?{query}").code() == "InvalidArgument"


def test_list_v1_with_markers(s3, bucket):
    fill(s3, bucket, KEYS)
    page = s3.list_objects(Bucket=bucket, MaxKeys=3)
    assert keys_of(page) == ["a", "a/1", "a/2"] and page["IsTruncated"] and page["Contents"][0]["Owner"]["ID"]
    assert keys_of(s3.list_objects(Bucket=bucket, Marker="a/2"))[0] == "a/b/3"
    page = s3.list_objects(Bucket=bucket, Delimiter="/", MaxKeys=2)
    assert page["NextMarker"] == "a/" and keys_of(page) == ["a"]
    assert keys_of(s3.list_objects(Bucket=bucket, Delimiter="/", Marker="a/", MaxKeys=1)) == ["a0"]
    items = [item for page in s3.get_paginator("list_objects").paginate(Bucket=bucket, PaginationConfig={"PageSize": 3}) for item in keys_of(page)]
    assert items == sorted(KEYS, key=str.encode)


def test_list_encodes_only_when_asked(server, s3, bucket):
    fill(s3, bucket, ["ü b+/\x01"])
    assert s3_raw.send(server, "GET", f"/{bucket}?list-type=2&encoding-type=url").text("Key") == "%C3%BC%20b%2B/%01"
    assert b"<Key>\xc3\xbc b+/&#x1;</Key>" in s3_raw.send(server, "GET", f"/{bucket}?list-type=2").body


def test_cli_lists(server, s3, bucket):
    fill(s3, bucket, KEYS)
    listed = server.aws(["s3", "ls", f"s3://{bucket}"])
    assert "PRE a/" in listed and " a0" in listed
    assert len(server.aws(["s3", "ls", "--recursive", f"s3://{bucket}"]).strip().splitlines()) == len(KEYS)

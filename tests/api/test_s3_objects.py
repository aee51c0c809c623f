"""S3's objects: put, get, head, copy, delete; checksums, ranges, conditions, awkward keys, aws-chunked bodies."""
import base64
import datetime
import hashlib
import time
import urllib.parse
import urllib.request
import zlib

import pytest

from tests.api.test_s3 import bucket, keys_of, refused, s3  # noqa: F401 (fixtures)
from tests.support import s3_raw


def md5(data):
    return hashlib.md5(data).digest()


def b64(data):
    return base64.b64encode(data).decode()


def crc32(data):
    return b64(zlib.crc32(data).to_bytes(4, "big"))


def body_of(s3, bucket, key, **arguments):
    return s3.get_object(Bucket=bucket, Key=key, **arguments)["Body"].read()


def test_put_and_get(s3, bucket):
    data = bytes(range(256)) * 1000
    put = s3.put_object(Bucket=bucket, Key="k", Body=data, ContentType="text/x", CacheControl="no-cache", ContentDisposition="inline",
                        ContentLanguage="de", ContentEncoding="gzip", Expires=datetime.datetime(2030, 1, 1), Metadata={"Who": "me", "empty": ""})
    assert put["ETag"] == f'"{md5(data).hex()}"'
    got = s3.get_object(Bucket=bucket, Key="k")
    assert got["Body"].read() == data and got["ETag"] == put["ETag"] and got["ContentLength"] == len(data)
    assert (got["ContentType"], got["CacheControl"], got["ContentDisposition"]) == ("text/x", "no-cache", "inline")
    assert (got["ContentLanguage"], got["ContentEncoding"], got["AcceptRanges"]) == ("de", "gzip", "bytes")
    assert got["Metadata"] == {"who": "me", "empty": ""} and got["Expires"].year == 2030
    assert abs(got["LastModified"].timestamp() - time.time()) < 60
    s3.put_object(Bucket=bucket, Key="k", Body=b"new")
    got = s3.get_object(Bucket=bucket, Key="k")
    assert got["Body"].read() == b"new" and got["ContentType"] == "binary/octet-stream" and got["Metadata"] == {}
    s3.put_object(Bucket=bucket, Key="k", Body=b"")
    assert body_of(s3, bucket, "k") == b""


def test_head_object(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"12345", Metadata={"a": "b"})
    head = s3.head_object(Bucket=bucket, Key="k")
    assert head["ContentLength"] == 5 and head["Metadata"] == {"a": "b"} and head["ETag"] == f'"{md5(b"12345").hex()}"'
    assert s3.head_object(Bucket=bucket, Key="k", Range="bytes=1-2")["ContentLength"] == 2
    # Without a body the client knows only the status.
    assert refused("404", s3.head_object, Bucket=bucket, Key="none")["ResponseMetadata"]["HTTPStatusCode"] == 404
    refused("404", s3.head_object, Bucket="no-such-bucket", Key="k")
    refused("412", s3.head_object, Bucket=bucket, Key="k", IfMatch="x")
    refused("304", s3.head_object, Bucket=bucket, Key="k", IfNoneMatch=head["ETag"])
    refused("416", s3.head_object, Bucket=bucket, Key="k", Range="bytes=5-")
    refused("400", s3.head_object, Bucket=bucket, Key="k", VersionId="1")


def test_missing_things(s3, bucket):
    refused("NoSuchKey", s3.get_object, Bucket=bucket, Key="none")
    refused("NoSuchBucket", s3.get_object, Bucket="no-such-bucket", Key="k")
    refused("NoSuchBucket", s3.put_object, Bucket="no-such-bucket", Key="k", Body=b"x")
    refused("NoSuchBucket", s3.delete_object, Bucket="no-such-bucket", Key="k")
    refused("NoSuchKey", s3.get_object_tagging, Bucket=bucket, Key="none")
    refused("NoSuchKey", s3.get_object_acl, Bucket=bucket, Key="none")


@pytest.mark.parametrize("key", ["a b+ü/x", "/", "//", "..", "../x", "a//b", "a/", ".", "%", "%2F", "?", "a?b=c&d", "'\"<>&", "\x7f", "k" * 1024])
def test_awkward_keys(s3, bucket, key):
    s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    assert body_of(s3, bucket, key) == key.encode()
    assert keys_of(s3.list_objects_v2(Bucket=bucket)) == [key]
    s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": key})
    assert body_of(s3, bucket, "copy") == key.encode()
    assert s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key}]})["Deleted"] == [{"Key": key}]
    refused("NoSuchKey", s3.get_object, Bucket=bucket, Key=key)


def test_impossible_keys(server, s3, bucket):
    refused("KeyTooLongError", s3.put_object, Bucket=bucket, Key="k" * 1025, Body=b"x")
    for path in ("%FF", "%00"):
        assert s3_raw.send(server, "PUT", f"/{bucket}/{path}", b"x").code() == "InvalidURI"


def test_content_md5(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", ContentMD5=b64(md5(b"x")))
    error = refused("BadDigest", s3.put_object, Bucket=bucket, Key="k", Body=b"y", ContentMD5=b64(md5(b"x")))
    assert error["Error"]["ExpectedDigest"] == md5(b"x").hex()
    refused("InvalidDigest", s3.put_object, Bucket=bucket, Key="k", Body=b"y", ContentMD5="nonsense")
    assert body_of(s3, bucket, "k") == b"x"


SUMS = {"CRC32": crc32(b"123456789"), "CRC32C": b64(bytes.fromhex("e3069283")), "SHA1": b64(hashlib.sha1(b"123456789").digest()),
        "SHA256": b64(hashlib.sha256(b"123456789").digest())}


@pytest.mark.parametrize("algorithm", sorted(SUMS))
def test_checksums_are_verified_kept_and_returned(s3, bucket, algorithm):
    member = f"Checksum{algorithm}"
    assert s3.put_object(Bucket=bucket, Key="k", Body=b"123456789", **{member: SUMS[algorithm]})[member] == SUMS[algorithm]
    assert s3.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")[member] == SUMS[algorithm]
    assert s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")[member] == SUMS[algorithm]
    assert member not in s3.get_object(Bucket=bucket, Key="k")
    refused("BadDigest", s3.put_object, Bucket=bucket, Key="k", Body=b"other", **{member: SUMS[algorithm]})
    assert body_of(s3, bucket, "k") == b"123456789"


def test_an_object_without_a_checksum_gets_crc64nvme(server, s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"123456789")
    answer = s3_raw.send(server, "GET", f"/{bucket}/k", headers={"x-amz-checksum-mode": "ENABLED"})
    assert answer.headers["x-amz-checksum-crc64nvme"] == b64(bytes.fromhex("ae8b14860a799888"))
    assert answer.headers["x-amz-checksum-type"] == "FULL_OBJECT"


def test_contradicting_checksums(server, bucket):
    for headers in ({"x-amz-checksum-crc32": SUMS["CRC32"], "x-amz-checksum-sha1": SUMS["SHA1"]}, {"x-amz-checksum-crc32": "bad"},
                    {"x-amz-sdk-checksum-algorithm": "CRC32"}):
        assert s3_raw.send(server, "PUT", f"/{bucket}/k", b"123456789", headers).code() == "InvalidRequest"


def test_the_signed_hash_must_be_the_bodys(server, bucket):
    answer = s3_raw.send(server, "PUT", f"/{bucket}/k", b"x", payload=hashlib.sha256(b"y").hexdigest())
    assert (answer.status, answer.code()) == (400, "XAmzContentSHA256Mismatch")
    assert s3_raw.send(server, "PUT", f"/{bucket}/k", b"x", payload="UNSIGNED-PAYLOAD").status == 200
    assert s3_raw.send(server, "GET", f"/{bucket}/k").body == b"x"


CHUNKS = [b"a" * 65536, b"b" * 65536, b"tail"]


def test_signed_chunks(server, s3, bucket):
    assert s3_raw.put_signed_chunks(server, f"/{bucket}/k", CHUNKS).status == 200
    got = s3.get_object(Bucket=bucket, Key="k")
    assert got["Body"].read() == b"".join(CHUNKS) and "ContentEncoding" not in got
    spoiled = s3_raw.put_signed_chunks(server, f"/{bucket}/k2", CHUNKS, spoil=lambda body: body.replace(b"bbb", b"bbc", 1))
    assert (spoiled.status, spoiled.code()) == (403, "SignatureDoesNotMatch")
    refused("NoSuchKey", s3.get_object, Bucket=bucket, Key="k2")


def test_signed_chunks_with_a_signed_trailer(server, s3, bucket):
    data = b"".join(CHUNKS)
    assert s3_raw.put_signed_chunks(server, f"/{bucket}/k", CHUNKS, trailer=("x-amz-checksum-crc32", crc32(data))).status == 200
    assert s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")["ChecksumCRC32"] == crc32(data)
    assert s3_raw.put_signed_chunks(server, f"/{bucket}/k2", CHUNKS, trailer=("x-amz-checksum-crc32", crc32(b"x"))).code() == "BadDigest"
    refused("404", s3.head_object, Bucket=bucket, Key="k2")


def test_unsigned_chunks_with_a_trailer(server, s3, bucket):
    data = b"".join(CHUNKS)
    headers = {"Content-Encoding": "aws-chunked,gzip"}
    assert s3_raw.put_unsigned_trailer(server, f"/{bucket}/k", CHUNKS, "x-amz-checksum-crc32", crc32(data), headers).status == 200
    got = s3.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert got["Body"].read() == data and got["ContentEncoding"] == "gzip" and got["ChecksumCRC32"] == crc32(data)
    assert s3_raw.put_unsigned_trailer(server, f"/{bucket}/k", CHUNKS, "x-amz-checksum-crc32", crc32(b"x")).code() == "BadDigest"
    assert s3_raw.put_unsigned_trailer(server, f"/{bucket}/k", CHUNKS, "x-amz-checksum-crc32", crc32(data),
                                       {"x-amz-decoded-content-length": 7}).code() == "IncompleteBody"
    assert body_of(s3, bucket, "k") == data


def test_user_metadata_has_limits(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", Metadata={"a": "v" * 2047})
    assert s3.head_object(Bucket=bucket, Key="k")["Metadata"]["a"] == "v" * 2047
    refused("MetadataTooLarge", s3.put_object, Bucket=bucket, Key="k", Body=b"y", Metadata={"a": "v" * 2048})


def test_put_refuses_what_it_cannot_give(s3, bucket):
    for asked in ({"ServerSideEncryption": "AES256"}, {"ACL": "public-read"}, {"Tagging": "a=b"}, {"WebsiteRedirectLocation": "/x"},
                  {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": datetime.datetime(2030, 1, 1)}, {"GrantRead": "id=x"}):
        refused("NotImplemented", s3.put_object, Bucket=bucket, Key="k", Body=b"x", **asked)
    refused("InvalidStorageClass", s3.put_object, Bucket=bucket, Key="k", Body=b"x", StorageClass="GLACIER")
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", StorageClass="STANDARD", ACL="bucket-owner-full-control")
    assert body_of(s3, bucket, "k") == b"x"


def test_conditional_puts(server, s3, bucket):
    put = lambda headers: s3_raw.send(server, "PUT", f"/{bucket}/k", b"x", headers)  # noqa: E731
    assert put({"If-Match": '"x"'}).code() == "NoSuchKey"
    first = put({"If-None-Match": "*"})
    assert first.status == 200
    assert put({"If-None-Match": "*"}).code() == "PreconditionFailed"
    assert put({"If-None-Match": first.headers["ETag"]}).code() == "NotImplemented"
    assert put({"If-Match": '"other"'}).status == 412
    assert put({"If-Match": first.headers["ETag"]}).status == 200


def test_ranges(s3, bucket):
    data = bytes(range(256)) * 4000
    s3.put_object(Bucket=bucket, Key="k", Body=data)
    last = len(data) - 1
    for asked, first, final in (("0-0", 0, 0), ("100-300000", 100, 300000), ("-7", last - 6, last), ("1023990-", 1023990, last),
                                ("1023990-99999999", 1023990, last)):
        got = s3.get_object(Bucket=bucket, Key="k", Range=f"bytes={asked}")
        assert got["ResponseMetadata"]["HTTPStatusCode"] == 206 and got["ContentRange"] == f"bytes {first}-{final}/{len(data)}"
        assert got["Body"].read() == data[first:final + 1]
    error = refused("InvalidRange", s3.get_object, Bucket=bucket, Key="k", Range=f"bytes={len(data)}-")
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 416 and error["Error"]["ActualObjectSize"] == str(len(data))
    # What is no range of bytes is not looked at.
    assert s3.get_object(Bucket=bucket, Key="k", Range="lines=1-2")["ContentLength"] == len(data)


def test_conditional_gets(s3, bucket):
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"x")["ETag"]
    hour = datetime.timedelta(hours=1)
    now = datetime.datetime.now(datetime.timezone.utc)
    assert body_of(s3, bucket, "k", IfMatch=etag, IfUnmodifiedSince=now - hour) == b"x"
    assert body_of(s3, bucket, "k", IfModifiedSince=now - hour, IfNoneMatch='"other"') == b"x"
    refused("PreconditionFailed", s3.get_object, Bucket=bucket, Key="k", IfMatch='"other"')
    refused("PreconditionFailed", s3.get_object, Bucket=bucket, Key="k", IfUnmodifiedSince=now - hour)
    refused("304", s3.get_object, Bucket=bucket, Key="k", IfNoneMatch=etag)
    refused("304", s3.get_object, Bucket=bucket, Key="k", IfModifiedSince=now + hour)


def test_response_overrides_and_presigned_urls(server, bucket):
    # The signature version that boto3 must be told for an endpoint of one's own.
    s3 = server.client("s3", signature_version="s3v4")
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", ContentType="text/a")
    url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k", "ResponseContentType": "text/b",
                                                          "ResponseContentDisposition": "attachment"})
    with urllib.request.urlopen(url) as answer:
        assert answer.read() == b"x" and answer.headers["Content-Type"] == "text/b" and answer.headers["Content-Disposition"] == "attachment"


def test_versions_do_not_exist(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    refused("InvalidArgument", s3.get_object, Bucket=bucket, Key="k", VersionId="abc")
    refused("InvalidArgument", s3.delete_object, Bucket=bucket, Key="k", VersionId="abc")
    assert body_of(s3, bucket, "k", VersionId="null") == b"x"


def test_object_tagging_and_acl(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == []
    assert s3.get_object_acl(Bucket=bucket, Key="k")["Grants"][0]["Permission"] == "FULL_CONTROL"


def test_copy(s3, bucket):
    s3.put_object(Bucket=bucket, Key="a b+ü", Body=b"bytes", ContentType="text/a", Metadata={"m": "1"})
    source = {"Bucket": bucket, "Key": "a b+ü"}
    result = s3.copy_object(Bucket=bucket, Key="b", CopySource=source)["CopyObjectResult"]
    assert result["ETag"] == f'"{md5(b"bytes").hex()}"' and result["LastModified"]
    kept = s3.get_object(Bucket=bucket, Key="b")
    assert kept["Body"].read() == b"bytes" and kept["ContentType"] == "text/a" and kept["Metadata"] == {"m": "1"}
    s3.copy_object(Bucket=bucket, Key="b", CopySource=source, MetadataDirective="REPLACE", ContentType="text/c", Metadata={"n": "2"},
                   ChecksumAlgorithm="SHA256")
    replaced = s3.get_object(Bucket=bucket, Key="b", ChecksumMode="ENABLED")
    assert replaced["ContentType"] == "text/c" and replaced["Metadata"] == {"n": "2"}
    assert replaced["ChecksumSHA256"] == b64(hashlib.sha256(b"bytes").digest())
    s3.copy_object(Bucket=bucket, Key="b", CopySource={"Bucket": bucket, "Key": "b"}, MetadataDirective="REPLACE")
    s3.delete_object(Bucket=bucket, Key="a b+ü")
    assert body_of(s3, bucket, "b") == b"bytes"


def test_copy_refusals(server, s3, bucket):
    etag = s3.put_object(Bucket=bucket, Key="a", Body=b"bytes")["ETag"]
    source = {"Bucket": bucket, "Key": "a"}
    refused("InvalidRequest", s3.copy_object, Bucket=bucket, Key="a", CopySource=source)
    refused("NoSuchKey", s3.copy_object, Bucket=bucket, Key="b", CopySource={"Bucket": bucket, "Key": "none"})
    refused("NoSuchBucket", s3.copy_object, Bucket=bucket, Key="b", CopySource={"Bucket": "no-such-bucket", "Key": "a"})
    refused("NoSuchBucket", s3.copy_object, Bucket="no-such-bucket", Key="b", CopySource=source)
    refused("PreconditionFailed", s3.copy_object, Bucket=bucket, Key="b", CopySource=source, CopySourceIfMatch='"other"')
    refused("PreconditionFailed", s3.copy_object, Bucket=bucket, Key="b", CopySource=source, CopySourceIfNoneMatch=etag)
    refused("NotImplemented", s3.copy_object, Bucket=bucket, Key="b", CopySource=source, ServerSideEncryption="AES256")
    for headers in ({"x-amz-copy-source": bucket}, {"x-amz-copy-source": f"{bucket}/a", "x-amz-metadata-directive": "MOVE"}):
        assert s3_raw.send(server, "PUT", f"/{bucket}/b", b"", headers).code() == "InvalidArgument"
    refused("404", s3.head_object, Bucket=bucket, Key="b")


def test_delete_object(server, s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    assert s3_raw.send(server, "DELETE", f"/{bucket}/k", headers={"If-Match": '"other"'}).code() == "PreconditionFailed"
    for _ in range(2):
        assert s3.delete_object(Bucket=bucket, Key="k")["ResponseMetadata"]["HTTPStatusCode"] == 204
    refused("NoSuchKey", s3.get_object, Bucket=bucket, Key="k")


def test_delete_objects(s3, bucket):
    for i in range(5):
        s3.put_object(Bucket=bucket, Key=f"k{i}", Body=b"x")
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "k0"}, {"Key": "none"}, {"Key": "k1", "VersionId": "v"}]})
    assert answer["Deleted"] == [{"Key": "k0"}, {"Key": "none"}] and answer["Errors"][0]["Code"] == "NoSuchVersion"
    quiet = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "k1"}], "Quiet": True})
    assert "Deleted" not in quiet and keys_of(s3.list_objects_v2(Bucket=bucket)) == ["k2", "k3", "k4"]
    s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "k2"}]}, ChecksumAlgorithm="SHA256")
    assert keys_of(s3.list_objects_v2(Bucket=bucket)) == ["k3", "k4"]


def test_delete_objects_refusals(server, s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    refused("NoSuchBucket", s3.delete_objects, Bucket="no-such-bucket", Delete={"Objects": [{"Key": "k"}]})
    refused("MalformedXML", s3.delete_objects, Bucket=bucket, Delete={"Objects": [{"Key": "k"}] * 1001})
    body = b"<Delete><Object><Key>k</Key></Object></Delete>"
    post = lambda data, headers: s3_raw.send(server, "POST", f"/{bucket}?delete", data, headers).code()  # noqa: E731
    assert post(body, {}) == "InvalidRequest"
    assert post(body, {"Content-MD5": b64(md5(b"other"))}) == "BadDigest"
    assert post(body, {"x-amz-checksum-crc32": crc32(b"other")}) == "BadDigest"
    for bad in (b"", b"<Delete/>", b"<Delete><Object/></Delete>", b"<Remove/>",
                b"<!DOCTYPE d [<!ENTITY k 'k'>]><Delete><Object><Key>&k;</Key></Object></Delete>"):
        assert post(bad, {"Content-MD5": b64(md5(bad))}) == "MalformedXML"
    assert body_of(s3, bucket, "k") == b"x"


def test_the_cli_copies_moves_and_removes(server, s3, bucket, tmp_path):
    path = tmp_path / "a b+ü.txt"
    path.write_bytes(b"from the CLI")
    server.aws(["s3", "cp", str(path), f"s3://{bucket}/d/a b+ü.txt", "--metadata", "k=v"])
    assert s3.head_object(Bucket=bucket, Key="d/a b+ü.txt")["Metadata"] == {"k": "v"}
    server.aws(["s3", "mv", f"s3://{bucket}/d/a b+ü.txt", f"s3://{bucket}/e"])
    server.aws(["s3", "cp", f"s3://{bucket}/e", str(tmp_path / "back")])
    assert (tmp_path / "back").read_bytes() == b"from the CLI"
    server.aws(["s3", "rm", "--recursive", f"s3://{bucket}"])
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
    failed = server.aws(["s3api", "get-object", "--bucket", bucket, "--key", "e", str(tmp_path / "x")], check=False)
    assert failed.returncode == 254 and "NoSuchKey" in failed.stderr
    quoted = urllib.parse.quote("a b")
    assert s3_raw.send(server, "GET", f"/{bucket}/{quoted}").code() == "NoSuchKey"

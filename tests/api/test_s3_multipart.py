"""S3's multipart uploads: by boto3, by the CLI (20 MB) and with every refusal."""
import hashlib
import os

import pytest

from tests.api.test_s3 import bucket, refused, s3  # noqa: F401 (fixtures)
from tests.api.test_s3_objects import b64, body_of, crc32, md5
from tests.support import s3_raw

FIVE = 5 * 1024 * 1024


class Upload:
    def __init__(self, s3, bucket, key="big", **arguments):
        self.s3, self.at = s3, {"Bucket": bucket, "Key": key}
        self.id = s3.create_multipart_upload(**self.at, **arguments)["UploadId"]
        self.parts = []

    def part(self, number, data, **arguments):
        answer = self.s3.upload_part(**self.at, UploadId=self.id, PartNumber=number, Body=data, **arguments)
        self.parts.append({"PartNumber": number, **{name: value for name, value in answer.items() if name == "ETag" or name.startswith("Checksum")}})
        return answer

    def complete(self, parts=None, **arguments):
        return self.s3.complete_multipart_upload(**self.at, UploadId=self.id, MultipartUpload={"Parts": self.parts if parts is None else parts},
                                                 **arguments)

    def refused(self, code, parts=None):
        return refused(code, self.complete, parts)


@pytest.fixture(scope="module")
def five():
    return os.urandom(FIVE)


def test_upload_in_parts(s3, bucket, five):
    upload = Upload(s3, bucket, ContentType="text/x", Metadata={"m": "1"})
    assert upload.part(1, five)["ETag"] == f'"{md5(five).hex()}"'
    upload.part(3, b"replaced")
    upload.parts.pop()
    upload.part(3, b"tail")
    refused("NoSuchKey", s3.get_object, Bucket=bucket, Key="big")
    done = upload.complete()
    etag = f'"{md5(md5(five) + md5(b"tail")).hex()}-2"'
    assert done["ETag"] == etag and done["Bucket"] == bucket and done["Key"] == "big" and done["Location"].endswith(f"/{bucket}/big")
    got = s3.get_object(Bucket=bucket, Key="big")
    assert got["Body"].read() == five + b"tail" and got["ETag"] == etag and got["ContentType"] == "text/x" and got["Metadata"] == {"m": "1"}
    assert body_of(s3, bucket, "big", Range=f"bytes={FIVE - 3}-{FIVE + 1}") == five[-3:] + b"ta"
    part = s3.get_object(Bucket=bucket, Key="big", PartNumber=2)
    assert part["Body"].read() == b"tail" and part["PartsCount"] == 2
    refused("InvalidPartNumber", s3.get_object, Bucket=bucket, Key="big", PartNumber=3)
    refused("416", s3.head_object, Bucket=bucket, Key="big", PartNumber=3)


def test_a_repeated_complete_answers_the_same(s3, bucket):
    upload = Upload(s3, bucket)
    upload.part(1, b"x")
    first = upload.complete()
    assert upload.complete()["ETag"] == first["ETag"] == f'"{md5(md5(b"x")).hex()}-1"'
    upload.refused("NoSuchUpload", [{"PartNumber": 1, "ETag": '"other"'}])


def test_what_complete_refuses(server, s3, bucket, five):
    upload = Upload(s3, bucket)
    upload.part(1, b"small")
    upload.part(2, five)
    one, two = upload.parts
    upload.refused("InvalidPartOrder", [two, one])
    upload.refused("InvalidPartOrder", [one, one])
    assert upload.refused("InvalidPart", [one, {"PartNumber": 3, "ETag": two["ETag"]}])["Error"]["PartNumber"] == "3"
    upload.refused("InvalidPart", [{"PartNumber": 1, "ETag": two["ETag"]}])
    assert upload.refused("EntityTooSmall")["Error"]["MinSizeAllowed"] == str(FIVE)
    upload.refused("MalformedXML", [])
    target = f"/{bucket}/big?uploadId={upload.id}"
    for body in (b"", b"<x/>", b"<CompleteMultipartUpload><Part/></CompleteMultipartUpload>"):
        assert s3_raw.send(server, "POST", target, body).code() == "MalformedXML"
    body = f"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{one['ETag']}</ETag></Part></CompleteMultipartUpload>".encode()
    assert s3_raw.send(server, "POST", target, body, {"x-amz-mp-object-size": "7"}).code() == "InvalidRequest"
    assert s3_raw.send(server, "POST", target, body, {"x-amz-checksum-crc64nvme": b64(bytes(8))}).code() == "BadDigest"
    s3.put_object(Bucket=bucket, Key="big", Body=b"there")
    assert s3_raw.send(server, "POST", target, body, {"If-None-Match": "*"}).code() == "PreconditionFailed"
    assert body_of(s3, bucket, "big") == b"there"
    upload.complete([one])
    assert body_of(s3, bucket, "big") == b"small"
    refused("NoSuchBucket", s3.complete_multipart_upload, Bucket="no-such-bucket", Key="k", UploadId="x", MultipartUpload={"Parts": [one]})


def test_abort(s3, bucket):
    upload = Upload(s3, bucket)
    upload.part(1, b"x")
    refused("NoSuchUpload", s3.abort_multipart_upload, Bucket=bucket, Key="other", UploadId=upload.id)
    assert s3.abort_multipart_upload(**upload.at, UploadId=upload.id)["ResponseMetadata"]["HTTPStatusCode"] == 204
    refused("NoSuchUpload", s3.abort_multipart_upload, **upload.at, UploadId=upload.id)
    refused("NoSuchUpload", s3.list_parts, **upload.at, UploadId=upload.id)
    refused("NoSuchUpload", s3.upload_part, **upload.at, UploadId=upload.id, PartNumber=1, Body=b"x")
    upload.refused("NoSuchUpload")


def test_what_creating_and_uploading_refuse(s3, bucket):
    refused("NoSuchBucket", s3.create_multipart_upload, Bucket="no-such-bucket", Key="k")
    refused("NotImplemented", s3.create_multipart_upload, Bucket=bucket, Key="k", ServerSideEncryption="AES256")
    refused("InvalidRequest", s3.create_multipart_upload, Bucket=bucket, Key="k", ChecksumAlgorithm="MD5")
    refused("MetadataTooLarge", s3.create_multipart_upload, Bucket=bucket, Key="k", Metadata={"a": "v" * 2048})
    upload = Upload(s3, bucket)
    for number in (0, 10001):
        refused("InvalidArgument", upload.part, number, b"x")
    refused("BadDigest", upload.part, 1, b"x", ContentMD5=b64(md5(b"y")))
    refused("InvalidDigest", upload.part, 1, b"x", ContentMD5="bad")
    refused("BadDigest", upload.part, 1, b"x", ChecksumCRC32=crc32(b"y"))
    assert "Parts" not in s3.list_parts(**upload.at, UploadId=upload.id)


def test_checksums_of_parts(s3, bucket, five):
    upload = Upload(s3, bucket, ChecksumAlgorithm="SHA256")
    refused("InvalidRequest", upload.part, 1, b"x", ChecksumCRC32=crc32(b"x"))
    upload.part(1, five, ChecksumAlgorithm="SHA256")
    upload.part(2, b"tail", ChecksumAlgorithm="SHA256")
    upload.refused("InvalidRequest", [{"PartNumber": part["PartNumber"], "ETag": part["ETag"]} for part in upload.parts])
    upload.refused("InvalidPart", [{**upload.parts[0], "ChecksumSHA256": b64(bytes(32))}])
    done = upload.complete()
    composed = hashlib.sha256(hashlib.sha256(five).digest() + hashlib.sha256(b"tail").digest()).digest()
    assert done["ChecksumSHA256"] == b64(composed) + "-2"
    assert s3.head_object(Bucket=bucket, Key="big", ChecksumMode="ENABLED")["ChecksumSHA256"] == b64(composed) + "-2"


def test_list_parts(s3, bucket):
    upload = Upload(s3, bucket)
    for number in (5, 1, 3):
        upload.part(number, bytes(number))
    page = s3.list_parts(**upload.at, UploadId=upload.id, MaxParts=2)
    assert [(part["PartNumber"], part["Size"]) for part in page["Parts"]] == [(1, 1), (3, 3)] and page["IsTruncated"]
    page = s3.list_parts(**upload.at, UploadId=upload.id, PartNumberMarker=page["NextPartNumberMarker"])
    assert [part["ETag"] for part in page["Parts"]] == [f'"{md5(bytes(5)).hex()}"'] and not page["IsTruncated"]
    refused("InvalidArgument", s3.list_parts, **upload.at, UploadId=upload.id, MaxParts=-1)
    refused("NoSuchBucket", s3.list_parts, Bucket="no-such-bucket", Key="k", UploadId="x")


def test_list_multipart_uploads(s3, bucket):
    made = [(key, Upload(s3, bucket, key).id) for key in ("a/1", "a/2", "b", "b", "ü")]
    listed = s3.list_multipart_uploads(Bucket=bucket)
    assert [(entry["Key"], entry["UploadId"]) for entry in listed["Uploads"]] == made and not listed["IsTruncated"]
    found, markers = [], {}
    while True:
        page = s3.list_multipart_uploads(Bucket=bucket, MaxUploads=2, **markers)
        found += [(entry["Key"], entry["UploadId"]) for entry in page["Uploads"]]
        if not page["IsTruncated"]:
            break
        markers = {"KeyMarker": page["NextKeyMarker"], "UploadIdMarker": page["NextUploadIdMarker"]}
    assert found == made
    grouped = s3.list_multipart_uploads(Bucket=bucket, Delimiter="/")
    assert [entry["Prefix"] for entry in grouped["CommonPrefixes"]] == ["a/"] and len(grouped["Uploads"]) == 3
    assert [entry["Key"] for entry in s3.list_multipart_uploads(Bucket=bucket, Prefix="a/", KeyMarker="a/1")["Uploads"]] == ["a/2"]
    refused("InvalidArgument", s3.list_multipart_uploads, Bucket=bucket, MaxUploads=-1)


def test_upload_part_copy(s3, bucket, five):
    s3.put_object(Bucket=bucket, Key="source", Body=five + b"tail")
    source = {"Bucket": bucket, "Key": "source"}
    upload = Upload(s3, bucket)
    copy = lambda number, **arguments: s3.upload_part_copy(  # noqa: E731
        **upload.at, UploadId=upload.id, PartNumber=number, CopySource=source, **arguments)["CopyPartResult"]
    one = copy(1)["ETag"]
    two = copy(2, CopySourceRange=f"bytes=10-{FIVE + 1}")["ETag"]
    assert one == f'"{md5(five + b"tail").hex()}"' and two == f'"{md5(five[10:] + b"ta").hex()}"'
    refused("InvalidArgument", copy, 3, CopySourceRange=f"bytes=0-{FIVE + 10}")
    refused("InvalidArgument", copy, 10001)
    refused("PreconditionFailed", copy, 3, CopySourceIfMatch='"other"')
    refused("NoSuchKey", s3.upload_part_copy, **upload.at, UploadId=upload.id, PartNumber=3, CopySource={"Bucket": bucket, "Key": "none"})
    refused("NoSuchUpload", s3.upload_part_copy, **upload.at, UploadId="none", PartNumber=3, CopySource=source)
    refused("NoSuchBucket", s3.upload_part_copy, **upload.at, UploadId=upload.id, PartNumber=3, CopySource={"Bucket": "none", "Key": "k"})
    upload.complete([{"PartNumber": 1, "ETag": one}, {"PartNumber": 2, "ETag": two}])
    s3.delete_object(Bucket=bucket, Key="source")
    assert body_of(s3, bucket, "big") == five + b"tail" + five[10:] + b"ta"


def test_a_copy_of_a_multipart_object_is_one_part(s3, bucket, five):
    upload = Upload(s3, bucket)
    upload.part(1, five)
    upload.part(2, b"tail")
    upload.complete()
    copied = s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "big"})["CopyObjectResult"]
    assert copied["ETag"] == f'"{md5(five + b"tail").hex()}"'
    s3.delete_object(Bucket=bucket, Key="big")
    assert body_of(s3, bucket, "copy") == five + b"tail"


def test_the_cli_moves_20_mb(server, s3, bucket, tmp_path):
    path = tmp_path / "big"
    path.write_bytes(os.urandom(20_000_000))
    server.aws(["s3", "cp", str(path), f"s3://{bucket}/big"])
    assert s3.head_object(Bucket=bucket, Key="big")["ETag"].endswith('-3"')
    server.aws(["s3", "cp", f"s3://{bucket}/big", str(tmp_path / "back")])
    assert (tmp_path / "back").read_bytes() == path.read_bytes()
    server.aws(["s3", "cp", f"s3://{bucket}/big", f"s3://{bucket}/copied"])
    assert body_of(s3, bucket, "copied") == path.read_bytes()
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)

"""`aws-sdk:s3:…` of state machines, and that every operation served is an `aws-sdk:` task."""
import contextlib
import hashlib
import json
import re

import botocore
import botocore.exceptions
import pytest

from tests.api import api_pages
from tests.support.machines import ROLE, WHILE_A, create, details, ended, fresh, output, refused, run, start, types
from tests.support.until import until


@pytest.fixture
def sfn(server):
    return server.client("stepfunctions")


@pytest.fixture
def s3(server):
    return server.client("s3")


@pytest.fixture
def bucket(s3):
    name = fresh("bucket")
    s3.create_bucket(Bucket=name)
    return name


def task(action, suffix="", **parameters):
    return {"Type": "Task", "Resource": f"arn:aws:states:::aws-sdk:s3:{action}{suffix}", "Parameters": parameters, "End": True}


def result(sfn, action, **parameters):
    return output(sfn, {"A": task(action, **parameters)})


def failure(sfn, action, **parameters):
    shown, _ = run(sfn, {"A": task(action, **parameters)})
    assert shown["status"] == "FAILED", shown
    return shown["error"], shown["cause"]


def test_put_and_get(sfn, s3, bucket):
    put = result(sfn, "putObject", Bucket=bucket, Key="a b/ü.txt", Body="grüezi", ContentType="text/plain", Metadata={"who": "me"}, Expires="2030-01-02T03:04:05Z")
    etag = '"' + hashlib.md5("grüezi".encode()).hexdigest() + '"'
    assert put["ETag"] == etag
    assert s3.get_object(Bucket=bucket, Key="a b/ü.txt")["Body"].read() == "grüezi".encode()
    got = result(sfn, "getObject", Bucket=bucket, Key="a b/ü.txt")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", got.pop("LastModified"))
    assert got == {"AcceptRanges": "bytes", "Body": "grüezi", "ContentLength": 7, "ContentType": "text/plain", "ETag": etag, "Expires": "2030-01-02T03:04:05Z", "Metadata": {"who": "me"}}
    part = result(sfn, "getObject", Bucket=bucket, Key="a b/ü.txt", Range="bytes=0-1", ChecksumMode="ENABLED")
    assert (part["Body"], part["ContentLength"], part["ContentRange"]) == ("gr", 2, "bytes 0-1/7")


@pytest.mark.parametrize("body, stored", [({"a": [1, 2.5]}, b'{"a":[1,2.5]}'), ([1], b"[1]"), (7, b"7"), (True, b"true"), ("", b"")])
def test_documents_are_stored_as_json(sfn, s3, bucket, body, stored):
    text = json.dumps({"StartAt": "A", "States": {"A": task("putObject", **{"Bucket": bucket, "Key": "k", "Body.$": "$"})}})
    machine = sfn.create_state_machine(name=fresh(), definition=text, roleArn=ROLE)["stateMachineArn"]
    assert ended(sfn, sfn.start_execution(stateMachineArn=machine, input=stored.decode() or '""')["executionArn"])["status"] == "SUCCEEDED"
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == stored


def test_bytes_that_are_no_text(sfn, s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"a\xff\xc3\xa4\xe2\x82")
    assert result(sfn, "getObject", Bucket=bucket, Key="k")["Body"] == "a\ufffdä\ufffd\ufffd"


def test_an_object_larger_than_a_result(sfn, s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x" * 5_000_000)
    error, cause = failure(sfn, "getObject", Bucket=bucket, Key="k")
    assert (error, cause) == ("States.DataLimitExceeded", "The state/task 'arn:aws:states:::aws-sdk:s3:getObject' returned a result with a size exceeding the maximum number of bytes service limit.")


def test_head_list_copy_delete(sfn, s3, bucket):
    for key in ("d/1", "d/2", "e"):
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    head = result(sfn, "headObject", Bucket=bucket, Key="e")
    assert (head["ContentLength"], head["Metadata"], head["ContentType"]) == (1, {}, "binary/octet-stream") and "Body" not in head
    listed = result(sfn, "listObjectsV2", Bucket=bucket, Delimiter="/", MaxKeys=10)
    assert (listed["Name"], listed["KeyCount"], listed["MaxKeys"], listed["IsTruncated"], listed["CommonPrefixes"]) == (bucket, 2, 10, False, [{"Prefix": "d/"}])
    (one,) = listed["Contents"]
    assert (one["Key"], one["Size"], one["StorageClass"], one["ETag"]) == ("e", 1, "STANDARD", '"' + hashlib.md5(b"e").hexdigest() + '"')
    page = result(sfn, "listObjectsV2", Bucket=bucket, MaxKeys=1)
    more = result(sfn, "listObjectsV2", Bucket=bucket, ContinuationToken=page["NextContinuationToken"])
    assert [each["Key"] for each in page["Contents"] + more["Contents"]] == ["d/1", "d/2", "e"]
    assert [each["Key"] for each in result(sfn, "listObjects", Bucket=bucket, Prefix="d/")["Contents"]] == ["d/1", "d/2"]
    copied = result(sfn, "copyObject", Bucket=bucket, Key="copy", CopySource=f"{bucket}/e")
    assert copied["CopyObjectResult"]["ETag"] == one["ETag"] and s3.get_object(Bucket=bucket, Key="copy")["Body"].read() == b"e"
    assert result(sfn, "deleteObject", Bucket=bucket, Key="copy") == {}
    gone = result(sfn, "deleteObjects", Bucket=bucket, Delete={"Objects": [{"Key": "d/1"}, {"Key": "d/2"}, {"Key": "e", "VersionId": "7"}]})
    assert gone["Deleted"] == [{"Key": "d/1"}, {"Key": "d/2"}]
    assert gone["Errors"] == [{"Key": "e", "VersionId": "7", "Code": "NoSuchVersion", "Message": "The specified version does not exist."}]
    assert [each["Key"] for each in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["e"]


def test_buckets(sfn, s3):
    name = fresh("made")
    assert result(sfn, "createBucket", Bucket=name) == {"Location": "/" + name}
    assert name in [each["Name"] for each in result(sfn, "listBuckets")["Buckets"]]
    assert result(sfn, "headBucket", Bucket=name) == {}
    assert result(sfn, "getBucketLocation", Bucket=name) == {"LocationConstraint": ""}
    assert result(sfn, "getBucketVersioning", Bucket=name) == {}
    assert result(sfn, "getBucketRequestPayment", Bucket=name) == {"Payer": "BucketOwner"}
    (grant,) = result(sfn, "getBucketAcl", Bucket=name)["Grants"]
    assert grant["Permission"] == "FULL_CONTROL" and grant["Grantee"]["Type"] == "CanonicalUser"
    assert failure(sfn, "createBucket", Bucket=fresh("b"), CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})[0] == "S3.S3Exception"
    assert result(sfn, "deleteBucket", Bucket=name) == {}
    assert name not in [each["Name"] for each in s3.list_buckets()["Buckets"]]


CONFIGURATIONS = [one for one in api_pages.read("s3").works() if re.match("GetBucket|GetPublicAccess|GetObjectLock", one) and one not in ("GetBucketLifecycle", "GetBucketNotification")]


@pytest.mark.parametrize("operation", CONFIGURATIONS)
def test_configurations_of_buckets(sfn, s3, bucket, operation):
    """As the API answers them to anybody else."""
    action = operation[0].lower() + operation[1:]
    shown, _ = run(sfn, {"A": task(action, Bucket=bucket)})
    try:
        answer = getattr(s3, botocore.xform_name(operation))(Bucket=bucket)
    except botocore.exceptions.ClientError as error:
        assert shown["error"] == "S3.S3Exception" and shown["cause"].startswith(error.response["Error"]["Message"] + " (Service: S3, Status Code: 404, ")
        return
    del answer["ResponseMetadata"]
    given = json.loads(shown["output"])
    if operation == "GetBucketLocation":
        assert (given, answer) == ({"LocationConstraint": ""}, {"LocationConstraint": None})
    else:
        assert given == answer


def test_tags_and_acl_of_objects(sfn, s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"")
    assert result(sfn, "getObjectTagging", Bucket=bucket, Key="k") == {"TagSet": []}
    assert result(sfn, "getObjectAcl", Bucket=bucket, Key="k")["Owner"]["ID"]


def test_upload_in_parts(sfn, s3, bucket):
    made = result(sfn, "createMultipartUpload", Bucket=bucket, Key="k")
    upload = {"Bucket": bucket, "Key": "k", "UploadId": made["UploadId"]}
    assert [each["Key"] for each in result(sfn, "listMultipartUploads", Bucket=bucket)["Uploads"]] == ["k"]
    part = result(sfn, "uploadPart", **upload, PartNumber=1, Body="hello")
    s3.put_object(Bucket=bucket, Key="source", Body=b"hello")
    copied = result(sfn, "uploadPartCopy", **upload, PartNumber=2, CopySource=f"{bucket}/source")
    assert copied["CopyPartResult"]["ETag"] == part["ETag"]
    parts = result(sfn, "listParts", **upload)["Parts"]
    assert [(each["PartNumber"], each["Size"]) for each in parts] == [(1, 5), (2, 5)]
    done = result(sfn, "completeMultipartUpload", **upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]})
    assert (done["Bucket"], done["Key"]) == (bucket, "k")
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"hello"
    other = result(sfn, "createMultipartUpload", Bucket=bucket, Key="other")["UploadId"]
    assert result(sfn, "abortMultipartUpload", Bucket=bucket, Key="other", UploadId=other) == {}
    assert failure(sfn, "abortMultipartUpload", Bucket=bucket, Key="other", UploadId=other)[0] == "S3.NoSuchUploadException"


@pytest.mark.parametrize("action, more, error, status, message", [
    ("getObject", {"Key": "no"}, "S3.NoSuchKeyException", 404, "The specified key does not exist."), ("headObject", {"Key": "no"}, "S3.NoSuchKeyException", 404, "null"),
    ("getObject", {"Bucket": "nobodys-bucket", "Key": "no"}, "S3.NoSuchBucketException", 404, "The specified bucket does not exist"),
    ("headBucket", {"Bucket": "nobodys-bucket"}, "S3.NoSuchBucketException", 404, "null"), ("listObjectsV2", {"Bucket": "nobodys-bucket"}, "S3.NoSuchBucketException", 404, "The specified bucket does not exist"),
    ("putObject", {"Bucket": "nobodys-bucket", "Key": "k", "Body": "x"}, "S3.NoSuchBucketException", 404, "The specified bucket does not exist"),
    ("getBucketPolicy", {}, "S3.S3Exception", 404, "The bucket policy does not exist"),
    ("putObject", {"Key": "k", "Body": "x", "ServerSideEncryption": "aws:kms"}, "S3.S3Exception", 501, "A header you provided implies functionality that is not implemented"),
    ("putObject", {"Key": "k", "Body": "x", "ContentMD5": "AAAAAAAAAAAAAAAAAAAAAA=="}, "S3.S3Exception", 400, "The Content-MD5 you specified did not match what we received.")])
def test_errors(sfn, bucket, action, more, error, status, message):
    shown, cause = failure(sfn, action, **{"Bucket": bucket, **more})
    assert shown == error
    assert re.fullmatch(re.escape(f"{message} (Service: S3, Status Code: {status}, Request ID: ") + r"[0-9A-F]{16}, Extended Request ID: \S+\)", cause), cause


@pytest.mark.parametrize("action, parameters, why", [
    ("getObject", {"Bucket": "b"}, "The field 'Key' is required but was missing"), ("getObject", {"Bucket": "bbb", "Key": ""}, "The value of the field 'Key' has an invalid format"),
    ("deleteObject", {"Bucket": "bbb", "Key": None}, "The field 'Key' is required but was missing"),
    ("abortMultipartUpload", {"Bucket": "bbb", "Key": "k"}, "The field 'UploadId' is required but was missing"),
    ("putObject", {"Bucket": "bbb", "Key": "k", "Metadata": "x"}, "The value of the field 'Metadata' has an invalid format"), ("listBuckets", {"MaxBuckets": {}}, "The value of the field 'MaxBuckets' has an invalid format"),
    ("deleteObjects", {"Bucket": "bbb", "Delete": {"Objects": ["k"]}}, "The value of the field 'Delete' has an invalid format")])
def test_parameters_that_cannot_be_used(sfn, action, parameters, why):
    error, cause = failure(sfn, action, **parameters)
    text = json.dumps(parameters, separators=(",", ":"))
    assert (error, cause) == ("States.Runtime", f"{WHILE_A}The Parameters '{text}' could not be used to start the Task: [{why}]")


@pytest.mark.parametrize("action, parameters, field", [("headBucket", {"Bucket": "bbb", "Key": "k"}, "Key"), ("putObject", {"Bucket": "bbb", "Key": "k", "Colour": "red"}, "Colour")])
def test_members_that_an_operation_does_not_have(sfn, action, parameters, field):
    """Told of the definition where that writes them, when the task starts where they are its input."""
    definition = json.dumps({"StartAt": "A", "States": {"A": task(action, **parameters)}})
    message = refused("InvalidDefinition", sfn.create_state_machine, name="never", definition=definition, roleArn=ROLE)
    assert f'The field "{field}" is not supported by Step Functions at /States/A/Parameters' in message
    bare = task(action)
    del bare["Parameters"]
    shown, _ = run(sfn, {"A": bare}, parameters)
    assert shown["error"] == "States.Runtime" and f'[The field "{field}" is not supported by Step Functions]' in shown["cause"]


def test_a_callback(sfn, s3, bucket):
    """The object holds the token; who reads it ends the task."""
    execution = start(sfn, create(sfn, {"A": task("putObject", ".waitForTaskToken", **{"Bucket": bucket, "Key": "k", "Body.$": "$$.Task.Token"})}))
    until(lambda: "TaskSubmitted" in types(sfn.get_execution_history(executionArn=execution)["events"]))
    sfn.send_task_success(taskToken=s3.get_object(Bucket=bucket, Key="k")["Body"].read().decode(), output="5")
    assert ended(sfn, execution)["output"] == "5"


def test_history(sfn, bucket):
    shown, events = run(sfn, {"A": task("putObject", Bucket=bucket, Key="k", Body="x")})
    assert types(events) == ["ExecutionStarted", "TaskStateEntered", "TaskScheduled", "TaskStarted", "TaskSucceeded", "TaskStateExited", "ExecutionSucceeded"]
    assert (details(events, "TaskScheduled")["resourceType"], details(events, "TaskScheduled")["resource"]) == ("aws-sdk:s3", "putObject")


def test_kill_while_objects_are_written(fresh_server):
    s3, sfn = fresh_server.client("s3"), fresh_server.client("stepfunctions")
    s3.create_bucket(Bucket="bucket")
    states = {"A": {"Type": "Map", "End": True, "ItemProcessor": {"StartAt": "P", "States": {"P": {**task("putObject", **{"Bucket": "bucket", "Key.$": "States.Format('k{}', $)", "Body.$": "States.Format('v{}', $)"})}}}}}
    execution = start(sfn, create(sfn, states), list(range(60)))
    until(lambda: "Contents" in s3.list_objects_v2(Bucket="bucket"))
    fresh_server.kill()
    fresh_server.start()
    s3, sfn = fresh_server.client("s3"), fresh_server.client("stepfunctions")
    shown = ended(sfn, execution)
    assert shown["status"] == "SUCCEEDED" and len(json.loads(shown["output"])) == 60
    assert sorted(each["Key"] for each in s3.list_objects_v2(Bucket="bucket")["Contents"]) == sorted(f"k{i}" for i in range(60))


def test_a_write_and_its_outcome_are_one_commit(fresh_server, tmp_path):
    """Killed when the object stands: a write that must find nothing does not find what it wrote itself."""
    s3, sfn = fresh_server.client("s3"), fresh_server.client("stepfunctions")
    s3.create_bucket(Bucket="bucket")
    machine = create(sfn, {"A": task("putObject", Bucket="bucket", Key="k", Body="x", IfNoneMatch="*")})
    (tmp_path / "points").write_text("s3.task_answered kill\n")
    fresh_server.stop()
    fresh_server.args = ["--failpoints", str(tmp_path / "points")]
    fresh_server.start()
    execution = machine.replace(":stateMachine:", ":execution:") + ":e"
    with contextlib.suppress(botocore.exceptions.BotoCoreError):  # it may die before it answers
        fresh_server.client("stepfunctions", retries={"max_attempts": 0}).start_execution(stateMachineArn=machine, name="e")
    fresh_server.process.wait(30)
    fresh_server.args = []
    fresh_server.start()
    sfn = fresh_server.client("stepfunctions")
    assert ended(sfn, execution)["status"] == "SUCCEEDED"
    again = ended(sfn, start(sfn, machine, {}))
    assert (again["status"], again["error"]) == ("FAILED", "S3.S3Exception")


# Every operation that is served

# Page of docs/api: how a resource names the service, and how errors do.
SERVICES = {"sts": ("sts", "Sts"), "iam": ("iam", "Iam"), "s3": ("s3", "S3"), "dynamodb": ("dynamodb", "DynamoDb"), "ec2": ("ec2", "Ec2"), "ssm": ("ssm", "Ssm"),
            "backup": ("backup", "Backup"), "stepfunctions": ("sfn", "Sfn"), "events": ("eventbridge", "EventBridge"), "scheduler": ("scheduler", "Scheduler"),
            "stillpoint": ("stillpoint", "Stillpoint")}
# Older names that the SDK for Java 2 does not have.
OLD = {"GetBucketLifecycle", "GetBucketNotification"}
PAGES = sorted(page.stem for page in api_pages.PAGES.glob("*.md") if page.stem != "README")


@pytest.mark.parametrize("service", PAGES)
def test_every_operation_is_a_task(fresh_server, service):
    """Each is taken by CreateStateMachine, and called without parameters it answers or refuses as its service does."""
    sfn = fresh_server.client("stepfunctions", read_timeout=60)
    name, shown = SERVICES[service]
    operations = [one for one in api_pages.read(service).works() if one not in OLD]
    assert operations
    branches = []
    for one in operations:
        action = one[0].lower() + one[1:]
        branches.append({"StartAt": one, "States": {one: {"Type": "Task", "Resource": f"arn:aws:states:::aws-sdk:{name}:{action}", "Parameters": {}, "ResultSelector": {"done": one}, "End": True,
                                                          "Catch": [{"ErrorEquals": ["States.Runtime"], "Next": one + "!"}, {"ErrorEquals": ["States.ALL"], "Next": one + "!"}]},
                                                    one + "!": {"Type": "Pass", "End": True}}})
    results = output(sfn, {"A": {"Type": "Parallel", "Branches": branches, "End": True}})
    assert len(results) == len(operations)
    wrong = []
    for one, each in zip(operations, results):
        if each == {"done": one}:
            continue
        runtime = each["Error"] == "States.Runtime" and "could not be used to start the Task" in each["Cause"]
        if not runtime and not (each["Error"].startswith(shown + ".") and f"(Service: {shown}, Status Code: 4" in each["Cause"]):
            wrong.append((one, each))
    assert not wrong, wrong


def test_what_is_no_operation(sfn):
    for resource in ("aws-sdk:s3:getEverything", "aws-sdk:ec2:describeEverything", "aws-sdk:s3:getObject.sync", "aws-sdk:nobody:putObject",
                     "aws-sdk:events:putEvents", "aws-sdk:states:startExecution"):
        definition = json.dumps({"StartAt": "A", "States": {"A": {"Type": "Task", "Resource": f"arn:aws:states:::{resource}", "End": True}}})
        message = refused("InvalidDefinition", sfn.create_state_machine, name="never", definition=definition, roleArn=ROLE)
        assert f"The resource provided arn:aws:states:::{resource} is not recognized." in message

"""Run Command by boto3 and the CLI, with real agents on real machines."""
import json
import uuid

import botocore.exceptions
import pytest

from tests.support.runs import launch, online, shell, state_of
from tests.support.signed import call_json
from tests.support.until import until

OPEN = ("Pending", "InProgress", "Delayed", "Cancelling")
SHELL = "AWS-RunShellScript"
REMOTE = "AWS-RunRemoteScript"


@pytest.fixture(scope="module")
def machine(server):
    s3 = server.client("s3")
    s3.create_bucket(Bucket="files")
    s3.put_object(Bucket="files", Key="dir/one.sh", Body=b"#!/bin/sh\necho one $1\n. ./two.sh\n")
    s3.put_object(Bucket="files", Key="dir/two.sh", Body=b"echo two\n")
    return launch(server, 1, tags={"role": "ssm"})[0]


def send(server, machine, script="true", **more):
    parameters = {"commands": [script], **more.pop("parameters", {})}
    where = {} if "Targets" in more else {"InstanceIds": [machine]}
    request = {**where, "DocumentName": SHELL, "Parameters": parameters, **more}
    return server.client("ssm").send_command(**request)["Command"]["CommandId"]


def remote(server, machine, path, line, **more):
    return server.client("ssm").send_command(InstanceIds=[machine], DocumentName=REMOTE, Parameters={
        "sourceType": ["S3"], "sourceInfo": [json.dumps({"path": path})], "commandLine": [line]}, **more)["Command"]["CommandId"]


def got(server, command, machine, **more):
    return server.client("ssm").get_command_invocation(CommandId=command, InstanceId=machine, **more)


def ended(server, command, machine, **more):
    def over():
        answer = got(server, command, machine, **more)
        return answer if answer["Status"] not in OPEN else None
    return until(over, 30, f"the end of {command}")


def listed(server, command):
    return server.client("ssm").list_commands(CommandId=command)["Commands"][0]


def refused(code, call, *args, **more):
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(*args, **more)
    assert caught.value.response["Error"]["Code"] == code
    return caught.value.response["Error"].get("Message", "")


def invocations(server, command, **more):
    def over():
        found = server.client("ssm").list_command_invocations(CommandId=command, Details=True, **more)["CommandInvocations"]
        return found if found and all(one["Status"] not in OPEN for one in found) else None
    return until(over, 30, f"the end of {command}")


def test_send_command_answers_pending(server, machine):
    command = server.client("ssm").send_command(InstanceIds=[machine], DocumentName=SHELL, Comment="hello", Parameters={"commands": ["true"]},
                                                TimeoutSeconds=600)["Command"]
    assert (command["Status"], command["CompletedCount"], command["ErrorCount"], command["Comment"]) == ("Pending", 0, 0, "hello")
    assert (command["ExpiresAfter"] - command["RequestedDateTime"]).total_seconds() == 4200
    assert ended(server, command["CommandId"], machine)["Status"] == "Success"
    until(lambda: listed(server, command["CommandId"])["CompletedCount"] == 1)


def test_shell_script_success(server, machine):
    answer = ended(server, send(server, machine, "echo out; echo err >&2"), machine)
    assert (answer["Status"], answer["ResponseCode"]) == ("Success", 0)
    assert (answer["StandardOutputContent"], answer["StandardErrorContent"]) == ("out\n", "err\n")


def test_shell_script_failure(server, machine):
    command = send(server, machine, "exit 7")
    answer = ended(server, command, machine)
    assert (answer["Status"], answer["StatusDetails"], answer["ResponseCode"]) == ("Failed", "Failed", 7)
    until(lambda: listed(server, command)["Status"] == "Failed")
    assert listed(server, command)["ErrorCount"] == 1


def test_output_limits(server, machine):
    command = send(server, machine, "head -c 30000 /dev/zero | tr '\\0' a; head -c 9000 /dev/zero | tr '\\0' b >&2")
    answer = ended(server, command, machine)
    for text, letter, limit in ((answer["StandardOutputContent"], "a", 24000), (answer["StandardErrorContent"], "b", 8000)):
        assert text.endswith("--output truncated--") and text.count(letter) > limit - 100 and len(text) <= limit + 20
    output = invocations(server, command)[0]["CommandPlugins"][0]["Output"]
    assert len(output) <= 2500 and "---Output truncated---" in output and "---Error truncated----" in output


def test_working_directory(server, machine):
    command = send(server, machine, "pwd", parameters={"workingDirectory": ["/var/tmp"]})
    assert ended(server, command, machine)["StandardOutputContent"] == "/var/tmp\n"


def test_execution_timeout(server, machine):
    answer = ended(server, send(server, machine, "sleep 60", parameters={"executionTimeout": ["5"]}), machine)
    assert (answer["Status"], answer["StatusDetails"], answer["ResponseCode"]) == ("TimedOut", "ExecutionTimedOut", 137)


@pytest.mark.parametrize("path", ["s3://files/dir/one.sh", "https://files.s3.amazonaws.com/dir/one.sh",
                                  "https://s3.us-east-1.amazonaws.com/files/dir/one.sh"])
def test_remote_script(server, machine, path):
    answer = ended(server, remote(server, machine, path, "sh -c 'head -2 one.sh'"), machine, PluginName="runShellScript")
    assert (answer["Status"], answer["StandardOutputContent"]) == ("Success", "#!/bin/sh\necho one $1\n")


def test_remote_script_of_a_prefix(server, machine):
    answer = ended(server, remote(server, machine, "s3://files/dir/", "one.sh word"), machine, PluginName="runShellScript")
    assert (answer["Status"], answer["StandardOutputContent"]) == ("Success", "one word\ntwo\n")


def test_remote_script_missing(server, machine):
    command = remote(server, machine, "s3://files/none.sh", "none.sh")
    assert ended(server, command, machine, PluginName="downloadContent")["Status"] == "Failed"
    found = invocations(server, command)[0]
    assert (found["Status"], [plugin["Name"] for plugin in found["CommandPlugins"]]) == (
        "Failed", ["downloadContent", "runPowerShellScript", "runShellScript"])


def test_output_to_s3(server, machine):
    command = send(server, machine, "echo kept", OutputS3BucketName="files", OutputS3KeyPrefix="out")
    assert ended(server, command, machine)["Status"] == "Success"
    keys = [one["Key"] for one in server.client("s3").list_objects_v2(Bucket="files", Prefix=f"out/{command}/")["Contents"]]
    assert keys == [f"out/{command}/{machine}/awsrunShellScript/0.awsrunShellScript/stdout"]
    assert server.client("s3").get_object(Bucket="files", Key=keys[0])["Body"].read() == b"kept\n"


def test_output_of_a_remote_script_to_s3(server, machine):
    s3 = server.client("s3")
    s3.put_object(Bucket="files", Key="both.sh", Body=b"#!/bin/sh\nseq 20000\necho wrong >&2\n")
    command = remote(server, machine, "s3://files/both.sh", "both.sh", OutputS3BucketName="files", OutputS3KeyPrefix="out/deep/")
    answer = ended(server, command, machine, PluginName="runShellScript")
    below = f"out/deep/{command}/{machine}/awsrunShellScript"
    bodies = {name: s3.get_object(Bucket="files", Key=f"{below}/runShellScript/{name}")["Body"].read() for name in ("stdout", "stderr")}
    assert bodies == {"stdout": "".join(f"{n}\n" for n in range(1, 20001)).encode(), "stderr": b"wrong\n"}, "whole, whatever the API cuts"
    assert answer["StandardOutputUrl"].endswith(f"/files/{below}/runShellScript/stdout")
    assert answer["StandardErrorUrl"].endswith(f"/files/{below}/runShellScript/stderr")
    plugin = next(p for p in invocations(server, command)[0]["CommandPlugins"] if p["Name"] == "runShellScript")
    assert (plugin["OutputS3BucketName"], plugin["OutputS3KeyPrefix"]) == ("files", below)


def test_by_tag(server, machine):
    command = send(server, machine, "echo tagged", Targets=[{"Key": "tag:role", "Values": ["ssm"]}])
    assert [one["InstanceId"] for one in invocations(server, command)] == [machine]
    until(lambda: listed(server, command)["Status"] == "Success")
    assert listed(server, command)["TargetCount"] == 1


def test_no_match(server, machine):
    command = send(server, machine, Targets=[{"Key": "tag:role", "Values": ["nobody"]}])
    until(lambda: listed(server, command)["Status"] == "Success")
    assert (listed(server, command)["StatusDetails"], listed(server, command)["TargetCount"]) == ("NoInstancesInTag", 0)


def test_cancel_running(server, machine):
    command = send(server, machine, "sleep 60")
    until(lambda: got(server, command, machine)["Status"] == "InProgress")
    server.client("ssm").cancel_command(CommandId=command, InstanceIds=[machine])
    assert ended(server, command, machine)["Status"] == "Cancelled"
    until(lambda: listed(server, command)["Status"] == "Cancelled")


def test_cancel_refusals(server, machine):
    ssm = server.client("ssm")
    command = send(server, machine)
    refused("InvalidCommandId", ssm.cancel_command, CommandId=str(uuid.uuid4()))
    refused("InvalidInstanceId", ssm.cancel_command, CommandId=command, InstanceIds=["i-0123456789abcdef0"])
    refused("DuplicateInstanceId", ssm.cancel_command, CommandId=command, InstanceIds=[machine, machine])


@pytest.mark.parametrize("code, change", [
    ("InvalidInstanceId", {"InstanceIds": ["i-0123456789abcdef0"]}), ("InvalidDocument", {"DocumentName": "No-Such"}),
    ("InvalidDocumentVersion", {"DocumentVersion": "9"}), ("InvalidParameters", {"Parameters": {"nonsense": ["1"]}}),
    ("InvalidParameters", {"Parameters": {}}), ("InvalidOutputFolder", {"OutputS3BucketName": "no-such-bucket"}),
    ("InvalidRole", {"ServiceRoleArn": "nobody"}), ("InvalidNotificationConfig", {"NotificationConfig": {"NotificationArn": "arn:aws:sns:x"}}),
    ("MaxDocumentSizeExceeded", {"Parameters": {"commands": ["x" * 66000]}}), ("ValidationException", {"MaxErrors": "x"}),
    ("ValidationException", {"Targets": [{"Key": "tag:a", "Values": ["b"]}]})])
def test_send_refusals(server, machine, code, change):
    request = {"InstanceIds": [machine], "DocumentName": SHELL, "Parameters": {"commands": ["true"]}, **change}
    refused(code, server.client("ssm").send_command, **request)


def test_send_twice_the_same(server, machine):
    refused("DuplicateInstanceId", send, server, machine, InstanceIds=[machine, machine])


def test_get_refusals(server, machine):
    command = send(server, machine)
    refused("InvocationDoesNotExist", got, server, str(uuid.uuid4()), machine)
    refused("InvalidPluginName", got, server, command, machine, PluginName="nothing")
    # botocore itself refuses an id of the wrong length: below it.
    status, answer = call_json(server, "ssm", "AmazonSSM.GetCommandInvocation", {"CommandId": "short", "InstanceId": machine}, "1.1")
    assert status == 400 and answer["__type"].endswith("ValidationException")


def test_list_filters(server, machine):
    ssm = server.client("ssm")
    command = send(server, machine, "exit 3")
    ended(server, command, machine)
    until(lambda: listed(server, command)["Status"] == "Failed")
    for call, field in ((ssm.list_commands, "Commands"), (ssm.list_command_invocations, "CommandInvocations")):
        def ids(key, value):
            return [one["CommandId"] for one in call(Filters=[{"key": key, "value": value}])[field]]
        assert command in ids("Status", "Failed") and command not in ids("Status", "Success")
        assert command in ids("DocumentName", SHELL) and command not in ids("DocumentName", REMOTE)
        assert command in ids("InvokedAfter", "2020-01-01T00:00:00Z") and command not in ids("InvokedBefore", "2020-01-01T00:00:00Z")
    assert command in [one["CommandId"] for one in ssm.list_commands(Filters=[{"key": "ExecutionStage", "value": "Complete"}])["Commands"]]


def test_list_paging(server, machine):
    ssm = server.client("ssm")
    made = [send(server, machine) for _ in range(3)]
    for call, field in ((ssm.list_commands, "Commands"), (ssm.list_command_invocations, "CommandInvocations")):
        first = call(InstanceId=machine, MaxResults=2)
        second = call(InstanceId=machine, MaxResults=2, NextToken=first["NextToken"])
        assert [one["CommandId"] for one in first[field] + second[field]][:3] == made[::-1]


@pytest.mark.parametrize("name", ["list_commands", "list_command_invocations"])
def test_list_refusals(server, machine, name):
    call = getattr(server.client("ssm"), name)
    refused("InvalidInstanceId", call, InstanceId="i-0123456789abcdef0")
    refused("InvalidNextToken", call, NextToken="nonsense")
    refused("ValidationException", call, MaxResults=51)
    refused("ValidationException", call, Filters=[{"key": "InvokedAfter", "value": "yesterday"}])
    refused("InvalidFilterKey", call, Filters=[{"key": "Nonsense", "value": "x"}])


def test_describe_instance_information(server, machine):
    found = server.client("ssm").describe_instance_information(Filters=[{"Key": "InstanceIds", "Values": [machine]}])["InstanceInformationList"]
    assert [(one["InstanceId"], one["PingStatus"], one["PlatformType"]) for one in found] == [(machine, "Online", "Linux")]


def test_describe_refusals(server, machine):
    call = server.client("ssm").describe_instance_information
    refused("InvalidFilterKey", call, Filters=[{"Key": "Nonsense", "Values": ["x"]}])
    refused("InvalidInstanceInformationFilterValue", call, Filters=[{"Key": "PingStatus", "Values": ["Nonsense"]}])


def test_by_the_cli(server, machine):
    answer = server.aws(["ssm", "send-command", "--instance-ids", machine, "--document-name", SHELL, "--parameters", "commands=echo cli"])
    command = answer["Command"]["CommandId"]
    assert ended(server, command, machine)["StandardOutputContent"] == "cli\n"


def test_a_kill_in_the_middle(server, machine):
    command = send(server, machine, "echo ran >> /var/tmp/once; sleep 2; echo done")
    until(lambda: got(server, command, machine)["Status"] == "InProgress")
    server.kill()
    server.start()
    assert ended(server, command, machine)["StandardOutputContent"] == "done\n"
    assert shell(server, machine, "cat /var/tmp/once") == "ran\n"


def test_offline_machine_is_held(server, machine):
    ec2 = server.client("ec2")
    online(server, [machine])
    ec2.stop_instances(InstanceIds=[machine])
    until(lambda: state_of(server, machine) == "stopped", 30)
    command = send(server, machine, "echo late")
    assert got(server, command, machine)["Status"] in ("Pending", "Delayed", "InProgress")
    ec2.start_instances(InstanceIds=[machine])
    assert ended(server, command, machine)["StandardOutputContent"] == "late\n"

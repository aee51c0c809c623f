"""Run Command on real machines."""
import pytest
from botocore.exceptions import ClientError

from tests.support import runs
from tests.support.until import until

OPEN = ("Pending", "InProgress", "Delayed", "Cancelling")


@pytest.fixture(scope="module")
def ssm(server):
    return server.client("ssm")


@pytest.fixture(scope="module")
def machine(server):
    s3 = server.client("s3")
    s3.create_bucket(Bucket="out")
    s3.create_bucket(Bucket="src")
    s3.put_object(Bucket="src", Key="scripts/hello.sh", Body=b'#!/bin/sh\necho "hello from $PWD"\ncat part.txt\n')
    s3.put_object(Bucket="src", Key="scripts/part.txt", Body=b"second file\n")
    return runs.launch(server, tags={"role": "web"})[0]


def code(call, **arguments):
    with pytest.raises(ClientError) as refused:
        call(**arguments)
    return refused.value.response["Error"]["Code"]


def send(ssm, machine, *commands, parameters=None, **more):
    arguments = {"InstanceIds": [machine]} if machine else {}
    return ssm.send_command(DocumentName="AWS-RunShellScript", Parameters={"commands": list(commands), **(parameters or {})}, **arguments, **more)["Command"]


def remote(ssm, machine, path, line, **more):
    return ssm.send_command(InstanceIds=[machine], DocumentName="AWS-RunRemoteScript", DocumentVersion="1", **more,
                            Parameters={"sourceType": ["S3"], "sourceInfo": ['{"path":"%s"}' % path], "commandLine": [line]})["Command"]


def ended(ssm, command, machine, seconds=60, **more):
    def over():
        answer = ssm.get_command_invocation(CommandId=command["CommandId"], InstanceId=machine, **more)
        return answer if answer["Status"] not in OPEN else None

    return until(over, seconds, f"the end of {command['CommandId']}")


def test_send_command_answers_with_a_pending_command(ssm, machine):
    command = send(ssm, machine, "true", Comment="a remark", TimeoutSeconds=600)
    assert command["Status"] == command["StatusDetails"] == "Pending" and command["InstanceIds"] == [machine] and command["Comment"] == "a remark"
    assert (command["ExpiresAfter"] - command["RequestedDateTime"]).total_seconds() == 600 + 3600
    assert ended(ssm, command, machine)["Status"] == "Success"


def test_invocations_exist_before_send_command_answers(ssm, machine):
    command = send(ssm, machine, "true")
    assert [i["InstanceId"] for i in ssm.list_command_invocations(CommandId=command["CommandId"])["CommandInvocations"]] == [machine]


def test_exit_status_and_both_outputs(ssm, machine):
    answer = ended(ssm, send(ssm, machine, "echo out", "echo err >&2", "exit 3"), machine)
    assert answer["Status"] == "Failed" and answer["ResponseCode"] == 3
    assert answer["StandardOutputContent"] == "out\n" and "err" in answer["StandardErrorContent"]


def test_outputs_are_cut_at_their_limits(ssm, machine):
    answer = ended(ssm, send(ssm, machine, "head -c 30000 /dev/zero | tr '\\0' o", "head -c 30000 /dev/zero | tr '\\0' e >&2"), machine)
    assert answer["StandardOutputContent"].endswith("--output truncated--") and len(answer["StandardOutputContent"]) <= 24000 + 30
    assert answer["StandardErrorContent"].endswith("--output truncated--") and len(answer["StandardErrorContent"]) <= 8000 + 30


def test_execution_timeout_kills_the_script_and_what_it_started(server, ssm, machine):
    answer = ended(ssm, send(ssm, machine, "sleep 313 & sleep 313", parameters={"executionTimeout": ["5"]}), machine)
    assert (answer["Status"], answer["StatusDetails"]) == ("TimedOut", "ExecutionTimedOut")
    assert runs.shell(server, machine, "pgrep -f 'sleep 31[3]' | wc -l").strip() == "0"


def test_working_directory(ssm, machine):
    assert ended(ssm, send(ssm, machine, "pwd", parameters={"workingDirectory": ["/var"]}), machine)["StandardOutputContent"] == "/var\n"


@pytest.mark.parametrize("path", ["s3://src/scripts/", "https://src.s3.amazonaws.com/scripts/"])
def test_remote_script_fetches_all_below_a_prefix(ssm, machine, path):
    answer = ended(ssm, remote(ssm, machine, path, "hello.sh"), machine, PluginName="runShellScript")
    assert answer["Status"] == "Success", answer
    assert "hello from" in answer["StandardOutputContent"] and "second file" in answer["StandardOutputContent"]


def test_remote_script_that_is_missing_fails_the_command(ssm, machine):
    command = remote(ssm, machine, "s3://src/none.sh", "none.sh")
    invocation = until(lambda: next((i for i in ssm.list_command_invocations(CommandId=command["CommandId"])["CommandInvocations"] if i["Status"] not in OPEN), None), 60)
    assert invocation["Status"] == "Failed"


def test_outputs_go_to_s3_under_exact_keys(server, ssm, machine):
    command = remote(ssm, machine, "s3://src/scripts/", "hello.sh", OutputS3BucketName="out", OutputS3KeyPrefix="logs")
    ended(ssm, command, machine, PluginName="runShellScript")
    s3 = server.client("s3")
    key = f"logs/{command['CommandId']}/{machine}/awsrunShellScript/runShellScript/stdout"
    keys = until(lambda: [o["Key"] for o in s3.list_objects_v2(Bucket="out").get("Contents", []) if o["Key"] == key], 20, key)
    assert b"hello from" in s3.get_object(Bucket="out", Key=keys[0])["Body"].read()


def test_targets_by_tag_and_none(ssm, machine):
    command = send(ssm, None, "true", Targets=[{"Key": "tag:role", "Values": ["web"]}])
    assert command["InstanceIds"] == [] and ended(ssm, command, machine)["Status"] == "Success"
    nobody = send(ssm, None, "true", Targets=[{"Key": "tag:role", "Values": ["nobody"]}])
    found = until(lambda: [c for c in ssm.list_commands(CommandId=nobody["CommandId"])["Commands"] if c["StatusDetails"] == "NoInstancesInTag"], 20)
    assert found[0]["TargetCount"] == 0


def test_commands_wait_for_a_machine_that_is_away(server, ssm, machine):
    ec2 = server.client("ec2")
    ec2.stop_instances(InstanceIds=[machine])
    until(lambda: runs.state_of(server, machine) == "stopped", 30, "stopped")
    command = send(ssm, machine, "echo back")
    assert ssm.list_command_invocations(CommandId=command["CommandId"])["CommandInvocations"][0]["Status"] in ("Pending", "Delayed")
    ec2.start_instances(InstanceIds=[machine])
    assert ended(ssm, command, machine)["StandardOutputContent"] == "back\n"


def test_cancel_command_kills_the_script(server, ssm, machine):
    command = send(ssm, machine, "touch /var/tmp/begun", "sleep 317")
    runs.shell(server, machine, "until [ -e /var/tmp/begun ]; do :; done")
    ssm.cancel_command(CommandId=command["CommandId"])
    assert ended(ssm, command, machine)["Status"] == "Cancelled"
    assert runs.shell(server, machine, "pgrep -f 'sleep 31[7]' | wc -l").strip() == "0"
    assert code(ssm.cancel_command, CommandId="01234567-0123-0123-0123-0123456789ab") == "InvalidCommandId"


def test_list_commands_and_invocations_with_details(ssm, machine):
    command = send(ssm, machine, "echo seen")
    ended(ssm, command, machine)
    listed = ssm.list_commands(CommandId=command["CommandId"])["Commands"]
    assert [(c["Status"], c["TargetCount"], c["CompletedCount"], c["ErrorCount"]) for c in listed] == [("Success", 1, 1, 0)]
    plain = ssm.list_command_invocations(CommandId=command["CommandId"])["CommandInvocations"][0]
    assert plain["CommandPlugins"] == []
    plugin = ssm.list_command_invocations(CommandId=command["CommandId"], Details=True)["CommandInvocations"][0]["CommandPlugins"][0]
    assert plugin["ResponseCode"] == 0 and plugin["Output"] == "seen\n"
    assert ssm.list_command_invocations(CommandId="01234567-0123-0123-0123-0123456789ab")["CommandInvocations"] == []


def test_lists_page(ssm, machine):
    for _ in range(3):
        send(ssm, machine, "true")
    first = ssm.list_commands(MaxResults=2)
    second = ssm.list_commands(MaxResults=2, NextToken=first["NextToken"])
    assert len(first["Commands"]) == 2 and not {c["CommandId"] for c in first["Commands"]} & {c["CommandId"] for c in second["Commands"]}
    assert code(ssm.list_commands, NextToken="bm9uc2Vuc2U=") == "InvalidNextToken"


def test_describe_instance_information(ssm, machine):
    found = {i["InstanceId"]: i for i in ssm.describe_instance_information()["InstanceInformationList"]}
    assert found[machine]["PingStatus"] == "Online" and found[machine]["PlatformType"] == "Linux"
    assert code(ssm.describe_instance_information, Filters=[{"Key": "InstanceIds", "Values": ["i-0123456789abcdef0"]}]) == "InvalidInstanceId"


def test_send_command_refuses(ssm, machine):
    shell = {"DocumentName": "AWS-RunShellScript", "Parameters": {"commands": ["true"]}}
    assert code(ssm.send_command, InstanceIds=["i-0123456789abcdef0"], **shell) == "InvalidInstanceId"
    assert code(ssm.send_command, InstanceIds=[machine, machine], **shell) == "DuplicateInstanceId"
    assert code(ssm.send_command, InstanceIds=[machine], DocumentName="Own-Document") == "InvalidDocument"
    assert code(ssm.send_command, InstanceIds=[machine], DocumentVersion="7", **shell) == "InvalidDocumentVersion"
    assert code(ssm.send_command, InstanceIds=[machine], DocumentName="AWS-RunShellScript", Parameters={"colour": ["red"]}) == "InvalidParameters"
    assert code(ssm.send_command, InstanceIds=[machine], OutputS3BucketName="no-such-bucket", **shell) == "InvalidOutputFolder"


def test_get_command_invocation_refuses(ssm, machine):
    command = send(ssm, machine, "true")
    assert code(ssm.get_command_invocation, CommandId=command["CommandId"], InstanceId="i-0123456789abcdef0") == "InvocationDoesNotExist"
    assert code(ssm.get_command_invocation, CommandId=command["CommandId"], InstanceId=machine, PluginName="nothing") == "InvalidPluginName"


def test_a_script_outlives_a_killed_server_and_runs_once(server, ssm, machine):
    command = send(ssm, machine, "echo ran >> /var/tmp/once", "until [ -e /var/tmp/go ]; do :; done", "echo finished")
    runs.shell(server, machine, "until [ -e /var/tmp/once ]; do :; done")
    server.kill()
    server.start()
    runs.online(server, [machine])
    runs.shell(server, machine, "touch /var/tmp/go")
    assert ended(server.client("ssm"), command, machine)["StandardOutputContent"] == "finished\n"
    assert runs.shell(server, machine, "cat /var/tmp/once") == "ran\n"


def test_run_command_by_the_cli(server, machine):
    words = ["ssm", "send-command", "--instance-ids", machine, "--document-name", "AWS-RunShellScript", "--parameters", "commands=echo cli"]
    command = server.aws(words)["Command"]
    assert ended(server.client("ssm"), command, machine)["StandardOutputContent"] == "cli\n"

"""Every status and detail of commands and invocations, and the rules that lead to them, on real machines."""
import datetime
import json

import pytest

from tests.api.test_ssm import SHELL, ended, got, invocations, listed, refused
from tests.support.own_model import stillpoint
from tests.support.runs import launch, online, shell, state_of
from tests.support.server import Server
from tests.support.until import until


def send(server, script, **more):
    parameters = {"commands": [script], **more.pop("parameters", {})}
    return server.client("ssm").send_command(DocumentName=SHELL, Parameters=parameters, **more)["Command"]["CommandId"]


def stop(server, machine):
    server.client("ec2").stop_instances(InstanceIds=[machine])
    until(lambda: state_of(server, machine) == "stopped", 60)


def details(server, command):
    return {one["InstanceId"]: (one["Status"], one["StatusDetails"]) for one in invocations(server, command)}


def over(server, command):
    """The command once its own status is final: a commit with its last invocation."""
    invocations(server, command)
    return listed(server, command)


def verdict(command):
    return command["Status"], command["StatusDetails"], command["CompletedCount"], command["ErrorCount"], command["DeliveryTimedOutCount"]


@pytest.fixture(scope="module")
def machines(server):
    """Three that run, with tags."""
    ids = launch(server, 3, tags={"role": "fleet"})
    ec2 = server.client("ec2")
    for machine, size in zip(ids, ("small", "small", "large")):
        ec2.create_tags(Resources=[machine], Tags=[{"Key": "size", "Value": size}])
    ec2.create_tags(Resources=ids[1:], Tags=[{"Key": "zone", "Value": "b"}])
    return ids


@pytest.fixture(scope="module")
def late(server, machines):
    """A machine that is stopped, and commands to it and beside it whose time runs while the other tests do."""
    away, = launch(server, 1, tags={"role": "away"})
    stop(server, away)
    short = {"TimeoutSeconds": 30, "parameters": {"executionTimeout": ["5"]}}
    return {"machine": away, "alone": send(server, "echo never > /var/tmp/late", InstanceIds=[away], **short),
            "beside": send(server, "true", InstanceIds=[machines[0], away], **short)}


def test_pending_then_delayed(server, machines, late):
    assert details_now(server, late["alone"]) == {late["machine"]: ("Delayed", "Delayed")}
    assert verdict(listed(server, late["alone"])) == ("Pending", "Pending", 0, 0, 0)
    until(lambda: got(server, late["beside"], machines[0])["Status"] == "Success")
    assert verdict(listed(server, late["beside"])) == ("InProgress", "InProgress", 1, 0, 0)
    found = server.client("ssm").list_command_invocations(InstanceId=late["machine"], Filters=[{"key": "Status", "value": "Delayed"}])
    assert late["alone"] in [one["CommandId"] for one in found["CommandInvocations"]]


def details_now(server, command):
    found = server.client("ssm").list_command_invocations(CommandId=command)["CommandInvocations"]
    return {one["InstanceId"]: (one["Status"], one["StatusDetails"]) for one in found}


def test_reply(server, machines):
    reply = server.client("ssm").send_command(DocumentName=SHELL, Targets=[{"Key": "tag:role", "Values": ["fleet"]}], Parameters={"commands": ["true"]})["Command"]
    assert reply["InstanceIds"] == [] and reply["Targets"] == [{"Key": "tag:role", "Values": ["fleet"]}]
    assert (reply["Status"], reply["StatusDetails"], reply["TargetCount"], reply["CompletedCount"], reply["ErrorCount"], reply["DeliveryTimedOutCount"]) == (
        "Pending", "Pending", 0, 0, 0, 0)
    assert (reply["MaxConcurrency"], reply["MaxErrors"], reply["TimeoutSeconds"]) == ("50", "0", 3600)
    assert (reply["Comment"], reply["OutputS3BucketName"], reply["OutputS3KeyPrefix"], reply["ServiceRole"]) == ("", "", "", "")
    assert reply["ExpiresAfter"] - reply["RequestedDateTime"] == datetime.timedelta(seconds=7200)
    assert "NotificationConfig" in reply and "CloudWatchOutputConfig" in reply
    assert len(server.client("ssm").list_command_invocations(CommandId=reply["CommandId"])["CommandInvocations"]) == 3, "all exist before the answer"
    assert verdict(over(server, reply["CommandId"])) == ("Success", "Success", 3, 0, 0)


@pytest.mark.parametrize("targets, expected", [
    ([("tag:size", ["small", "large"])], [0, 1, 2]), ([("tag:size", ["small"])], [0, 1]),
    ([("tag:size", ["small", "large"]), ("tag:zone", ["a", "b"])], [1, 2]), ([("tag:size", ["large"]), ("tag:zone", ["b"]), ("tag:role", ["fleet"])], [2]),
    ([("tag:size", ["large"]), ("tag:zone", ["nowhere"])], [])])
def test_targets_by_tags(server, machines, targets, expected):
    command = send(server, "true", Targets=[{"Key": key, "Values": values} for key, values in targets])
    wanted = [machines[n] for n in expected]
    until(lambda: listed(server, command)["CompletedCount"] == len(wanted))
    assert sorted(details_now(server, command)) == sorted(wanted)
    assert (listed(server, command)["StatusDetails"], listed(server, command)["TargetCount"]) == ("Success" if wanted else "NoInstancesInTag", len(wanted))


def test_targets_by_ids(server, machines):
    for key in ("InstanceIds", "instanceids"):
        assert sorted(details(server, send(server, "true", Targets=[{"Key": key, "Values": machines[:2]}]))) == sorted(machines[:2])
    both = send(server, "true", Targets=[{"Key": "InstanceIds", "Values": machines}, {"Key": "tag:size", "Values": ["large"]}])
    assert list(details(server, both)) == [machines[2]]
    refused("InvalidInstanceId", send, server, "true", Targets=[{"Key": "InstanceIds", "Values": ["i-0123456789abcdef0"]}])
    for key in ("resource-groups:Name", "resource-groups:ResourceTypeFilters", "colour"):
        assert key in refused("ValidationException", send, server, "true", Targets=[{"Key": key, "Values": ["x"]}])


@pytest.mark.parametrize("limit, failed, ending", [("0", 1, ("Failed", "Failed", 3, 1, 0)), ("1", 2, ("Failed", "Failed", 3, 2, 0)),
                                                   ("40%", 2, ("Failed", "Failed", 3, 2, 0)), ("3", 3, ("Failed", "Incomplete", 3, 3, 0)),
                                                   ("100%", 3, ("Failed", "Incomplete", 3, 3, 0))])
def test_max_errors(server, machines, limit, failed, ending):
    command = send(server, "exit 1", InstanceIds=machines, MaxConcurrency="1", MaxErrors=limit)
    found = sorted(details(server, command).values())
    assert found == sorted([("Failed", "Failed")] * failed + [("Cancelled", "Terminated")] * (3 - failed))
    assert verdict(listed(server, command)) == ending


def test_those_that_run_finish(server, machines):
    """The first that fails ends only what was not sent."""
    # One runs first, then two at once; the second of them still runs when the other has failed.
    script = f"case $AWS_SSM_INSTANCE_ID in {machines[0]}) exit 0;; {machines[1]}) exit 1;; *) sleep 1; echo whole;; esac"
    command = send(server, script, InstanceIds=machines, MaxConcurrency="2")
    assert details(server, command) == dict(zip(machines, (("Success", "Success"), ("Failed", "Failed"), ("Success", "Success"))))
    assert got(server, command, machines[2])["StandardOutputContent"] == "whole\n"
    assert verdict(listed(server, command)) == ("Failed", "Failed", 3, 1, 0)


@pytest.mark.parametrize("limit, most", [("1", 1), ("67%", 2), ("50", 2)])
def test_max_concurrency(server, machines, limit, most):
    """One at first, then twice as many; never more than asked. All machines have this host's clock."""
    command = send(server, "date +%s%N; sleep 0.4; date +%s%N", InstanceIds=machines, MaxConcurrency=limit)
    details(server, command)
    spans = sorted(tuple(map(int, got(server, command, machine)["StandardOutputContent"].split())) for machine in machines)
    at_once = [sum(begin <= moment < end for begin, end in spans) for moment, _ in spans]
    assert max(at_once) <= most
    assert all(begin >= spans[0][1] for begin, _ in spans[1:]), "the first runs alone"


def test_execution_timed_out(server, machines):
    command = send(server, "sleep 60", InstanceIds=machines[:1], parameters={"executionTimeout": ["5"]})
    assert details(server, command) == {machines[0]: ("TimedOut", "ExecutionTimedOut")}
    assert verdict(listed(server, command)) == ("TimedOut", "ExecutionTimedOut", 1, 1, 0)
    assert got(server, command, machines[0])["ResponseCode"] == 137
    for call, field in ((server.client("ssm").list_commands, "Commands"), (server.client("ssm").list_command_invocations, "CommandInvocations")):
        for word in ("TimedOut", "ExecutionTimedOut"):
            assert command in [one["CommandId"] for one in call(Filters=[{"key": "Status", "value": word}])[field]]


def test_in_progress_cancelling_cancelled(server, machines):
    script = "trap '' TERM; for n in 1 2 3 4 5 6 7 8 9; do echo $n; sleep 1; done"
    command = send(server, script, InstanceIds=machines[:2], MaxConcurrency="1")
    until(lambda: details_now(server, command)[machines[0]] == ("InProgress", "InProgress"))
    assert (listed(server, command)["Status"], listed(server, command)["StatusDetails"]) == ("InProgress", "InProgress")
    until(lambda: got(server, command, machines[0])["ResponseCode"] == -1)
    server.client("ssm").cancel_command(CommandId=command)
    assert details_now(server, command) == {machines[0]: ("Cancelling", "Cancelling"), machines[1]: ("Cancelled", "Cancelled")}
    assert (listed(server, command)["Status"], listed(server, command)["StatusDetails"]) == ("Cancelling", "Cancelling")
    assert ended(server, command, machines[0])["ResponseCode"] == 137, "it did not listen and was killed"
    assert verdict(over(server, command)) == ("Cancelled", "Cancelled", 2, 0, 0)


def test_cancel_gives_time_to_clean_up(server, machines):
    command = send(server, "trap 'echo cleaned; exit 0' TERM; touch /var/tmp/began; while :; do sleep 0.1; done", InstanceIds=machines[:1])
    until(lambda: shell(server, machines[0], "ls /var/tmp/began 2>/dev/null || true"))
    server.client("ssm").cancel_command(CommandId=command)
    answer = ended(server, command, machines[0])
    assert (answer["Status"], answer["StandardOutputContent"]) == ("Cancelled", "cleaned\n")


def test_environment_of_scripts(server, machines):
    names = ["AWS_SSM_INSTANCE_ID", "AWS_SSM_REGION_NAME", "AWS_SSM_PLATFORM_NAME", "AWS_SSM_PLATFORM_VERSION", "SSM_COMMAND_ID"]
    command = send(server, "\n".join(f'echo "${name}"' for name in names), InstanceIds=machines[:1])
    lines = ended(server, command, machines[0])["StandardOutputContent"].splitlines()
    assert lines[:2] == [machines[0], "us-east-1"] and lines[4] == command and all(lines)


def test_undeliverable(server, machines):
    gone, = launch(server, 1, tags={"role": "gone"})
    stop(server, gone)
    until(lambda: stillpoint(server).list_instances(InstanceId=gone)["Instances"][0]["Agent"] != "Online", 30, "its agent's session is over")
    alone = send(server, "true", InstanceIds=[gone])
    beside = send(server, "true", InstanceIds=[machines[0], gone])
    server.client("ec2").terminate_instances(InstanceIds=[gone])
    for command in (alone, beside):
        assert details(server, command)[gone] == ("Failed", "Undeliverable")
        answer = got(server, command, gone)
        assert (answer["ResponseCode"], answer["StandardOutputContent"], answer["StandardErrorContent"]) == (-1, "", "")
    assert verdict(over(server, alone)) == ("Failed", "Failed", 1, 0, 0)
    assert verdict(over(server, beside)) == ("Success", "Success", 2, 0, 0)
    refused("InvalidInstanceId", send, server, "true", InstanceIds=[gone])


def test_reboot_in_the_middle(server, machines):
    """Whatever becomes of the script, it is not run again and is no success."""
    machine = machines[1]
    command = send(server, "echo x >> /var/tmp/reboots; sync; sleep 60", InstanceIds=[machine])
    until(lambda: shell(server, machine, "cat /var/tmp/reboots 2>/dev/null || true"))
    server.client("ec2").reboot_instances(InstanceIds=[machine])
    answer = ended(server, command, machine)
    assert answer["Status"] == "Failed" and answer["ResponseCode"] != 0, "the shutdown ended the script, or its supervisor"
    online(server, [machine])
    assert shell(server, machine, "cat /var/tmp/reboots") == "x\n"


def test_limit_exceeded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("limit")
    config = folder / "config.toml"
    config.write_text("[commands]\nmost_open_invocations = 1\n")
    server = Server(folder, args=["--config", str(config)]).start()
    try:
        machines = launch(server, 2, tags={"role": "few"})
        command = send(server, "echo x >> /var/tmp/ran", Targets=[{"Key": "tag:role", "Values": ["few"]}])
        assert details(server, command) == {machine: ("Cancelled", "LimitExceeded") for machine in machines}
        assert verdict(listed(server, command)) == ("Cancelled", "LimitExceeded", 2, 0, 0)
        found = server.client("ssm").list_commands(Filters=[{"key": "Status", "value": "LimitExceeded"}])["Commands"]
        assert [one["CommandId"] for one in found] == [command]
        # What has ended makes room; a restart counts the same.
        assert ended(server, send(server, "ls /var/tmp/ran", InstanceIds=machines[:1]), machines[0])["Status"] == "Failed"
        slow = send(server, "sleep 2", InstanceIds=machines[:1])
        server.kill()
        server.start()
        assert over(server, send(server, "true", InstanceIds=machines[1:]))["StatusDetails"] == "LimitExceeded"
        assert ended(server, slow, machines[0])["Status"] == "Success"
        assert ended(server, send(server, "true", InstanceIds=machines[1:]), machines[1])["Status"] == "Success"
    finally:
        server.close()


def test_delivery_timed_out(server, machines, late):
    until(lambda: details_now(server, late["beside"])[late["machine"]] == ("TimedOut", "DeliveryTimedOut"), 60)
    assert details(server, late["alone"]) == {late["machine"]: ("TimedOut", "DeliveryTimedOut")}
    alone, beside = listed(server, late["alone"]), listed(server, late["beside"])
    assert alone["ExpiresAfter"] - alone["RequestedDateTime"] == datetime.timedelta(seconds=35)
    assert verdict(alone) == ("TimedOut", "DeliveryTimedOut", 1, 0, 1)
    assert verdict(beside) == ("Failed", "Incomplete", 2, 0, 1)
    server.client("ec2").start_instances(InstanceIds=[late["machine"]])
    online(server, [late["machine"]])
    assert shell(server, late["machine"], "cat /var/tmp/late 2>/dev/null || echo nothing") == "nothing\n"


def test_statuses_by_the_cli(server, machines):
    command = server.aws(["ssm", "send-command", "--document-name", SHELL, "--targets", "Key=tag:role,Values=fleet", "--max-concurrency", "1", "--max-errors", "0",
                          "--parameters", json.dumps({"commands": ["exit 5"]})])["Command"]["CommandId"]
    details(server, command)
    answer = server.aws(["ssm", "list-command-invocations", "--command-id", command, "--filters", "key=Status,value=Terminated"])
    assert len(answer["CommandInvocations"]) == 2

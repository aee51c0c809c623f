"""Exit code 194: the script's machine is booted anew and its step run again, as with AWS's agent."""
import json

import pytest

from tests.api.test_ssm import OPEN
from tests.support import runs
from tests.support.runs import launch, shell
from tests.support.until import until


def script(name, *lines):
    return {"action": "aws:runShellScript", "name": name, "inputs": {"runCommand": list(lines)}}


def boots(server, machine):
    return json.loads((server.data / "machines" / machine / "boot.json").read_text())["generation"]


def ended(server, command, machine, seconds=120):
    """The invocation's status once it has ended."""
    def over():
        found = server.client("ssm").list_command_invocations(CommandId=command, InstanceId=machine)["CommandInvocations"]
        return found and found[0]["Status"] not in OPEN and found[0]["Status"]
    return until(over, seconds, f"the end of {command}")


@pytest.fixture(scope="module")
def machine(server):
    return launch(server, 1, tags={"role": "reboots"})[0]


def test_its_step_runs_again_after_the_boot(server, machine):
    """Two reboots in the middle of a document: what was done before is not done again, what follows is done once."""
    ssm, before = server.client("ssm"), boots(server, machine)
    steps = [script("before", "echo before >> /var/tmp/did; sync"),
             script("boots", "echo step >> /var/tmp/did; sync", "n=$(grep -c step /var/tmp/did)", 'echo "run $n"; echo "said $n" >&2', '[ "$n" = 3 ] || exit 194'),
             script("after", "echo after >> /var/tmp/did")]
    ssm.create_document(Name="Reboots", DocumentType="Command", Content=json.dumps({"schemaVersion": "2.2", "mainSteps": steps}))
    command = ssm.send_command(InstanceIds=[machine], DocumentName="Reboots")["Command"]["CommandId"]
    assert ended(server, command, machine) == "Success"
    answer = ssm.get_command_invocation(CommandId=command, InstanceId=machine, PluginName="boots")
    assert (answer["Status"], answer["ResponseCode"]) == ("Success", 0), answer
    assert answer["StandardOutputContent"] == "run 1\nrun 2\nrun 3\n", "what each run said is kept"
    assert answer["StandardErrorContent"] == "said 1\nsaid 2\nsaid 3\n"
    assert shell(server, machine, "cat /var/tmp/did") == "before\nstep\nstep\nstep\nafter\n"
    assert boots(server, machine) == before + 2
    shown = ssm.list_command_invocations(CommandId=command, Details=True)["CommandInvocations"][0]
    assert [(plugin["Name"], plugin["Status"]) for plugin in shown["CommandPlugins"]] == [("before", "Success"), ("boots", "Success"), ("after", "Success")]


def test_one_that_always_asks_ends(server, machine):
    before = boots(server, machine)
    command = server.client("ssm").send_command(InstanceIds=[machine], DocumentName="AWS-RunShellScript", Parameters={"commands": ["echo again; exit 194"]})
    command = command["Command"]["CommandId"]
    assert ended(server, command, machine) == "Failed"
    answer = server.client("ssm").get_command_invocation(CommandId=command, InstanceId=machine)
    assert answer["ResponseCode"] == 194
    assert "after run 15 of 15" in answer["StandardErrorContent"] and answer["StandardOutputContent"] == "again\n" * 15
    assert boots(server, machine) == before + 14


def test_a_script_that_a_reboot_ends_says_so(server, machine):
    ssm = server.client("ssm")
    command = ssm.send_command(InstanceIds=[machine], DocumentName="AWS-RunShellScript", Parameters={"commands": ["echo begun > /var/tmp/begun; sleep 600"]})
    command = command["Command"]["CommandId"]
    until(lambda: (server.data / "machines" / machine / "root/var/tmp/begun").exists(), 30, "the script has begun")
    server.client("ec2").reboot_instances(InstanceIds=[machine])
    assert ended(server, command, machine) == "Failed"
    assert "ended from outside while it ran: the machine shut down" in ssm.get_command_invocation(CommandId=command, InstanceId=machine)["StandardErrorContent"]


def test_a_run_keeps_its_machine_up(server, machine):
    """A pre-script that asks for a reboot has failed, and says why: its freeze would not outlive the boot."""
    before = boots(server, machine)
    runs.upload_scripts(server, pre="#!/bin/sh\nexit 194\n")
    arn = runs.start(server, "asks-for-a-reboot", runs.run_input(5, ids=[machine]))
    assert runs.finished(server, arn)["status"] == "FAILED"
    assert "exit code 194" in runs.row(server, arn)["FailureMessage"], runs.row(server, arn)
    assert boots(server, machine) == before

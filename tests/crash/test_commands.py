"""Plain commands with agents, servers and machines killed under them: at most once, never a success that was none, never a lost result."""
import os
import signal
import subprocess

import pytest

from tests.support import runs
from tests.support.agents import agents_of
from tests.support.own_model import stillpoint
from tests.support.server import BINARY, Server
from tests.support.until import until

OPEN = ("Pending", "InProgress", "Delayed", "Cancelling")
POINTS = [line.split("\t") for line in subprocess.run([BINARY, "serve", "--list-failpoints"], capture_output=True, text=True, check=True).stdout.splitlines()]
# Of these a command of one script passes each.
PASSED = [name for name, process, _ in POINTS if process == "agent" and name.startswith(("agent.request.", "agent.script.", "agent.result.", "agent.settled"))]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("commands")).start()
    yield server, runs.launch(server)[0]
    server.close()


def root_of(server, machine):
    return server.data / "machines" / machine / "root"


def send(server, machine, script):
    return server.client("ssm").send_command(InstanceIds=[machine], DocumentName="AWS-RunShellScript", Parameters={
        "commands": [f"echo $SSM_COMMAND_ID >> /var/tmp/ran\n{script}"], "executionTimeout": ["120"]})["Command"]["CommandId"]


def shown(server, machine, command):
    return server.client("ssm").get_command_invocation(CommandId=command, InstanceId=machine)


def ended(server, machine, command, seconds=90):
    return until(lambda: (lambda answer: answer if answer["Status"] not in OPEN else None)(shown(server, machine, command)), seconds, f"the end of {command}")


def times_run(server, machine, command):
    ran = root_of(server, machine) / "var/tmp/ran"
    return ran.read_text().split().count(command) if ran.exists() else 0


def kill_agent(server, machine):
    for pid in agents_of(server, machine):
        os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("point", PASSED)
def test_agent_killed_at_each_point(place, point):
    server, machine = place
    state = root_of(server, machine) / "var/lib/stillpoint-agent"
    hits = state / "failpoints.hits"
    hits.unlink(missing_ok=True)
    (state / "failpoints").write_text(f"{point} kill 1\n")
    kill_agent(server, machine)
    until(hits.exists, 30, f"an agent that will die at {point}")
    runs.online(server, [machine])
    command = send(server, machine, "seq 1 50000")
    until(hits.read_text, 60, f"{point} is hit")
    (state / "failpoints").unlink()
    answer = ended(server, machine, command)
    ran = times_run(server, machine, command)
    assert ran <= 1, f"{point}: it ran {ran} times"
    if answer["Status"] == "Success":
        assert ran == 1 and answer["StandardOutputContent"].startswith("1\n2\n")
        until(lambda: stillpoint(server).describe_invocation(CommandId=command, InstanceId=machine)["Steps"][0]["Output"]["Complete"], 60, "all output")
        whole = subprocess.run([BINARY, "tail", command, machine, "--all", "--data-dir", str(server.data)], capture_output=True, timeout=60, check=True)
        assert whole.stdout == "".join(f"{number}\n" for number in range(1, 50001)).encode()
    else:
        # Noted as starting, and killed before or as it started: nobody knows.
        assert point == "agent.script.starting", answer
        assert answer["Status"] == "Failed" and "its fate is unknown" in answer["StandardErrorContent"]


def test_agent_killed_in_mid_script(place):
    server, machine = place
    go = root_of(server, machine) / "var/tmp/go-mid"
    command = send(server, machine, "echo begun; while [ ! -e /var/tmp/go-mid ]; do sleep 0.05; done; seq 1 30000; exit 6")
    until(lambda: times_run(server, machine, command) == 1, 30, "its start")
    kill_agent(server, machine)
    go.touch()
    answer = ended(server, machine, command)
    assert (answer["Status"], answer["ResponseCode"], times_run(server, machine, command)) == ("Failed", 6, 1)
    assert answer["StandardOutputContent"].startswith("begun\n1\n")


def test_agent_killed_after_the_script_s_end(place):
    """The supervisor's word is found by the next agent, which was not there when the script ended."""
    server, machine = place
    go = root_of(server, machine) / "var/tmp/go-end"
    command = send(server, machine, "while [ ! -e /var/tmp/go-end ]; do sleep 0.02; done; echo over; exit 0")
    until(lambda: times_run(server, machine, command) == 1, 30, "its start")
    agents = agents_of(server, machine)
    for pid in agents:
        os.kill(pid, signal.SIGSTOP)
    go.touch()
    step = root_of(server, machine) / "var/lib/stillpoint-agent/runs"
    until(lambda: any("over" in path.read_text() for path in step.glob("*/step-0/stdout")), 20, "the script's end")
    for pid in agents:
        os.kill(pid, signal.SIGKILL)
    answer = ended(server, machine, command)
    assert (answer["Status"], answer["StandardOutputContent"], times_run(server, machine, command)) == ("Success", "over\n", 1)


def test_server_killed_while_the_script_runs_and_ends(place):
    server, machine = place
    go = root_of(server, machine) / "var/tmp/go-server"
    command = send(server, machine, "while [ ! -e /var/tmp/go-server ]; do sleep 0.05; done; seq 1 30000; echo done > /var/tmp/server-done")
    until(lambda: times_run(server, machine, command) == 1, 30, "its start")
    server.kill()
    go.touch()
    until((root_of(server, machine) / "var/tmp/server-done").exists, 30, "the script's end")
    server.start()
    answer = ended(server, machine, command)
    assert (answer["Status"], times_run(server, machine, command)) == ("Success", 1)
    whole = subprocess.run([BINARY, "tail", command, "--all", "--data-dir", str(server.data)], capture_output=True, timeout=60, check=True)
    assert whole.stdout == "".join(f"{number}\n" for number in range(1, 30001)).encode()


def test_machine_rebooted_in_mid_script(place):
    server, machine = place
    command = send(server, machine, "echo begun; sleep 600")
    until(lambda: times_run(server, machine, command) == 1, 30, "its start")
    # As a power cut: nobody is told.
    state = next(pid for pid in server.machines())
    os.kill(state, signal.SIGKILL)
    until(lambda: runs.state_of(server, machine) == "stopped", 60, "the machine is down")
    server.client("ec2").start_instances(InstanceIds=[machine])
    runs.online(server, [machine])
    answer = ended(server, machine, command)
    assert (answer["Status"], times_run(server, machine, command)) == ("Failed", 1)
    assert "the machine was rebooted" in answer["StandardErrorContent"] and "not run again" in answer["StandardErrorContent"]
    assert "begun" in answer["StandardOutputContent"]

"""Scripts and agents that do what they should not: a clear result for them, and nothing for anybody else."""
import json
import os
import pathlib
import subprocess

import pytest

from tests.support.agents import agents_of, assert_peak, forget_peak
from tests.support.own_model import stillpoint
from tests.support.raw_agent import RawAgent
from tests.support.runs import launch, online
from tests.support.until import until

OPEN = ("Pending", "InProgress", "Delayed", "Cancelling")
SHELL = "AWS-RunShellScript"


@pytest.fixture(scope="module")
def machines(server):
    server.client("s3").create_bucket(Bucket="abuse")
    return launch(server, 2, tags={"role": "abuse"})


@pytest.fixture(scope="module")
def machine(machines):
    return machines[0]


def root_of(server, machine):
    return server.data / "machines" / machine / "root"


def state_of_agent(server, machine):
    return root_of(server, machine) / "var/lib/stillpoint-agent"


def send(server, machine, script, timeout=120, **more):
    return server.client("ssm").send_command(InstanceIds=[machine], DocumentName=SHELL, Parameters={
        "commands": script if isinstance(script, list) else [script], "executionTimeout": [str(timeout)], **more})["Command"]["CommandId"]


def remote(server, machine, body, line, name="script.sh"):
    server.client("s3").put_object(Bucket="abuse", Key=name, Body=body)
    return server.client("ssm").send_command(InstanceIds=[machine], DocumentName="AWS-RunRemoteScript", Parameters={
        "sourceType": ["S3"], "sourceInfo": [json.dumps({"path": f"s3://abuse/{name}"})], "commandLine": [line]})["Command"]["CommandId"]


def ended(server, command, machine, seconds=60, plugin=None):
    more = {"PluginName": plugin} if plugin else {}

    def over():
        answer = server.client("ssm").get_command_invocation(CommandId=command, InstanceId=machine, **more)
        return answer if answer["Status"] not in OPEN else None
    return until(over, seconds, f"the end of {command}")


def works(server, machine):
    """The machine's agent does its work."""
    answer = ended(server, send(server, machine, "echo still here"), machine, 30)
    assert (answer["Status"], answer["StandardOutputContent"]) == ("Success", "still here\n")


def processes_named(server, machine, mark):
    """Pids of the machine's processes that have that text in their command line."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and mark.encode() in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def test_script_of_100_mib(server, machine):
    agent, = agents_of(server, machine)
    forget_peak(agent)
    body = b"#!/bin/sh\necho large\nexit 0\n" + b"# padding that is never read\n" * (100 * (1 << 20) // 29)
    answer = ended(server, remote(server, machine, body, "large.sh", "large.sh"), machine, 120, "runShellScript")
    assert (answer["Status"], answer["StandardOutputContent"]) == ("Success", "large\n")
    assert_peak(agent, 40 << 20)


def test_ten_thousand_forks(server, machines):
    """They are ended with their script, and another machine notices nothing."""
    machine, other = machines
    mark = "29" + os.urandom(4).hex()
    script = f"i=0; while [ $i -lt 10000 ]; do sh -c 'sleep 300 # {mark}' & i=$((i+1)); done; wait"
    command = send(server, machine, script, timeout=20)
    until(lambda: len(processes_named(server, machine, mark)) > 1000, 60, "many processes")
    works(server, other)
    answer = ended(server, command, machine, 90)
    assert answer["StatusDetails"] in ("ExecutionTimedOut", "Failed"), answer
    until(lambda: not processes_named(server, machine, mark), 30, "the end of all of them")
    works(server, machine)


def test_daemon_that_a_script_leaves_behind(server, machine):
    """As with Run Command the script's end counts; what it left writes on, and that is not its output."""
    mark = os.urandom(6).hex()
    script = f"echo before; setsid sh -c '(while : {mark}; do echo after; sleep 0.1; done) &' ; echo started"
    command = send(server, machine, script)
    answer = ended(server, command, machine, 20)
    assert answer["Status"] == "Success" and answer["StandardOutputContent"].startswith("before\n")
    left = processes_named(server, machine, mark)
    assert left, "a daemon lives on"
    works(server, machine)
    for pid in left:
        os.kill(pid, 9)


def test_daemon_ends_with_a_script_that_takes_too_long(server, machine):
    mark = os.urandom(6).hex()
    command = send(server, machine, f"setsid sh -c '(setsid sh -c \"while : {mark}; do sleep 0.1; done\" &)' & sleep 300", timeout=5)
    until(lambda: processes_named(server, machine, mark), 20, "the daemon")
    answer = ended(server, command, machine, 40)
    assert (answer["Status"], answer["StatusDetails"]) == ("TimedOut", "ExecutionTimedOut")
    until(lambda: not processes_named(server, machine, mark), 20, "the daemon's end")


def test_script_that_ignores_term(server, machine):
    mark = os.urandom(6).hex()
    command = send(server, machine, f"trap '' TERM INT HUP; echo stubborn; while :; do sleep 1; done # {mark}", timeout=5)
    answer = ended(server, command, machine, 60)
    assert (answer["StatusDetails"], answer["ResponseCode"], answer["StandardOutputContent"]) == ("ExecutionTimedOut", 137, "stubborn\n")
    works(server, machine)


def test_script_that_closes_its_outputs(server, machine):
    answer = ended(server, send(server, machine, "echo first; exec 1>&- 2>&-; sleep 1; echo lost || exit 4"), machine)
    assert (answer["Status"], answer["ResponseCode"], answer["StandardOutputContent"]) == ("Failed", 4, "first\n")


def test_script_that_cuts_its_own_output_short(server, machine):
    command = send(server, machine, "head -c 300000 /dev/zero | tr '\\0' a; sleep 1; : > /proc/self/fd/1; echo short")
    assert ended(server, command, machine)["Status"] == "Success"
    works(server, machine)


def test_missing_working_directory(server, machine):
    answer = ended(server, send(server, machine, "echo no", workingDirectory=["/var/tmp/not-there"]), machine)
    assert answer["Status"] == "Failed" and "the working directory /var/tmp/not-there does not exist" in answer["StandardErrorContent"]
    assert answer["StandardOutputContent"] == ""


def test_file_that_is_not_executable(server, machine):
    answer = ended(server, send(server, machine, "printf 'echo no' > /var/tmp/plain; chmod 644 /var/tmp/plain; /var/tmp/plain"), machine)
    assert (answer["Status"], answer["ResponseCode"]) == ("Failed", 126) and "Permission denied" in answer["StandardErrorContent"]


@pytest.mark.parametrize("script", ["#!/bin/sh\r\necho hello\r\nexit 0\r\n", "cd /var/tmp\r\nexit 3\r\n"])
def test_crlf_line_ends_are_named(server, machine, script):
    answer = ended(server, send(server, machine, script), machine)
    assert answer["Status"] == "Failed" and "end in CRLF" in answer["StandardErrorContent"], answer
    answer = ended(server, remote(server, machine, script.encode(), "./script.sh"), machine, plugin="runShellScript")
    if script.startswith("#!"):
        assert answer["Status"] == "Failed" and "the lines of script.sh end in CRLF" in answer["StandardErrorContent"], answer


@pytest.mark.parametrize("line,code", [("#!/usr/bin/no-such-thing -x", 127), ("#!/var/tmp", 126)])
def test_wrong_interpreter_is_named(server, machine, line, code):
    answer = ended(server, send(server, machine, [line, "echo no"]), machine)
    assert (answer["Status"], answer["ResponseCode"]) == ("Failed", code)
    assert "the interpreter that its first line names cannot be run: " + line[2:] in answer["StandardErrorContent"]


def test_full_disk_on_the_agent(server, machines):
    """What a script prints beyond the room there is fails the script; the next one works."""
    machine = machines[1]
    agent, = agents_of(server, machine)
    runs = "/var/lib/stillpoint-agent/runs"
    inside = ["nsenter", "-t", str(agent), "-m", "-p"]
    subprocess.run([*inside, "mount", "-t", "tmpfs", "-o", "size=2m,mode=700", "none", runs], check=True)
    try:
        command = send(server, machine, "echo begun; head -c 20000000 /dev/zero || exit 9")
        answer = ended(server, command, machine)
        assert (answer["Status"], answer["ResponseCode"]) == ("Failed", 9)
        assert answer["StandardOutputContent"].startswith("begun\n")
        until(lambda: stillpoint(server).describe_invocation(CommandId=command, InstanceId=machine)["Steps"][0]["Output"]["Complete"], 20, "the output")

        def next_one():
            found = ended(server, send(server, machine, "echo next"), machine)
            assert found["Status"] == "Success" or "No space left" in found["StandardErrorContent"], found
            return found["Status"] == "Success"
        until(next_one, 30, "room again, once the output is the server's")
    finally:
        subprocess.run([*inside, "umount", "-l", runs], check=True)
    works(server, machine)


# Frames that are no message, or none of this agent's.
GARBAGE = {"no JSON": b"\x00\xff garbage", "no object": b"[1, 2]", "no type": b"{}", "too deep": b"[" * 20000}


@pytest.mark.parametrize("kind", GARBAGE)
def test_agent_that_sends_garbage_is_cut_off(server, machines, kind):
    machine, other = machines
    raw = RawAgent(server, state_of_agent(server, machine)).connect().hello(machine)
    raw.until("welcome")
    raw.send(GARBAGE[kind])
    if kind == "no type":
        raw.send({"type": "pong"})
        raw.close()
    else:
        assert raw.closed_by_server()
    works(server, other)
    online(server, [machine])
    works(server, machine)


def test_frame_that_is_too_long_is_cut_off(server, machines):
    raw = RawAgent(server, state_of_agent(server, machines[0])).connect()
    raw.socket.sendall(b"\x7f\xff\xff\xff")
    assert raw.closed_by_server()
    works(server, machines[1])


def test_agent_that_says_it_is_another_is_cut_off(server, machines):
    machine, other = machines
    raw = RawAgent(server, state_of_agent(server, machine)).connect().hello(other)
    assert raw.closed_by_server()
    works(server, other)
    works(server, machine)


def test_results_of_another_agent_s_commands_are_nobody_s(server, machines):
    machine, other = machines
    go = root_of(server, other) / "var/tmp/go-other"
    command = send(server, other, "while [ ! -e /var/tmp/go-other ]; do sleep 0.05; done; echo true one")
    until(lambda: server.client("ssm").get_command_invocation(CommandId=command, InstanceId=other)["Status"] == "InProgress", 20, "its start")
    raw = RawAgent(server, state_of_agent(server, machine)).connect().hello(machine)
    raw.until("welcome")
    step = {"name": "aws:runShellScript", "plugin": "aws:runShellScript", "status": "Success", "exitCode": 0, "stdout": "forged"}
    raw.send({"type": "command.result", "id": f"cmd/{command}/{other}", "status": "Success", "fate": "known", "steps": [step]})
    raw.send({"type": "command.result", "id": f"cmd/{command}/{machine}", "status": "Success", "fate": "known", "steps": [step]})
    # Words of the wrong kind where texts and numbers are meant.
    raw.send({"type": "command.result", "id": "cmd/x/y", "status": 7, "steps": {"a": []}, "fate": None})
    raw.send({"type": "progress", "id": f"cmd/{command}/{other}", "stdout": ["x"]})
    # An id that nobody asked for is settled, so that whoever has it forgets it.
    assert raw.until("settled")["id"].startswith("cmd/")
    raw.close()
    assert server.client("ssm").get_command_invocation(CommandId=command, InstanceId=other)["Status"] == "InProgress"
    go.touch()
    assert ended(server, command, other)["StandardOutputContent"] == "true one\n"
    online(server, [machine])


def test_output_of_another_agent_s_commands_is_refused(server, machines):
    machine, other = machines
    go = root_of(server, other) / "var/tmp/go-output"
    command = send(server, other, "while [ ! -e /var/tmp/go-output ]; do sleep 0.05; done; echo mine")
    raw = RawAgent(server, state_of_agent(server, machine), "http/1.1")
    step = "aws%3ArunShellScript"
    assert raw.put(f"/commands/{command}/output/{other}/{step}/stdout?offset=0", b"forged")[0] == 403
    assert raw.put(f"/commands/{command}/output/{machine}/{step}/stdout?offset=0", b"forged")[0] == 403
    own = send(server, machine, "sleep 2; echo own")
    path = f"/commands/{own}/output/{machine}/{step}"
    for bad, status in ((f"{path}/stdin?offset=0", 404), (f"{path}/stdout", 400), (f"{path}/stdout?offset=-1", 400), (f"{path}/stdout?offset=x", 400),
                        (f"{path}/stdout?offset=5", 409), (f"/commands/{own}/output/{machine}/nostep/stdout?offset=0", 403),
                        (f"/commands/..%2f..%2fx/output/{machine}/{step}/stdout?offset=0", 403), (f"{path}/stdout?total=1&x", 400)):
        assert raw.put(bad, b"x")[0] == status, bad
    assert raw.put(f"{path}/stdout?total=3", b"x" * (2 << 20))[0] == 413
    go.touch()
    assert ended(server, command, other)["StandardOutputContent"] == "mine\n"
    assert ended(server, own, machine)["StandardOutputContent"] == "own\n"

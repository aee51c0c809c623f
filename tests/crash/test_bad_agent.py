"""An agent that is broken or means harm, with a certificate that is good: it harms nobody but itself. And connections that only stand there."""
import json
import socket
import ssl
import struct
import uuid

import pytest

from tests.support.runs import invoke, launch, online, state_of
from tests.support.until import until

HANDSHAKES = 512  # what the server takes at once


class Impostor:
    """Speaks for a machine that is stopped, with its own certificate."""

    def __init__(self, server, machine):
        self.server, self.machine = server, machine
        state = server.data / "machines" / machine / "root/var/lib/stillpoint-agent"
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.context.load_verify_locations(cafile=str(state / "ca.pem"))
        self.context.load_cert_chain(str(state / "cert.pem"), str(state / "key.pem"))
        self.context.set_alpn_protocols(["stillpoint-agent/1"])

    def connect(self):
        host, port = self.server.agents.rsplit(":", 1)
        line = self.context.wrap_socket(socket.create_connection((host, int(port)), 20), server_hostname="stillpoint")
        line.settimeout(20)
        return line

    def hello(self, **more):
        return {"type": "hello", "agent": self.machine, "bootId": str(uuid.uuid4()), "run": str(uuid.uuid4()), "version": 1,
                "protocol": {"least": 1, "most": 1}, "hostname": "impostor", "open": [], **more}

    def greeted(self):
        line = self.connect()
        line.sendall(frame(self.hello()))
        assert hear(line)["type"] == "welcome"
        return line


def frame(message):
    text = message if isinstance(message, bytes) else json.dumps(message).encode()
    return struct.pack(">I", len(text)) + text


def exactly(line, size):
    data = b""
    while len(data) < size:
        piece = line.recv(size - len(data))
        if not piece:
            raise EOFError
        data += piece
    return data


def hear(line):
    return json.loads(exactly(line, struct.unpack(">I", exactly(line, 4))[0]))


def is_closed(line):
    """The server ends the connection; what it may have said before does not count."""
    try:
        while line.recv(65536):
            pass
    except (ConnectionResetError, ssl.SSLError):
        pass
    return True


@pytest.fixture(scope="module")
def machines(server):
    """The good one, and the one whose place is taken."""
    good, bad = launch(server, 2)
    server.client("ec2").stop_instances(InstanceIds=[bad])
    until(lambda: state_of(server, bad) == "stopped", 60, "the stop")
    return good, bad


@pytest.fixture
def impostor(server, machines):
    return Impostor(server, machines[1])


def unharmed(server, machine):
    assert invoke(server, machine, "echo fine")["StandardOutputContent"] == "fine\n"


@pytest.mark.parametrize("garbage", [
    b"\xff\xff\xff\xff" + b"x" * 100, struct.pack(">I", (1 << 20) + 1), struct.pack(">I", 0), frame(b"no json"), frame(b"[]"), frame(b"1"),
    frame(b'{"type":"hello"'), frame(b"[" * 5000), frame(b'{"a":' * 100 + b"1" + b"}" * 100), frame(b"\xff\xfe\xfd"), frame({"type": "command.result"}),
    frame({"agent": "host"}), b"GET / HTTP/1.1\r\n\r\n"],
    ids=["length-max", "length-over", "length-0", "no-json", "array", "number", "cut-json", "deep-array", "deep-object", "no-utf8", "no-hello",
         "no-type", "http"])
def test_garbage_instead_of_a_hello(server, machines, impostor, garbage):
    line = impostor.connect()
    line.sendall(garbage)
    assert is_closed(line)
    unharmed(server, machines[0])


@pytest.mark.parametrize("garbage", [b"\xff\xff\xff\xff", frame(b"no json"), frame(b"[]"), frame(b"{" * 2000)], ids=["length", "no-json", "array", "deep"])
def test_garbage_after_the_hello(server, machines, impostor, garbage):
    line = impostor.greeted()
    line.sendall(garbage)
    assert is_closed(line)
    unharmed(server, machines[0])


def test_another_agents_name(server, machines, impostor):
    for name in (machines[0], "host", "", "i-00000000000000000"):
        line = impostor.connect()
        line.sendall(frame(impostor.hello(agent=name)))
        assert is_closed(line)
    online(server, [machines[0]])
    unharmed(server, machines[0])


def test_another_agents_command(server, machines, impostor):
    good, bad = machines
    ssm = server.client("ssm")
    command = ssm.send_command(InstanceIds=[good], DocumentName="AWS-RunShellScript", Parameters={"commands": [
        "while [ ! -e /root/go ]; do sleep 0.05; done", "echo own"]})["Command"]["CommandId"]
    at = {"CommandId": command, "InstanceId": good}
    until(lambda: ssm.get_command_invocation(**at)["Status"] == "InProgress", 20)
    line = impostor.greeted()
    step = {"name": "aws:runShellScript", "plugin": "aws:runShellScript", "status": "Success", "exitCode": 0, "stdout": "forged", "stderr": ""}
    for message in ({"type": "command.result", "id": f"cmd/{command}/{good}", "status": "Success", "fate": "known", "steps": [step]},
                    {"type": "command.result", "id": f"cmd/{command}/{bad}", "status": "Success", "fate": "known", "steps": [step]},
                    {"type": "refused", "id": f"cmd/{command}/{good}", "message": "forged"},
                    {"type": "cancel.result", "id": f"cmd/{command}/{good}"},
                    {"type": "progress", "id": f"cmd/{command}/{good}", "stdout": "forged"}):
        line.sendall(frame(message))
    # An answer to something nobody asked is settled, so that no agent sends it for ever.
    assert hear(line) == {"type": "settled", "id": f"cmd/{command}/{good}"}
    line.close()
    assert ssm.get_command_invocation(**at)["Status"] == "InProgress"
    (server.data / "machines" / good / "root/root/go").touch()
    until(lambda: ssm.get_command_invocation(**at)["Status"] not in ("Pending", "InProgress"), 20)
    got = ssm.get_command_invocation(**at)
    assert (got["Status"], got["StandardOutputContent"]) == ("Success", "own\n")
    assert len(ssm.list_command_invocations(CommandId=command)["CommandInvocations"]) == 1


def test_what_only_the_host_may_say(server, machines, impostor):
    good, _ = machines
    line = impostor.greeted()
    for message in ({"type": "power.changed", "instance": good, "state": "stopped"},
                    {"type": "power.result", "id": f"pow/{uuid.uuid4()}", "instance": good, "state": "terminated"},
                    {"type": "backup.result", "id": f"job/{uuid.uuid4()}", "state": "COMPLETED", "snapshotId": "0" * 64},
                    {"type": "restore.result", "id": f"res/{uuid.uuid4()}", "state": "COMPLETED"}):
        line.sendall(frame(message))
    while hear(line).get("id", "").split("/")[0] != "res":
        pass
    line.close()
    assert state_of(server, good) == "running"
    unharmed(server, good)


@pytest.mark.parametrize("answer", [
    {"status": "Success", "steps": "none"}, {"status": "Success", "steps": [1, None, [], "x"]}, {"status": 7, "steps": []}, {"steps": [{"name": "?"}]},
    {"status": "Success", "steps": [{"name": "aws:runShellScript", "status": "Success", "exitCode": 2**62, "sinceStartMs": 2**62, "durationMs": 2**63 - 1},
                                      {"name": "aws:runShellScript", "sinceStartMs": -2**63, "durationMs": -2**63}]},
    {"status": "Success", "steps": [{"name": "aws:runShellScript", "status": "Success", "exitCode": 0, "stdout": "\u0000" * 100_000, "stdoutBytes": -1}]},
], ids=["no-list", "no-objects", "number", "unknown-step", "huge-numbers", "zeros"])
def test_a_nonsensical_result_ends_its_own_command_only(server, machines, impostor, answer):
    good, bad = machines
    ssm = server.client("ssm")
    line = impostor.greeted()
    command = ssm.send_command(InstanceIds=[bad, good], DocumentName="AWS-RunShellScript", MaxErrors="1",
                               Parameters={"commands": ["echo fine"]})["Command"]["CommandId"]
    request = hear(line)
    assert request["type"] == "command.run" and request["id"] == f"cmd/{command}/{bad}"
    line.sendall(frame({"fate": "known", **answer, "type": "command.result", "id": request["id"]}))
    assert hear(line) == {"type": "settled", "id": request["id"]}
    line.close()
    until(lambda: ssm.list_commands(CommandId=command)["Commands"][0]["Status"] not in ("Pending", "InProgress"), 20)
    got = ssm.get_command_invocation(CommandId=command, InstanceId=good)
    assert (got["Status"], got["StandardOutputContent"]) == ("Success", "fine\n")
    ssm.get_command_invocation(CommandId=command, InstanceId=bad)


def test_a_flood_of_messages_does_not_hold_up_others(server, machines, impostor):
    line = impostor.greeted()
    line.settimeout(0.2)
    flood = frame({"type": "progress", "id": "x", "padding": "y" * 1000}) * 64
    sent = 0
    try:
        for _ in range(300):
            line.sendall(flood)
            sent += 64
    except (TimeoutError, ssl.SSLError):
        pass  # the server reads no faster than it works
    assert sent > 256
    unharmed(server, machines[0])
    line.close()
    unharmed(server, machines[0])


def test_connections_that_only_stand_there(server, impostor):
    """More than the server shakes hands with at once, silent or in the midst of their first message: others still get in."""
    host, port = server.agents.rsplit(":", 1)
    standing = []
    try:
        for number in range(HANDSHAKES + 100):
            one = socket.create_connection((host, int(port)), 20)
            if number % 2:
                one.sendall(bytes.fromhex("16030102000100"))
            standing.append(one)
        line = impostor.greeted()
        line.close()
    finally:
        for one in standing:
            one.close()

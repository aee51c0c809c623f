"""A bad network between agent and server: cut at any byte, corrupted, stalled, closed one way, slow. With real agents on real machines.

What must hold whatever happens to the line: the command ends with its own result, its script ran exactly once, the agent comes back.
STILLPOINT_CUT_STRIDE=1 cuts at every single byte; by default at a sample of them that differs from run to run.
"""
import os
import random
import signal

import pytest

from tests.support.proxy import DOWN, UP, Fault, Proxy
from tests.support.runs import launch, online, shell
from tests.support.until import until

STRIDE = int(os.environ.get("STILLPOINT_CUT_STRIDE", "0"))
SAMPLE = 30
OPEN = ("Pending", "InProgress", "Delayed")


class Line:
    """A machine whose agent reaches the server through a proxy."""

    def __init__(self, server):
        self.server, self.ssm = server, server.client("ssm")
        self.machine = launch(server)[0]
        self.proxy = Proxy(server.agents)
        self.root = server.data / "machines" / self.machine / "root"
        state = self.root / "var/lib/stillpoint-agent"
        (state / "endpoint").write_text(self.proxy.address + "\n")
        # The connection it has goes straight to the server; its init starts it again.
        shell(server, self.machine, "kill -9 $(cut -d' ' -f1 /var/lib/stillpoint-agent/pid) >/dev/null 2>&1 & true")
        self.proxy.await_connection(0)
        online(server, [self.machine])

    def connected(self):
        until(lambda: self.proxy.last().sent[DOWN] > 0 and not self.proxy.last().over.is_set(), 30, "the agent's next connection")

    def send(self, mark, *more):
        return self.ssm.send_command(InstanceIds=[self.machine], DocumentName="AWS-RunShellScript",
                                     Parameters={"commands": [f"echo {mark} >> /root/marks", *more, f"echo out-{mark}"]})["Command"]["CommandId"]

    def send_held(self, mark):
        """A command whose script goes on once /root/go is there."""
        return self.send(mark, "while [ ! -e /root/go ]; do sleep 0.1; done")

    def ended(self, command, seconds=30):
        def look():
            got = self.ssm.get_command_invocation(CommandId=command, InstanceId=self.machine)
            return got if got["Status"] not in OPEN else None
        return until(look, seconds, f"the end of {command}")

    def conversation(self, mark, fault):
        """A whole conversation in one connection that suffers the fault: greeting, command, result, settling. The bytes it had each way."""
        self.proxy.hold()
        number = len(self.proxy.connections)
        command = self.send(mark)
        self.proxy.release(fault)
        met = self.proxy.await_connection(number)
        got = self.ended(command)
        assert (got["Status"], got["StandardOutputContent"], got["ResponseCode"]) == ("Success", f"out-{mark}\n", 0), (fault, got)
        return met

    def marks(self):
        marks = self.root / "root/marks"
        return marks.read_text().split() if marks.exists() else []

    def close(self):
        self.proxy.close()


@pytest.fixture(scope="module")
def line(server):
    made = Line(server)
    yield made
    made.close()


def positions(length):
    if STRIDE:
        return range(0, length + 1, STRIDE)
    return sorted(random.sample(range(length), min(SAMPLE, length)) + [0, length])


@pytest.mark.parametrize("direction", [UP, DOWN])
@pytest.mark.parametrize("kind", ["cut", "end", "corrupt", "half"])
def test_any_byte(line, kind, direction):
    whole = line.conversation(f"{kind}-{direction}-whole", None)
    until(lambda: line.proxy.last() is whole, 5)
    length = whole.sent[direction]
    assert length > 1000, "a handshake with two certificates and a command's conversation"
    wanted = [f"{kind}-{direction}-whole"]
    for at in positions(length):
        wanted.append(f"{kind}-{direction}-{at}")
        line.conversation(wanted[-1], Fault(kind, direction, at))
    # Each script once, in the order in which the commands were sent: one command had ended before the next was sent.
    assert [mark for mark in line.marks() if mark.startswith(f"{kind}-{direction}-")] == wanted


def test_a_slow_line_in_small_pieces(line):
    line.proxy.delay, line.proxy.piece = 0.002, 7
    try:
        line.conversation("slow", None)
    finally:
        line.proxy.delay, line.proxy.piece = 0.0, 0
        line.proxy.hold()
        line.proxy.release()
    assert line.marks().count("slow") == 1


def test_a_line_that_stalls(server, line):
    """In the midst of a result on one line, of a command on the other, nothing comes through any more and no end tells: the silence is noticed
    within a minute."""
    other = Line(server)
    try:
        line.connected()
        going = line.send_held("stall")
        until(lambda: "stall" in line.marks(), 20, "the script's start")
        up = line.proxy.last()
        up.strike_after("stall", UP, 50)
        (line.root / "root/go").touch()
        other.connected()
        down = other.proxy.last()
        down.strike_after("stall", DOWN, 50)
        lost = other.send("stall")
        stalled = [(line, going, up), (other, lost, down)]
        for each, command, met in stalled:
            until(lambda met=met: met.struck, 20, "the stall")
            assert each.ssm.get_command_invocation(CommandId=command, InstanceId=each.machine)["Status"] in OPEN
        for each, command, _ in stalled:
            assert each.ended(command, 100)["Status"] == "Success"
            assert each.marks().count("stall") == 1
    finally:
        other.close()


def test_agent_killed_while_the_line_is_cut(line):
    """The result waits on the agent's disk: neither its death nor the line's loses it."""
    line.proxy.hold()
    number = len(line.proxy.connections)
    command = line.send("killed")
    line.proxy.release()
    line.proxy.await_connection(number)
    marks = line.server.data / "machines" / line.machine / "root/root/marks"
    until(lambda: "killed" in marks.read_text().split(), 20, "the script's mark")
    line.proxy.hold()
    pid = int((line.server.data / "machines" / line.machine / "root/var/lib/stillpoint-agent/pid").read_text().split()[0])
    inside = [int(p) for p in os.listdir("/proc") if p.isdigit() and inner_pid(int(p), line) == pid]
    assert len(inside) == 1
    os.kill(inside[0], signal.SIGKILL)
    line.proxy.release()
    assert line.ended(command)["Status"] == "Success"
    assert line.marks().count("killed") == 1


def inner_pid(pid, line):
    """The pid inside the machine of a process of its agent; 0 for any other process."""
    try:
        if b"/var/lib/stillpoint-agent" not in open(f"/proc/{pid}/cmdline", "rb").read():
            return 0
        root = os.path.realpath(f"/proc/{pid}/root/var/lib/stillpoint-agent")
        same = os.stat(f"/proc/{pid}/root/var/lib/stillpoint-agent").st_ino == os.stat(line.server.data / "machines" / line.machine / "root/var/lib/stillpoint-agent").st_ino
        numbers = [row for row in open(f"/proc/{pid}/status") if row.startswith("NSpid:")][0].split()
        return int(numbers[-1]) if same and root else 0
    except OSError:
        return 0

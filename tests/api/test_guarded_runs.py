"""What the server makes of a machine that guards its freezes, whose agent is spoken by hand: promises, leases, questions, and commands that nobody sent."""
import pytest

from tests.support import enrolled_agents as agents
from tests.support import runs
from tests.support.own_model import stillpoint
from tests.support.raw_agent import RawAgent
from tests.support.server import Server
from tests.support.until import until

LEASE = 3
WHY = f"the lease of {LEASE} s ended"
STEPS = [{"name": "downloadContent", "status": "Success", "exitCode": 0}, {"name": "runShellScript", "status": "Success", "exitCode": 0, "stdout": "woken\n"}]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("guarded")
    (folder / "config.toml").write_text(f"[runs]\nfreeze_lease_seconds = {LEASE}\n")
    running = Server(folder, args=["--config", str(folder / "config.toml")]).start()
    runs.upload_scripts(running)
    yield running
    running.close()


class Machine:
    """An enrolled machine whose agent was taken away; what its certificate may do, the test does."""

    def __init__(self, server, folder):
        self.server = server
        self.agent = agents.Agent(folder, server.agents, token=agents.token_of(server)["Token"]).start()
        self.id = self.agent.id
        agents.pinged(server, self.id, "Online")
        self.agent.kill()
        self.raw = None

    def connect(self, open_ids=()):
        self.raw = RawAgent(self.server, self.agent.state, seconds=30).connect()
        self.raw.hello(self.id, machine=self.agent.hardware, open=list(open_ids))
        self.raw.until("welcome")
        return self

    def get(self, path):
        return agents.post(self.server, path, state=self.agent.state, method="GET")[0]

    def freeze(self, name):
        """A run up to its backup, which this agent never begins: its ARN, the pre-script's request and the job's."""
        arn = runs.start(self.server, name, runs.run_input(5, ids=[self.id]))
        pre = self.raw.until("command.run")
        self.raw.send({"type": "command.result", "id": pre["id"], "status": "Success", "fate": "known", "steps": STEPS, "guarded": True})
        return arn, pre, self.raw.until("backup.run")

    def request_id(self, pre, attempt):
        return f"cmd/{guards(pre, attempt)}/{self.id}"

    def close(self):
        if self.raw:
            self.raw.close()
        self.agent.close()


def guards(pre, attempt):
    return f"{pre['thaw']['commandId'][:-4]}{attempt:04x}"


@pytest.fixture
def machine(server, tmp_path):
    made = Machine(server, tmp_path / "machine").connect()
    yield made
    made.close()


def invocation(server, machine, command):
    found = server.client("ssm").list_command_invocations(InstanceId=machine.id, CommandId=command, Details=True)["CommandInvocations"]
    return found[0] if found else None


def job_message(server, job):
    told = server.client("backup").describe_backup_job(BackupJobId=job["jobId"])
    return told["State"], told.get("StatusMessage", "")


def test_a_freeze_goes_with_its_lease_and_its_thaw(server, machine):
    arn, pre, _ = machine.freeze("carries")
    assert pre["freeze"]["lease"] == {"leaseMs": LEASE * 1000, "bootMs": LEASE * 1000, "stops": False}
    thaw = pre["thaw"]
    assert not {"type", "id", "freeze", "startWithinMs"} & set(thaw) and thaw["commandId"].endswith("0000")
    assert thaw["environment"]["BACKUP_STATUS"] == thaw["environment"]["PRE_STATUS"] == "unknown"
    source = thaw["steps"][0]["files"][0]["source"]
    assert source == f"/commands/{thaw['commandId']}/source/post.sh"
    assert machine.get(source) == 200 and machine.get(source.replace("post.sh", "pre.sh")) == 403
    # Renewed while the thaw is owed, at a third of its length.
    for _ in range(2):
        assert machine.raw.until("lease") == {"type": "lease", "freeze": pre["freeze"]["id"], "leaseMs": LEASE * 1000}
    assert invocation(server, machine, thaw["commandId"]) is None
    server.client("stepfunctions").stop_execution(executionArn=arn)


@pytest.mark.parametrize("first", ["its hello", "accepted", "command.result"])
def test_a_machine_that_woke_while_the_server_was_dead(server, machine, first):
    arn, pre, job = machine.freeze(f"dies-{first.split('.')[-1].split()[-1]}")
    server.kill()
    machine.raw.close()
    server.start()
    request = machine.request_id(pre, 1)
    machine.connect([request] if first == "its hello" else [])
    if first == "accepted":
        machine.raw.send({"type": "accepted", "id": request})
    if first != "command.result":
        told = until(lambda: invocation(server, machine, guards(pre, 1)), 20, "the command")
        assert told["Status"] == "InProgress" and "by the machine's own guard" in told["Comment"] and pre["freeze"]["id"] in told["Comment"]
    machine.raw.send({"type": "command.result", "id": request, "status": "Success", "fate": "known", "steps": STEPS, "message": WHY})
    assert machine.raw.until("settled")["id"] == request
    until(lambda: invocation(server, machine, guards(pre, 1))["Status"] == "Success", 20, "its end")
    assert stillpoint(server).list_owed(InstanceId=machine.id)["Debts"] == []
    # The read is told to end, and whatever it says is no copy.
    machine.raw.send({"type": "backup.result", "id": job["id"], "state": "ABORTED"})
    assert runs.finished(server, arn, 60)["status"] == "FAILED"
    state, message = job_message(server, job)
    assert state == "FAILED" and message.startswith("The machine woke its application before its files were read: ") and message.endswith(" The copy would not be consistent.")
    entry = runs.statuses(server, arn)[machine.id]
    assert (entry["PostBackupScriptStatus"], entry["PostCommandId"]) == ("Success", guards(pre, 1))
    assert f"the machine woke itself (command {guards(pre, 1)}): {WHY}" in entry["Warning"]


def test_attempts_are_commands_and_a_failure_is_owed_on(server, machine):
    arn, pre, job = machine.freeze("attempts")
    machine.raw.send({"type": "command.result", "id": machine.request_id(pre, 1), "status": "Failed", "fate": "known", "message": WHY,
                      "steps": [STEPS[0], {**STEPS[1], "status": "Failed", "exitCode": 4}]})
    until(lambda: invocation(server, machine, guards(pre, 1))["Status"] == "Failed", 20, "the first attempt")
    [debt] = stillpoint(server).list_owed(InstanceId=machine.id)["Debts"]
    assert debt["Kind"] == "thaw" and guards(pre, 1) in debt["LastError"] and WHY in debt["LastError"]
    machine.raw.send({"type": "command.result", "id": machine.request_id(pre, 2), "status": "Success", "fate": "known", "steps": STEPS, "message": WHY})
    until(lambda: not stillpoint(server).list_owed(InstanceId=machine.id)["Debts"], 20, "nothing is owed")
    machine.raw.send({"type": "backup.result", "id": job["id"], "state": "ABORTED"})
    runs.finished(server, arn, 60)
    # What the machine could make of it is gone with the debt.
    machine.raw.send({"type": "command.result", "id": machine.request_id(pre, 3), "status": "Success", "fate": "known", "steps": STEPS})
    while machine.raw.until("settled")["id"] != machine.request_id(pre, 3):
        pass
    assert invocation(server, machine, guards(pre, 3)) is None and machine.get(f"/commands/{pre['thaw']['commandId']}/source/post.sh") == 403


def test_a_freeze_that_is_broken_ends_the_read(server, machine):
    arn, pre, job = machine.freeze("broken")
    machine.raw.send({"type": "leased", "freeze": pre["freeze"]["id"], "held": False, "ask": "", "why": "the machine was rebooted"})
    assert machine.raw.until("cancel")["target"] == job["id"]
    machine.raw.send({"type": "backup.result", "id": job["id"], "state": "ABORTED"})
    # The lane's own thaw follows.
    thaw = machine.raw.until("command.run")
    assert thaw["freeze"] == {"id": pre["freeze"]["id"], "phase": "thaw", "attempt": 1}
    machine.raw.send({"type": "command.result", "id": thaw["id"], "status": "Success", "fate": "known", "steps": STEPS})
    assert runs.finished(server, arn, 60)["status"] == "FAILED"
    assert job_message(server, job) == ("FAILED", "The machine woke its application before its files were read: the machine was rebooted. The copy would not be consistent.")
    assert "Warning" not in runs.statuses(server, arn)[machine.id]


def test_another_machine_speaks_for_nobody(server, machine, tmp_path):
    arn, pre, _ = machine.freeze("others")
    other = Machine(server, tmp_path / "other").connect()
    try:
        for speaker in (machine.id, other.id):
            other.raw.send({"type": "command.result", "id": f"cmd/{guards(pre, 1)}/{speaker}", "status": "Success", "fate": "known", "steps": STEPS})
            other.raw.until("settled")
        other.raw.send({"type": "leased", "freeze": pre["freeze"]["id"], "held": False, "ask": "", "why": "mine"})
        assert other.get(f"/commands/{pre['thaw']['commandId']}/source/post.sh") == 403
        step = "runShellScript"
        assert RawAgent(server, other.agent.state, "http/1.1").put(f"/commands/{guards(pre, 1)}/output/{other.id}/{step}/stdout?offset=0", b"x")[0] == 403
        assert server.client("ssm").list_commands(CommandId=guards(pre, 1))["Commands"] == []
        # The machine itself may, and what it printed is its first word.
        assert RawAgent(server, machine.agent.state, "http/1.1").put(f"/commands/{guards(pre, 1)}/output/{machine.id}/{step}/stdout?offset=0", b"x")[0] == 204
        assert invocation(server, machine, guards(pre, 1))["Status"] == "InProgress"
    finally:
        other.close()
        server.client("stepfunctions").stop_execution(executionArn=arn)

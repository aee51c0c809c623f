"""Killed at every fail point, before and after each thing became durable, on paths 1 and 5; then at random times.

What must hold after each kill and restart: the run ends; the machine runs and nothing is owed to it; no script ran twice;
a pre-script that may have run was followed by a post-script; the row says what really happened.
"""
import os
import pathlib
import random
import signal
import subprocess

import pytest

from tests.support import runs
from tests.support.agents import agents_of, host_agents
from tests.support.server import BINARY, Server
from tests.support.until import elapsed, until

POINTS = [line.split("\t") for line in subprocess.run([BINARY, "serve", "--list-failpoints"], capture_output=True, text=True, check=True).stdout.splitlines()]
# Points that only other work than a run passes: their own tests are named beside them.
NOT_IN_A_RUN = {
    "agent.journal.compact_written": "src/agent/journal_test.cc",
    "agent.journal.compact_renamed": "src/agent/journal_test.cc",
    "agent.machine.made": "src/agent/machines/machine_test.cc",
    "agent.restic.adopted": "src/agent/backup/backup_runner_test.cc",
    "agent.restore_moving": "tests/api/test_backup.py",
    "agent.restore_moved": "tests/api/test_backup.py",
    "agent.restore_failed": "tests/api/test_backup.py",
    "agent.restore_taken_back": "tests/api/test_backup.py",
    "backup.expiring": "tests/api/test_retention.py",
    "backup.plan_due": "tests/api/test_backup_plans.py",
    "vault.maintaining": "tests/api/test_retention.py",
    "vault.forgotten": "tests/api/test_retention.py",
    "vault.pruned": "tests/api/test_retention.py",
    "vault.removing": "tests/api/test_vault_removal.py",
    "vault.removed": "tests/api/test_vault_removal.py",
    "dynamodb.dropping": "tests/api/test_dynamodb.py",
    "events.routed": "tests/api/test_events.py",
    "events.started": "tests/api/test_events.py",
    "events.dead": "tests/api/test_dead_letters.py",
    "events.hook_sending": "tests/api/test_webhooks.py",
    "events.hook_answered": "tests/api/test_webhooks.py",
    "schedule.due": "tests/api/test_scheduler.py",
}
RANDOM_KILLS = int(os.environ.get("STILLPOINT_RANDOM_KILLS", "50"))


class Sweep:
    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.server = Server(directory).start()
        runs.upload_scripts(self.server)
        self.instance = runs.launch(self.server)[0]
        self.points = self.directory / "points"
        self.count = 0

    def start_armed(self, line):
        """The server again, with this fail point."""
        if self.server.process.poll() is None:
            self.server.stop()
        self.points.write_text(line + "\n")
        hits = pathlib.Path(str(self.points) + ".hits")
        if hits.exists():
            hits.unlink()
        self.server.args = ["--failpoints", str(self.points)]
        self.server.start()
        runs.online(self.server, [self.instance])

    def start_plain(self):
        self.server.args = []
        self.server.start()

    def hit(self):
        hits = pathlib.Path(str(self.points) + ".hits")
        return hits.exists() and hits.read_text().strip() != ""

    def begin(self, path, label):
        """Starts a run; the answer may be lost with the server."""
        self.count += 1
        name = f"{label}-{self.count}".replace(".", "-")
        arn = f"{runs.MACHINE.replace('stateMachine', 'execution')}:{name}"
        try:
            runs.start(self.server, name, runs.run_input(path, ids=[self.instance]))
            acknowledged = True
        except Exception:  # noqa: BLE001 - whatever the client makes of a cut connection
            acknowledged = False
        return arn, name, acknowledged

    def known(self, arn):
        return any(e["executionArn"] == arn for e in self.server.client("stepfunctions").list_executions(stateMachineArn=runs.MACHINE, maxResults=1000)["executions"])

    def dead_or_over(self, arn):
        if self.server.process.poll() is not None:
            return True
        try:
            return self.server.client("stepfunctions").describe_execution(executionArn=arn)["status"] != "RUNNING"
        except Exception:  # noqa: BLE001 - it may die while it answers; the next look tells
            return False

    def judge(self, path, arn, name, acknowledged, before):
        """All that must hold once the server is back."""
        if not self.known(arn):
            assert not acknowledged, f"{name} was acknowledged and is gone"
            runs.start(self.server, name, runs.run_input(path, ids=[self.instance]))
        end = runs.finished(self.server, arn, 120)
        runs.settled(self.server, self.instance, 120)
        entry = runs.statuses(self.server, arn)[self.instance]
        ran = runs.steps(self.server, self.instance)[len(before):]
        assert len(set(ran)) == len(ran), f"{name}: a script ran twice: {ran}"
        pre = [command for what, command in ran if what == "pre"]
        post = [command for what, command in ran if what == "post"]
        assert len(pre) <= 1, f"{name}: {ran}"
        assert not pre or post, f"{name}: a pre-script ran and no post-script followed: {ran}"
        if pre:
            assert ran[0][0] == "pre", f"{name}: {ran}"
        if end["status"] == "SUCCEEDED":
            assert pre and post, f"{name}: called good, but {ran}"
            assert entry["PreBackupScriptStatus"] == "Success" and entry["PostBackupScriptStatus"] == "Success", entry
            assert entry["BackupJobStatus"] == "COMPLETED" and entry["FailureMessage"] == "", entry
            job = self.server.client("backup").describe_backup_job(BackupJobId=entry["BackupJobId"])
            assert job["State"] == "COMPLETED" and job["RecoveryPointArn"] == entry["RecoveryPointArn"]
        else:
            assert end["error"].startswith("Stillpoint."), end
            assert entry["FailureMessage"], entry
        return end

    def close(self):
        self.server.close()


@pytest.fixture
def sweep(tmp_path):
    made = Sweep(tmp_path)
    yield made
    made.close()


@pytest.mark.parametrize("path", [1, 5])
def test_server_killed_at_every_point(sweep, path):
    never = []
    for name, process, _ in POINTS:
        if process != "server" or name in NOT_IN_A_RUN:
            continue
        print(f"path {path}: {name}")
        before = runs.steps(sweep.server, sweep.instance)
        sweep.start_armed(f"{name} kill 1" if not name.startswith("store.") else f"{name} kill {10 + path}")
        arn, label, acknowledged = sweep.begin(path, name)
        until(lambda arn=arn: sweep.dead_or_over(arn), 60, f"{name} is hit, or the run ends")
        if not sweep.hit():
            never.append(name)
        if sweep.server.process.poll() is None:
            sweep.server.stop()
        sweep.start_plain()
        end = sweep.judge(path, arn, label, acknowledged, before)
        assert end["status"] == "SUCCEEDED", f"{name}: a server killed and started again must not fail a run: {end}"
    sweep.never = never
    print(f"path {path}: never hit: {never}")
    known_elsewhere = [name for name in never if not name.startswith(("s3.", "blob.", "flow.payer", "flow.thaw_sent"))]
    if path == 1:
        assert not known_elsewhere, f"fail points that no run of path 1 passes: {known_elsewhere}"


@pytest.mark.parametrize("path", [1, 5])
def test_agents_killed_at_every_point(sweep, path):
    """The machine's agent; at points of power and of a stopped machine's backup, which it never passes, the host's."""
    machine_state = sweep.server.data / "machines" / sweep.instance / "root/var/lib/stillpoint-agent"
    never = []
    for name, process, _ in POINTS:
        of_power = name.startswith(("agent.machine.", "agent.power."))
        if process != "agent" or name in NOT_IN_A_RUN or (of_power and path == 5):
            continue
        print(f"path {path}: {name}")
        before = runs.steps(sweep.server, sweep.instance)
        of_host = of_power or (name.startswith(("agent.restic.", "agent.backup_done")) and path == 1)
        state = sweep.server.data / "host-agent" if of_host else machine_state
        hits = state / "failpoints.hits"
        hits.unlink(missing_ok=True)
        # An agent reads the file when it starts: end the one that runs, another is started in its place.
        (state / "failpoints").write_text(f"{name} kill 1\n")
        for pid in host_agents(sweep.server) if of_host else agents_of(sweep.server, sweep.instance):
            os.kill(pid, signal.SIGKILL)
        until(hits.exists, 30, f"an agent that will die at {name}")
        runs.online(sweep.server, [sweep.instance])
        arn, label, acknowledged = sweep.begin(path, name)
        until(lambda hits=hits, arn=arn: hits.read_text() or sweep.dead_or_over(arn), 60, f"{name} is hit, or the run ends")
        # The next one must not die of it again.
        (state / "failpoints").unlink()
        if not hits.read_text():
            never.append(name)
        sweep.judge(path, arn, label, acknowledged, before)
    assert not never, f"fail points that no run of path {path} passes: {never}"


def end_agent(server, instance):
    for pid in agents_of(server, instance):
        os.kill(pid, signal.SIGKILL)


def test_killed_at_random_times(sweep):
    """Server, host agent and machine agent, one of them each time; the seed is printed and can be given again."""
    seed = int(os.environ.get("STILLPOINT_SEED", random.SystemRandom().randrange(1 << 32)))
    print(f"STILLPOINT_SEED={seed}")
    chance = random.Random(seed)
    for number in range(RANDOM_KILLS):
        path = chance.choice([1, 5])
        before = runs.steps(sweep.server, sweep.instance)
        arn, label, acknowledged = sweep.begin(path, f"random-{seed}")
        victim = chance.choice(["server", "server", "agent", "host"])
        delay = chance.uniform(0, 2.5)
        until(elapsed(delay), delay + 5, "the random time")
        print(f"{number}: path {path}, {victim} killed after {delay:.3f} s")
        if victim == "server":
            sweep.server.kill()
            sweep.start_plain()
        elif victim == "agent":
            end_agent(sweep.server, sweep.instance)
        else:
            for pid in host_agents(sweep.server):
                os.kill(pid, signal.SIGKILL)
        end = sweep.judge(path, arn, label, acknowledged, before)
        if victim == "server":
            assert end["status"] == "SUCCEEDED", f"a server killed and started again must not fail a run: {end}"

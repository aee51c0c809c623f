"""A machine that nobody's power driver holds reboots in the middle of a run: what its pre-script had prepared is gone."""
import os
import pathlib
import signal
import subprocess

import pytest

from tests.api.test_backup import moving
from tests.api.test_backup_outlives import restics_for
from tests.support import enrolled_agents as agents
from tests.support import runs
from tests.support.until import until

# The first process of a machine: starts the agent again when it ends.
FIRST = 'while :; do "$@"; done'


class Guest(agents.Agent):
    """A machine of its own to its agent: with a first process, whose death ends all others."""

    def start(self):
        self.process = subprocess.Popen(
            ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", FIRST, "sh", agents.BINARY, "agent", "--state-dir", str(self.state),
             "--machine-id-file", str(self.hardware_file), "--server", self.server],
            stdout=subprocess.DEVNULL, stderr=open(self.log_path, "ab"), env={**os.environ, "STILLPOINT_ENROL_TOKEN": self.token}, start_new_session=True)
        return self

    def agent_pid(self):
        words = b"agent\0--state-dir\0" + str(self.state).encode()
        for entry in pathlib.Path("/proc").iterdir():
            try:
                command = (entry / "cmdline").read_bytes() if entry.name.isdigit() else b""
            except OSError:
                continue
            if words in command and command.startswith(agents.BINARY.encode()):
                return int(entry.name)
        return None

    def end_agent(self):
        pid = self.agent_pid()
        os.kill(pid, signal.SIGKILL)
        until(lambda: self.agent_pid() not in (None, pid), 20, "another agent")

    def reboot(self):
        self.kill()
        self.start()


@pytest.fixture
def guest(server, tmp_path):
    machine = Guest(tmp_path / "guest", server.agents, token=agents.token_of(server)["Token"]).start()
    agents.pinged(server, machine.id, "Online")
    yield machine
    machine.close()


def job_of(server, guest):
    jobs = server.client("backup").list_backup_jobs(ByResourceArn=f"arn:aws:ec2:us-east-1:000000000000:instance/{guest.id}")["BackupJobs"]
    return jobs[0]["BackupJobId"] if jobs else None


def run(server, guest, name, tmp_path, pre=""):
    """A run that leaves the machine up; each script writes down that it ran."""
    steps = tmp_path / "steps"
    runs.upload_scripts(server, pre=f"#!/bin/sh\necho pre >> {steps}\n{pre}", post=f"#!/bin/sh\necho post >> {steps}\n")
    return runs.start(server, name, runs.run_input(5, ids=[guest.id])), steps


def expect_failed(server, guest, arn, steps):
    assert runs.finished(server, arn, 90)["status"] == "FAILED"
    told = runs.statuses(server, arn)[guest.id]
    # Whichever is heard of first: the boot itself, or that the machine has woken its application because of it.
    said = (f"Instance {guest.id} was rebooted after its pre-script had prepared it: the copy would not be consistent.", "the machine was rebooted")
    assert any(each in told["FailureMessage"] for each in said), told
    assert [told[f"{what}Status"] for what in ("PreBackupScript", "BackupJob", "PostBackupScript")] == ["Success", "FAILED", "Success"], told
    assert steps.read_text() == "pre\npost\n"
    points = server.client("backup").list_recovery_points_by_backup_vault(BackupVaultName="Default")["RecoveryPoints"]
    assert not [point for point in points if point["ResourceArn"].endswith(guest.id)]
    until(lambda: not restics_for(guest), 40, "the end of restic")


def test_while_its_files_are_read(server, guest, tmp_path):
    arn, steps = run(server, guest, "reboots-in-the-backup", tmp_path)
    job = until(lambda: job_of(server, guest), 30, "a job")
    moving(server.client("backup"), job)
    # It does not come to its end meanwhile.
    restic = until(lambda: restics_for(guest), 20, "restic at work")[0]
    os.kill(restic, signal.SIGSTOP)
    # An agent that is started again is no reboot.
    guest.end_agent()
    agents.pinged(server, guest.id, "Online")
    assert restics_for(guest) == [restic]
    assert server.client("backup").describe_backup_job(BackupJobId=job)["State"] == "RUNNING"
    guest.reboot()
    expect_failed(server, guest, arn, steps)
    assert job_of(server, guest) == job


def test_before_the_end_of_its_pre_script_is_told(server, guest, tmp_path):
    """The script's success is on the machine's disk, the server hears of it from the next boot's agent."""
    told = guest.state / "failpoints"
    told.write_text("agent.script.ended kill 1\n")
    guest.end_agent()
    agents.pinged(server, guest.id, "Online")
    arn, steps = run(server, guest, "reboots-before-the-backup", tmp_path)
    hits = guest.state / "failpoints.hits"
    until(lambda: hits.exists() and hits.read_text(), 30, "the agent's death")
    # Each that follows in this boot dies of it too.
    guest.kill()
    told.unlink()
    guest.start()
    expect_failed(server, guest, arn, steps)

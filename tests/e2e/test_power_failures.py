"""Stops and starts that really fail, on real machines: the others do not notice, and nothing stays stopped or frozen."""
import json
import os
import signal

import pytest

from tests.e2e.fleet import Fleet
from tests.e2e.test_paths import cause_of, settled
from tests.support.server import Server
from tests.support.until import until

WORDS = ("PreBackupScriptStatus", "StopEc2InstanceStatus", "BackupJobStatus", "StartEc2InstanceStatus", "PostBackupScriptStatus")


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    """Machines are given 3 s to shut down."""
    directory = tmp_path_factory.mktemp("data")
    config = directory / "stillpoint.toml"
    config.write_text("[machines]\nstop_timeout_seconds = 3\n")
    server = Server(directory, args=["--config", str(config)]).start()
    yield Fleet(server)
    server.close()


def first_process(fleet, instance):
    """The machine's pid 1, as this host numbers it."""
    return json.loads((fleet.server.data / "machines" / instance / "state.json").read_text())["pid"]


def words_of(entry):
    return [entry[word] for word in WORDS]


def backups_of(fleet, instance):
    return fleet.backup.list_backup_jobs(ByResourceArn=f"arn:aws:ec2:us-east-1:000000000000:instance/{instance}")["BackupJobs"]


def test_a_machine_that_does_not_stop(fleet):
    hung, good = fleet.machines(2)
    pid = first_process(fleet, hung)
    # Its pid 1 hangs: whoever asks it to shut down is not heard. Its agent works on.
    os.kill(pid, signal.SIGSTOP)
    arn = fleet.start(fleet.input(1, [hung, good]))
    message = cause_of(fleet.ended(arn), hung, "stop", "Stillpoint.StopFailed")
    assert hung in message and "did not shut down within 3 s" in message
    row, entries = fleet.row(arn), fleet.entries(arn)
    assert (row["FailureMessage"], row["Status"]) == (message, "PARTIAL")
    assert words_of(entries[hung]) == ["Success", "Failed", "skipped", "running", "Success"]
    assert "did not shut down within 3 s" in entries[hung]["FailureMessage"]
    assert words_of(entries[good]) == ["Success", "stopped", "COMPLETED", "running", "Success"] and entries[good]["FailureMessage"] == ""
    assert backups_of(fleet, hung) == []
    assert fleet.trace(hung) == ["pre", "post"]
    # Awake again it finds the old order and that it was given up: a machine nobody owes a start must not go down now.
    os.kill(pid, signal.SIGCONT)
    log = fleet.tree(hung, "/var/log/console.log")
    until(lambda: "stays up" in log.read_text(), 20, "the pid 1 gives up the stop")
    settled(fleet, hung)
    assert first_process(fleet, hung) == pid and fleet.state(hung) == "running"
    assert fleet.run(fleet.input(1, [hung]))["status"] == "SUCCEEDED", "the next run finds a healthy machine"


def test_a_machine_that_does_not_start(fleet):
    broken, good = fleet.machines(2)
    # What the pre-script does to the machine's own disk keeps it from booting.
    fleet.script("pre-breaks.sh", f"echo pre >> /root/trace; [ $AWS_SSM_INSTANCE_ID != {broken} ] || {{ rm /var/log/console.log; mkdir /var/log/console.log; }}")
    arn = fleet.start(fleet.input(1, [broken, good], pre="pre-breaks.sh"))
    message = cause_of(fleet.ended(arn), broken, "start", "Stillpoint.StartFailed")
    assert broken in message and "console.log" in message
    row, entry = fleet.row(arn), fleet.entries(arn)[broken]
    assert (row["FailureMessage"], row["Status"]) == (message, "PARTIAL")
    assert words_of(entry) == ["Success", "stopped", "COMPLETED", "Failed", "owed"]
    assert sorted(entry["Owed"]) == ["start", "thaw"] and "console.log" in entry["FailureMessage"]
    assert words_of(fleet.entries(arn)[good]) == ["Success", "stopped", "COMPLETED", "running", "Success"]
    assert backups_of(fleet, broken)[0]["State"] == "COMPLETED"
    # Repaired, it is started and woken by what was owed, without anybody's doing.
    fleet.tree(broken, "/var/log/console.log").rmdir()
    settled(fleet, broken, 120)
    assert fleet.trace(broken) == ["pre", "post"]
    last = until(lambda: (entry := fleet.entries(arn)[broken])["PostBackupScriptStatus"] == "Success" and entry, 20, "the row follows")
    assert "Owed" not in last and last["StartEc2InstanceStatus"] == "running"

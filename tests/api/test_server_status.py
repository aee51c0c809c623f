"""What the server tells of itself: DescribeServer, `stillpoint status` and the log."""
import json
import os
import re
import subprocess

import pytest

from tests.api.test_vault_disk import mounted
from tests.support import machines, runs
from tests.support.enrolled_agents import Agent, token_of
from tests.support.own_model import stillpoint
from tests.support.server import DummyServer, Server
from tests.support.until import until

CONFIG = """
[executions]
kept_days = 7
history_events = 1234
[commands]
kept_days = 3
output_quota_bytes = 50000000
output_free_bytes = 0
"""


def make(directory):
    if os.environ.get("STILLPOINT_DUMMY"):
        return DummyServer()
    config = directory / "stillpoint.toml"
    config.write_text(CONFIG)
    return Server(directory, args=["--config", str(config)]).start()


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """A server with a configuration of its own."""
    server = make(tmp_path_factory.mktemp("data"))
    yield server
    server.close()


def describe(server):
    return stillpoint(server).describe_server()


def codes(server):
    """What is wrong; the disk that the tests run on may be as full as it likes."""
    return [each["Code"] for each in describe(server)["Warnings"] if each["Code"] != "DiskNearlyFull"]


def settled(server):
    """Folders are counted, and the host's agent is there."""
    def there():
        now = describe(server)
        return now if "Objects" in now and "Vaults" in now and now["Agents"]["Host"] == "Online" else None
    return until(there, 30, "the first count and the host's agent")


def blocks(folder):
    """Bytes of the disk that a folder's content takes, and its files."""
    below = list(folder.rglob("*"))
    return sum(each.lstat().st_blocks * 512 for each in below), sum(not each.is_dir() for each in below)


def status(server):
    done = server.cli(["status"], check=False)
    # A full disk of this machine is none of these tests' business.
    lines = [line for line in done.stdout.splitlines() if not line.startswith("! the disk with")]
    assert done.returncode == (1 if "\n!" in done.stdout else 0), done
    return lines


def test_a_quiet_server(told):
    before = os.statvfs(told.data)
    now = settled(told)
    after = os.statvfs(told.data)
    assert re.fullmatch(r"\d+\.\d+", now["Version"]) and now["DataDirectory"] == str(told.data)
    assert now["StartedAt"] < now["Time"]
    disk = now["FileSystems"][0]
    assert (disk["Path"], disk["Bytes"]) == (str(told.data), before.f_blocks * before.f_frsize)
    near = [about.f_bavail * about.f_frsize for about in (before, after)]
    assert min(near) - (1 << 30) < disk["FreeBytes"] < max(near) + (1 << 30)
    assert now["Store"]["Bytes"] >= 4096 and now["Store"]["FreeBytes"] < now["Store"]["Bytes"]
    assert now["Store"]["LogBytes"] == (told.data / "store.db-wal").stat().st_size
    assert now["Executions"] == {"Running": 0, "KeptDays": 7, "HistoryEvents": 1234}
    assert now["ScriptOutputs"]["QuotaBytes"] == 50_000_000 and now["ScriptOutputs"]["KeptDays"] == 3
    assert now["Backups"] == {"Running": 0, "Waiting": 0, "AtOnce": 32}
    assert now["Machines"] == {"Total": 0, "Running": 0} and now["Debts"] == {"Open": 0, "Overdue": 0, "Suspended": 0}
    assert codes(told) == []
    lines = status(told)
    assert lines[0].startswith(f"stillpoint {now['Version']}, up ") and lines[0].endswith(str(told.data))
    assert [line.split()[0] for line in lines[1:]] == ["disk", "store", "objects", "vaults", "outputs", "executions", "backups", "machines", "agents", "owed"]
    assert {line[:12].rstrip() for line in lines[1:]} == {line.split()[0] for line in lines[1:]}, "aligned"
    assert json.loads(told.cli(["status", "--json"], check=False).stdout)["Executions"] == now["Executions"]
    line = re.search(r".*disk use.*", told.log_of_this_start()).group()
    assert int(re.search(r"\bstore_bytes=(\d+)", line).group(1)) >= 4096 and "disk_free_bytes=" in line


def test_the_aws_cli_knows_it(told):
    env = {**told.aws_env(), "AWS_DATA_PATH": str(told.data / "botocore")}
    done = subprocess.run(["aws", "--endpoint-url", told.api, "--output", "json", "stillpoint", "describe-server"], capture_output=True, text=True, env=env,
                          timeout=60, check=True)
    assert json.loads(done.stdout)["DataDirectory"] == str(told.data)


def test_what_takes_room(told):
    s3, sfn = told.client("s3"), told.client("stepfunctions")
    s3.create_bucket(Bucket="room")
    s3.put_object(Bucket="room", Key="large", Body=os.urandom(3_000_000))
    machine = runs.launch(told)[0]
    runs.shell(told, machine, "head -c 300000 /dev/zero | tr '\\0' x")
    until(lambda: describe(told)["ScriptOutputs"]["Bytes"] >= 300_000, 20, "the output's bytes")
    assert runs.finished(told, runs.start(told, "room", runs.run_input(8, ids=[machine])))["status"] == "SUCCEEDED"
    waits = machines.start(sfn, machines.create(sfn, {"A": {"Type": "Wait", "Seconds": 3600, "End": True}}))
    # Counting begins with the server.
    told.restart()
    now = settled(told)
    assert (now["Objects"]["Bytes"], now["Objects"]["Files"]) == blocks(told.data / "blobs") and now["Objects"]["Bytes"] >= 3_000_000
    assert (now["Vaults"]["Bytes"], now["Vaults"]["Files"]) == blocks(told.data / "vaults") and now["Vaults"]["Files"] > 3
    assert now["StartedAt"] <= now["Objects"]["CountedAt"] <= now["Time"]
    assert now["ScriptOutputs"]["Bytes"] >= 300_000 and now["Executions"]["Running"] == 1
    until(lambda: describe(told)["Agents"]["Connected"] == 1, 30, "the machine's agent is back")
    assert describe(told)["Machines"] == {"Total": 1, "Running": 1} and codes(told) == []
    text = "\n".join(status(told))
    assert re.search(r"^objects     \d+\.\d MiB in 1 files, counted .* ago$", text, re.M) and "executions  1 running, kept 7 days" in text
    sfn.stop_execution(executionArn=waits)
    until(lambda: describe(told)["Executions"]["Running"] == 0, 10, "no execution runs")


def test_a_lost_agent(told, tmp_path):
    settled(told)
    agent = Agent(tmp_path / "host", told.agents, token_of(told, Name="lost")["Token"]).start()
    try:
        machine = agent.id
        connected = describe(told)["Machines"]["Total"]
        until(lambda: describe(told)["Agents"]["Connected"] == connected, 20, "the agent is connected")
        assert codes(told) == []
        agent.kill()
        until(lambda: codes(told) == ["AgentsLost"], 30, "the agent is missed")
        assert describe(told)["Agents"]["Lost"] == 1
        assert any(line.startswith("! ") and machine in line for line in status(told))
        # One that was shut out is not waited for.
        stillpoint(told).revoke_agent(InstanceId=machine)
        until(lambda: codes(told) == [], 10, "nothing is wrong")
    finally:
        agent.close()


def test_debts_that_no_run_pays(told):
    runs.upload_scripts(told, post="#!/bin/sh\n[ -e /var/tmp/well ] || exit 1\n")
    machine = runs.launch(told)[0]
    arn = runs.start(told, "owes", {"TargetEC2Instances": [machine], "Rehearsal": True, "RemoteRunCommandDetails": {
        "PreBackupScriptDetails": {"SourceS3Path": "s3://scripts/pre.sh", "CommandToRun": "pre.sh"},
        "PostBackupScriptDetails": {"SourceS3Path": "s3://scripts/post.sh", "CommandToRun": "post.sh"}}})
    assert runs.finished(told, arn)["error"] == "Stillpoint.PostScriptFailed"
    until(lambda: codes(told) == ["DebtsOverdue"], 10, "the thaw is overdue")
    now = describe(told)["Debts"]
    assert (now["Open"], now["Overdue"], now["Suspended"]) == (1, 1, 0) and now["OldestSince"] == stillpoint(told).list_owed()["Debts"][0]["Since"]
    assert any(line.startswith("owed        1 open, 1 of them overdue, the oldest since ") for line in status(told))
    (told.data / "machines" / machine / "root/var/tmp/well").touch()
    stillpoint(told).thaw(InstanceId=machine)
    runs.settled(told, machine)
    until(lambda: codes(told) == [], 10, "nothing is wrong")


def test_a_disk_that_is_nearly_full(tmp_path):
    """The vaults' own: the data directory's is the machine's."""
    if os.environ.get("STILLPOINT_DUMMY"):
        assert describe(DummyServer())["FileSystems"]
    vaults = mounted(tmp_path / "state" / "vaults", "40m")
    (vaults / "filler").write_bytes(bytes(39 << 20))
    server = make(tmp_path)
    try:
        now = settled(server)
        own = now["FileSystems"][1]
        assert (own["Path"], own["Bytes"]) == (str(vaults), 40 << 20) and own["FreeBytes"] < 2 << 20
        assert own["CountedAt"] == now["Vaults"]["CountedAt"]
        assert [each for each in now["Warnings"] if each["Code"] == "DiskNearlyFull" and str(vaults) in each["Message"]]
        done = server.cli(["status"], check=False)
        assert done.returncode == 1 and f"! the disk with {vaults} has " in done.stdout
    finally:
        server.process.kill()
        server.process.wait()
        subprocess.run(["umount", "-l", str(vaults)], check=True)
        server.close()


def test_status_without_a_server(tmp_path):
    done = Server(tmp_path).cli(["status"], check=False)
    assert done.returncode == 1 and "no server runs" in done.stderr

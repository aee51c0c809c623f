"""What is an agent's own is in no backup and not restored to, wherever its state directory lies. A real agent of this host."""
import os
import subprocess

import pytest

from tests.api.test_backup import exported_key, restic, restore, take
from tests.support import enrolled_agents as agents


class Host:
    """An enrolled agent's machine, as the backup tests want one; `link` leads to what it has."""

    def __init__(self, server, folder):
        self.top = folder / "top"
        self.agent = agents.Agent(self.top / "ag", server.agents, agents.token_of(server)["Token"]).start()
        self.state = self.agent.state
        self.id = self.agent.id
        self.arn = f"arn:aws:ec2:us-east-1:000000000000:instance/{self.id}"
        agents.pinged(server, self.id, "Online")
        (self.top / "data").write_text("data")
        self.link = folder / "link"
        self.link.symlink_to(self.top)


@pytest.fixture(scope="module")
def backup(server):
    return server.client("backup")


@pytest.fixture(scope="module")
def host(server, tmp_path_factory):
    made = Host(server, tmp_path_factory.mktemp("host"))
    yield made
    made.agent.close()


def paths_of(server, host):
    return restic(server, host, ["ls", "latest"], exported_key(server, host)).splitlines()


@pytest.mark.parametrize("way", ["top", "link"])
def test_the_state_is_not_in_the_snapshot(server, backup, host, way):
    (host.state.parent / "state-users").mkdir(exist_ok=True)
    (host.state.parent / "state-users/run").write_text("a script")
    asked = str(host.top) if way == "top" else str(host.link) + "/ag"
    job = take(backup, host, BackupOptions={"Paths": asked})
    assert job["State"] == "COMPLETED", job
    seen = paths_of(server, host)
    assert any(path.endswith("/ag/hardware") for path in seen), seen
    assert not [path for path in seen if "key.pem" in path or "/state" in path], seen


def test_a_bind_mount_shows_no_more(server, backup, host, tmp_path):
    subprocess.run(["mount", "--bind", str(host.top), str(tmp_path)], check=True)
    try:
        job = take(backup, host, BackupOptions={"Paths": str(tmp_path)})
        assert job["State"] == "COMPLETED", job
        seen = paths_of(server, host)
        assert any(path.endswith("/ag/hardware") for path in seen) and not [path for path in seen if "/state" in path], seen
        job = take(backup, host, BackupOptions={"Paths": str(tmp_path / "ag/state/key.pem")})
        assert job["State"] == "FAILED" and "the agent's own state" in job["StatusMessage"], job
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_a_path_inside_the_state_fails_the_job(backup, host):
    for path in (host.state, host.state / "key.pem", host.state / "journal", host.link / "ag/state/key.pem"):
        job = take(backup, host, BackupOptions={"Paths": str(path)})
        assert job["State"] == "FAILED" and str(path) in job["StatusMessage"] and "the agent's own state" in job["StatusMessage"], job


def test_nothing_is_restored_into_the_state(backup, host):
    point = take(backup, host, BackupOptions={"Paths": str(host.top / "data")})["RecoveryPointArn"]
    before = sorted(os.listdir(host.state))
    for path in (host.state / "evil", host.link / "ag/state/evil/deeper", host.state):
        for more in ({}, {"inPlace": "true"}):
            done = restore(backup, point, targetInstanceId=host.id, targetPath=str(path), **more)
            assert done["Status"] == "FAILED" and "the agent's own state" in done["StatusMessage"], done
    assert sorted(os.listdir(host.state)) == before


def test_a_restore_over_the_machine_leaves_the_state_as_it_is(server, backup, host):
    """The recovery point has the folder from a time at which it was not the agent's."""
    other = host.top / "ag-before"
    (other / "state").mkdir(parents=True)
    for name in ("state/key.pem", "beside"):
        (other / name).write_text("old")
    point = take(backup, host, BackupOptions={"Paths": str(other)})["RecoveryPointArn"]
    # The same tree where the state lies now: the target's end is the folder that the point's paths begin in.
    target = host.top / "nested"
    moved = agents.Agent(target / str(other).lstrip("/"), server.agents, agents.token_of(server)["Token"]).start()
    try:
        key = until_key(moved)
        agents.pinged(server, moved.id, "Online")
        done = restore(backup, point, targetInstanceId=moved.id, targetPath=str(target), inPlace="true")
        assert done["Status"] == "COMPLETED", done
        assert (moved.state / "key.pem").read_text() == key
        assert (moved.folder / "beside").read_text() == "old"
        only = restore(backup, point, targetInstanceId=moved.id, targetPath=str(target), inPlace="true", includePaths=str(other / "state"))
        assert only["Status"] == "FAILED" and "the agent's own state" in only["StatusMessage"], only
    finally:
        moved.close()


def until_key(agent):
    assert agent.id
    return (agent.state / "key.pem").read_text()


def test_the_servers_own_data_is_not_restored_to(server, backup, host):
    point = take(backup, host, BackupOptions={"Paths": str(host.top / "data")})["RecoveryPointArn"]
    done = restore(backup, point, targetInstanceId="host", targetPath=str(server.data / "evil"))
    assert done["Status"] == "FAILED" and "the server's own data" in done["StatusMessage"], done
    assert not (server.data / "evil").exists()


def test_a_restore_of_nothing_leaves_no_folder(backup, host, tmp_path):
    point = take(backup, host, BackupOptions={"Paths": str(host.top / "data")})["RecoveryPointArn"]
    done = restore(backup, point, targetInstanceId=host.id, targetPath=str(tmp_path / "new/deep"), includePaths="/no/such")
    assert done["Status"] == "FAILED", done
    assert os.listdir(tmp_path) == []
    (tmp_path / "mine").mkdir()
    restore(backup, point, targetInstanceId=host.id, targetPath=str(tmp_path / "mine/deep"), includePaths="/no/such")
    assert os.listdir(tmp_path) == ["mine"] and os.listdir(tmp_path / "mine") == []

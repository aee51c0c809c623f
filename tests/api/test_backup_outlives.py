"""restic outlives its agent: killed, started again, gone for a while; what was read is not read again."""
import os
import pathlib
import shutil
import signal

import pytest

from tests.api.test_backup import Machine, backup, fill, moving, restored, start, take, wait  # noqa: F401 (a fixture)
from tests.support import enrolled_agents as agents
from tests.support.agents import host_agents
from tests.support.trees import facts
from tests.support.until import until

ROLE = "arn:aws:iam::000000000000:role/backup"
FILES, SIZE = 30, 8 << 20


def processes(*words):
    """Pids of processes whose command line begins with these words, or has them one after the other."""
    text = b"\0".join(word.encode() for word in words)
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and text in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def restics_of(root):
    """restic processes whose "/" is that folder."""
    found = []
    for pid in processes("restic", "--json"):
        try:
            if os.path.samestat(os.stat(f"/proc/{pid}/root/."), os.stat(root)):
                found.append(pid)
        except OSError:
            continue
    return found


def restics_for(host):
    return processes("--cache-dir", f"{host.state}/restic/cache")


def percents(backup, job, seconds=90):
    """The job's end, and all that it told of itself until then."""
    told = []

    def ended():
        answer = backup.describe_backup_job(BackupJobId=job)
        told.append(float(answer["PercentDone"]))
        return answer if answer["State"] in ("COMPLETED", "PARTIAL", "FAILED", "ABORTED", "EXPIRED") else None
    return until(ended, seconds, f"the end of job {job}", every=0.1), told


def stored(server, instance):
    return sum(path.stat().st_size for path in (server.data / "vaults/Default" / instance / "data").rglob("*") if path.is_file())


def snapshots(server, instance):
    return len(os.listdir(server.data / "vaults/Default" / instance / "snapshots"))


@pytest.fixture
def own(server):
    machine = Machine(server)
    yield machine
    machine.ec2.terminate_instances(InstanceIds=[machine.id])


@pytest.fixture
def host(server, tmp_path):
    """An agent of this host that reaches its server by an address which no certificate names: restic needs the relay."""
    agent = agents.Agent(tmp_path / "host", f"127.1:{server.agents.rpartition(':')[2]}", token=agents.token_of(server)["Token"]).start()
    agents.pinged(server, agent.id, "Online")
    yield agent
    agent.close()


def begin(backup, host, path):
    arn = f"arn:aws:ec2:us-east-1:000000000000:instance/{host.id}"
    return backup.start_backup_job(BackupVaultName="Default", ResourceArn=arn, IamRoleArn=ROLE, BackupOptions={"Paths": str(path)})["BackupJobId"]


def only(pids):
    return pids[0] if len(pids) == 1 else None


def test_a_killed_agent_leaves_restic_at_work(server, backup, own):  # noqa: F811
    fill(own.root / "srv/data", FILES, SIZE)
    job = start(backup, own, BackupOptions={"Paths": "/srv/data"})
    moving(backup, job)
    restic = only(restics_of(own.root))
    assert restic
    # Held meanwhile, so that it is certainly under way before and after.
    os.kill(restic, signal.SIGSTOP)
    before = float(backup.describe_backup_job(BackupJobId=job)["PercentDone"])
    for _ in range(2):
        pid = own.agent_pid()
        os.kill(pid, signal.SIGKILL)
        until(lambda pid=pid: own.agent_pid_or_none() not in (None, pid), 20, "another agent")
        agents.pinged(server, own.id, "Online")
        assert restics_of(own.root) == [restic]
    os.kill(restic, signal.SIGCONT)
    ended, told = percents(backup, job)
    assert ended["State"] == "COMPLETED", ended
    assert told == sorted(told) and told[0] >= before, told
    assert FILES * SIZE <= stored(server, own.id) < FILES * SIZE * 1.02, "each byte was sent once"
    assert ended["BytesTransferred"] < FILES * SIZE * 1.02, ended
    assert snapshots(server, own.id) == 1 and not restics_of(own.root)
    runs = own.root / "var/lib/stillpoint-agent/runs"
    until(lambda: not [name for name in os.listdir(runs) if name.startswith("job")], 20, "the run's folder is removed")


def test_a_stopped_machine_is_read_on(server, backup, own):  # noqa: F811
    """From outside it, by the host's agent, in a mount namespace of restic's own."""
    fill(own.root / "srv/data", FILES, SIZE)
    own.stop()
    job = start(backup, own, BackupOptions={"Paths": "/srv/data"})
    moving(backup, job)
    restic = only(restics_of(own.root))
    assert restic
    os.kill(restic, signal.SIGSTOP)
    host_pid = only(host_agents(server))
    os.kill(host_pid, signal.SIGKILL)
    until(lambda: only(host_agents(server)) not in (None, host_pid), 20, "another agent of the host")
    assert restics_of(own.root) == [restic]
    os.kill(restic, signal.SIGCONT)
    ended, told = percents(backup, job)
    assert ended["State"] == "COMPLETED" and told == sorted(told), (ended, told)
    assert stored(server, own.id) < FILES * SIZE * 1.02 and snapshots(server, own.id) == 1
    own.start()


def test_without_an_agent_it_goes_on_and_ends_by_its_relay(server, backup, host, tmp_path):  # noqa: F811
    fill(tmp_path / "data", FILES, SIZE)
    job = begin(backup, host, tmp_path / "data")
    moving(backup, job)
    restic = only(restics_for(host))
    relay = only(processes("agent-relay", str(restic)))
    assert restic and relay
    host.kill()
    status = host.state / f"runs/job%2F{job}/restic/status"
    until(lambda: b"exited" in status.read_bytes(), 60, "the end of restic without an agent")
    assert not processes("agent-relay", str(restic)), "it ends with its restic"
    assert backup.describe_backup_job(BackupJobId=job)["State"] == "RUNNING"
    host.start()
    ended, told = percents(backup, job)
    assert ended["State"] == "COMPLETED" and told == sorted(told), (ended, told)
    assert ended["BackupSizeInBytes"] == FILES * SIZE and stored(server, host.id) < FILES * SIZE * 1.02


def test_a_job_stopped_while_its_agent_is_away_ends_restic_when_it_is_back(server, backup, host, tmp_path):  # noqa: F811
    endless = tmp_path / "data"
    endless.mkdir()
    with open(endless / "hole", "wb") as file:
        file.truncate(400 << 30)
    job = begin(backup, host, endless)
    moving(backup, job)
    host.kill()
    agents.pinged(server, host.id, "ConnectionLost")
    backup.stop_backup_job(BackupJobId=job)
    assert wait(backup, job)["State"] == "ABORTED"
    assert restics_for(host)
    host.start()
    until(lambda: not restics_for(host), 40, "the end of restic")
    shutil.rmtree(endless)
    fill(tmp_path / "small", 1, 1000)
    assert wait(backup, begin(backup, host, tmp_path / "small"))["State"] == "COMPLETED"


def test_a_restore_is_not_begun_anew(server, backup, own):  # noqa: F811
    fill(own.root / "srv/data", FILES, SIZE)
    taken = take(backup, own, BackupOptions={"Paths": "/srv/data"})
    job = backup.start_restore_job(RecoveryPointArn=taken["RecoveryPointArn"], IamRoleArn=ROLE, Metadata={
        "targetInstanceId": own.id, "targetPath": "/var/restored"})["RestoreJobId"]
    restic = until(lambda: only(restics_of(own.root)), 30, "restic at work", every=0.01)
    os.kill(restic, signal.SIGSTOP)
    pid = own.agent_pid()
    os.kill(pid, signal.SIGKILL)
    until(lambda: own.agent_pid_or_none() not in (None, pid), 20, "another agent")
    agents.pinged(server, own.id, "Online")
    assert restics_of(own.root) == [restic]
    os.kill(restic, signal.SIGCONT)
    done = restored(backup, job)
    assert done["Status"] == "COMPLETED", done
    assert facts(own.root / "var/restored/srv/data") == facts(own.root / "srv/data")
    assert os.listdir(own.root / "var/restored") == ["srv"]

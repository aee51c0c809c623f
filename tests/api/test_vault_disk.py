"""A disk with no room left for a vault: the backup fails and says why, what was there is whole, and with room all goes on."""
import os
import subprocess

import pytest

from tests.api.test_backup import Machine, restore, start, take, wait
from tests.support.server import DummyServer, Server
from tests.support.trees import facts
from tests.support.until import until


def mounted(place, size):
    place.mkdir(parents=True, mode=0o700)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"a small file system needs the right to mount: {done.stderr.strip()}")
    return place


def used(place):
    about = os.statvfs(place)
    return (about.f_blocks - about.f_bfree) * about.f_frsize


@pytest.fixture
def small_vaults(tmp_path):
    """A server whose vaults lie on a file system of 40 MiB of their own."""
    if os.environ.get("STILLPOINT_DUMMY"):
        yield DummyServer()
        return
    server = Server(tmp_path)
    vaults = mounted(server.data / "vaults", "40m")
    try:
        yield server.start()
    finally:
        server.process.kill()
        server.process.wait()
        subprocess.run(["umount", "-l", str(vaults)], check=True)
        server.close()


@pytest.fixture
def small_data(tmp_path):
    """A server with all its data, and its machines, on a file system of 120 MiB."""
    if os.environ.get("STILLPOINT_DUMMY"):
        yield DummyServer()
        return
    disk = mounted(tmp_path / "disk", "120m")
    (disk / "server").mkdir()
    server = Server(disk / "server")
    server.log_path = tmp_path / "server.log"
    try:
        yield server.start()
    finally:
        server.close()
        subprocess.run(["umount", "-l", str(disk)], check=True)


def data(machine, name, mib):
    folder = machine.root / "srv" / name
    folder.mkdir(parents=True)
    for number in range(mib):
        (folder / f"part-{number}").write_bytes(os.urandom(1 << 20))
    return folder


def test_a_full_vault_fails_the_backup_and_harms_nothing(small_vaults, tmp_path):
    backup, own = small_vaults.client("backup"), Machine(small_vaults)
    small, large = data(own, "small", 5), data(own, "large", 80)
    first = take(backup, own, BackupOptions={"Paths": "/srv/small"})
    assert first["State"] == "COMPLETED", first
    vaults = small_vaults.data / "vaults"
    before = used(vaults)
    failed = take(backup, own, BackupOptions={"Paths": "/srv/large"})
    assert failed["State"] == "FAILED", failed
    assert "The disk of vault Default is full" in failed["StatusMessage"], failed
    assert str(vaults) in failed["StatusMessage"] and "No space left on device" in failed["StatusMessage"]
    points = backup.list_recovery_points_by_backup_vault(BackupVaultName="Default")["RecoveryPoints"]
    assert [p["RecoveryPointArn"] for p in points] == [first["RecoveryPointArn"]]
    # What the failed backup had stored does not keep the disk full for others.
    until(lambda: used(vaults) < before + (2 << 20), 60, "the leftovers are removed")
    target = tmp_path / "first"
    assert restore(backup, first["RecoveryPointArn"], targetInstanceId="host", targetPath=str(target))["Status"] == "COMPLETED"
    assert facts(target / "srv/small") == facts(small)
    subprocess.run(["mount", "-o", "remount,size=300m", str(vaults)], check=True)
    again = take(backup, own, BackupOptions={"Paths": "/srv/large"})
    assert again["State"] == "COMPLETED", again
    target = tmp_path / "again"
    assert restore(backup, again["RecoveryPointArn"], targetInstanceId="host", targetPath=str(target))["Status"] == "COMPLETED"
    assert facts(target / "srv/large") == facts(large)


def test_a_full_vault_is_restored_from(small_vaults, tmp_path):
    """Not a byte is left for restic's lock: the day on which the restore is needed may be that day."""
    backup, own = small_vaults.client("backup"), Machine(small_vaults)
    tree = data(own, "data", 5)
    point = take(backup, own, BackupOptions={"Paths": "/srv/data"})
    assert point["State"] == "COMPLETED", point
    vaults = small_vaults.data / "vaults"
    with open(vaults / "filler", "wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
        while True:
            file.write(b"x" * 4096)
    assert os.statvfs(vaults).f_bavail == 0
    target = tmp_path / "out"
    ended = restore(backup, point["RecoveryPointArn"], 120, targetInstanceId="host", targetPath=str(target))
    assert ended["Status"] == "COMPLETED", ended.get("StatusMessage")
    assert facts(target / "srv/data") == facts(tree)


def test_everything_on_a_full_disk_goes_on_when_there_is_room(small_data, tmp_path):
    backup, own = small_data.client("backup"), Machine(small_data)
    tree = data(own, "data", 30)
    assert take(backup, own, BackupOptions={"Paths": "/etc/hostname"})["State"] == "COMPLETED"
    filler = small_data.directory / "filler"
    about = os.statvfs(small_data.directory)
    with open(filler, "wb") as file:
        os.posix_fallocate(file.fileno(), 0, about.f_bavail * about.f_frsize - (12 << 20))
    job = start(backup, own, BackupOptions={"Paths": "/srv/data"})
    until(lambda: os.statvfs(small_data.directory).f_bavail * about.f_frsize < (2 << 20) or "full" in small_data.log(), 60, "the disk is full")
    filler.unlink()
    ended = wait(backup, job, 120)
    assert ended["State"] == "COMPLETED" or "full" in ended["StatusMessage"], ended
    after = take(backup, own, BackupOptions={"Paths": "/srv/data"})
    assert after["State"] == "COMPLETED", after
    target = tmp_path / "out"
    assert restore(backup, after["RecoveryPointArn"], targetInstanceId="host", targetPath=str(target))["Status"] == "COMPLETED"
    assert facts(target / "srv/data") == facts(tree)

"""What becomes of a deleted vault's folder: when its server dies, and when somebody's snapshot lies in it."""
import pathlib

import botocore.exceptions
import pytest

from tests.api.test_backup import Machine, exported_key, restic, take
from tests.api.test_retention import points
from tests.support.until import until


@pytest.fixture(scope="module")
def machine(server):
    return Machine(server)


def emptied(server, machine, name):
    """A vault whose only recovery point was deleted; the key of the machine's repository in it."""
    backup = server.client("backup")
    backup.create_backup_vault(BackupVaultName=name)
    job = take(backup, machine, name, BackupOptions={"Paths": "/etc/hostname"})
    assert job["State"] == "COMPLETED", job
    backup.delete_recovery_point(BackupVaultName=name, RecoveryPointArn=job["RecoveryPointArn"])
    until(lambda: not points(server, name), 60, "the point's end", every=0.2)
    return exported_key(server, machine, name)


@pytest.mark.parametrize("point", ["vault.removing", "vault.removed"])
def test_killed_while_a_deleted_vault_is_removed(fresh_server, point):
    server, own = fresh_server, Machine(fresh_server)
    key = emptied(server, own, "again")
    server.stop()
    lines = server.directory / "points"
    lines.write_text(f"{point} kill 1\n")
    server.args = ["--failpoints", str(lines)]
    server.start()
    try:
        server.client("backup", retries={"total_max_attempts": 1}).delete_backup_vault(BackupVaultName="again")
    except botocore.exceptions.BotoCoreError:
        pass  # it may die before it answers
    until(lambda: server.process.poll() is not None, 60, f"the server's death at {point}")
    assert pathlib.Path(f"{lines}.hits").read_text() == f"{point} 1\n"
    server.args = []
    server.start()
    backup = server.client("backup")
    backup.create_backup_vault(BackupVaultName="again")
    for _ in range(2):
        job = take(backup, own, "again", BackupOptions={"Paths": "/etc/hostname"})
        assert job["State"] == "COMPLETED", job
    assert exported_key(server, own, "again") != key
    assert "no errors were found" in restic(server, own, ["check", "--read-data"], exported_key(server, own, "again"), "again")
    assert not [entry for entry in (server.data / "vaults").iterdir() if entry.name.startswith(".removed-")]


def test_a_snapshot_by_hand_keeps_its_vault_although_nobody_has_looked(server, machine):
    key = emptied(server, machine, "by-hand")
    restic(server, machine, ["backup", "/etc/hostname", "--tag", "mine"], key, "by-hand")
    backup = server.client("backup")
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        backup.delete_backup_vault(BackupVaultName="by-hand")
    assert refused.value.response["Error"]["Code"] == "InvalidRequestException"
    assert "snapshots of no known job" in str(refused.value)
    assert restic(server, machine, ["dump", "latest", "/etc/hostname"], key, "by-hand") == pathlib.Path("/etc/hostname").read_text()
    restic(server, machine, ["forget", "latest"], key, "by-hand")
    backup.delete_backup_vault(BackupVaultName="by-hand")
    until(lambda: not (server.data / "vaults/by-hand").exists(), 60, "the folder's end")


def test_a_snapshot_that_came_after_the_deletion_brings_its_vault_back(fresh_server):
    server, own = fresh_server, Machine(fresh_server)
    key = emptied(server, own, "back")
    server.stop()
    lines = server.directory / "points"
    lines.write_text("vault.removing kill 1\n")
    server.args = ["--failpoints", str(lines)]
    server.start()
    try:
        server.client("backup", retries={"total_max_attempts": 1}).delete_backup_vault(BackupVaultName="back")
    except botocore.exceptions.BotoCoreError:
        pass  # it may die before it answers
    until(lambda: server.process.poll() is not None, 60, "the server's death")
    restic(server, own, ["backup", "/etc/hostname"], key, "back")
    server.args = []
    server.start()
    backup = server.client("backup")

    def names():
        return [vault["BackupVaultName"] for vault in backup.list_backup_vaults()["BackupVaultList"]]
    until(lambda: "back" in names(), 60, "the vault is there again")
    assert "a deleted vault is put back" in server.log()
    assert exported_key(server, own, "back") == key
    assert take(backup, own, "back", BackupOptions={"Paths": "/etc/hostname"})["State"] == "COMPLETED"

"""Lifecycles of recovery points, the maintenance that frees their space, and snapshots that no job made."""
import contextlib
import datetime
import json
import os
import pathlib
import signal
import sqlite3
import uuid

import pytest

from tests.api.test_backup import Machine, ROLE, error_of, exported_key, restic, restore, restored, start, take, wait
from tests.api.test_vault_disk import small_vaults  # noqa: F401 - a fixture
from tests.support import runs
from tests.support.server import Server
from tests.support.trees import facts
from tests.support.until import elapsed, until

DAY = 24 * 3600


@pytest.fixture(scope="module")
def machine(server):
    return Machine(server)


@pytest.fixture(scope="module")
def backup(server):
    return server.client("backup")


def file_of(machine, name, mib=3):
    """Something of its own to back up."""
    folder = machine.root / "srv" / name
    folder.mkdir(parents=True)
    (folder / "bytes").write_bytes(os.urandom(mib << 20))
    return folder


def point_of(backup, machine, name, days=None, **more):
    """The recovery point of a backup of that file alone, kept for so many days."""
    file_of(machine, name)
    lifecycle = {"Lifecycle": {"DeleteAfterDays": days}} if days else {}
    job = take(backup, machine, BackupOptions={"Paths": f"/srv/{name}"}, **lifecycle, **more)
    assert job["State"] == "COMPLETED", job
    return job["RecoveryPointArn"]


def age(server, arns, days):
    """As if these recovery points had been made so many days earlier. The server does not run."""
    with contextlib.closing(sqlite3.connect(server.data / "store.db")) as database, database:
        for arn in arns:
            id = arn.rsplit(":", 1)[1]
            key, body = next(row for row in database.execute("SELECT key, body FROM records WHERE kind = 'recovery_point'").fetchall()
                             if id in json.loads(row[1])["id"])
            record = json.loads(body)
            for member in ("created", "completed"):
                record[member] -= days * DAY * 1_000_000
            moved = f"{record['created']:020d}-{id}".encode()
            database.execute("UPDATE records SET key = ?, body = ? WHERE kind = 'recovery_point' AND key = ?", (moved, json.dumps(record).encode(), key))
            database.execute("UPDATE record_index SET key = ? WHERE kind = 'recovery_point' AND key = ?", (moved, key))


def points(server, vault="Default"):
    """All of the vault by ARN."""
    listed = server.client("backup").list_recovery_points_by_backup_vault(BackupVaultName=vault)["RecoveryPoints"]
    return {point["RecoveryPointArn"]: point for point in listed}


def gone(server, arns, seconds=120):
    until(lambda: not set(arns) & set(points(server)), seconds, f"the end of {arns}", every=0.2)


def stored(server, machine, vault="Default"):
    folder = server.data / "vaults" / vault / machine.id / "data"
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def whole(server, machine, arns_by_name, out):
    """Each restores byte for byte, and restic finds nothing wrong with the repository."""
    for name, arn in arns_by_name.items():
        done = restore(server.client("backup"), arn, targetInstanceId="host", targetPath=str(out / name))
        assert done["Status"] == "COMPLETED", done
        assert facts(out / name / "srv" / name) == facts(machine.root / "srv" / name), name
    assert "no errors were found" in restic(server, machine, ["check", "--read-data"], exported_key(server, machine))


def restic_now(server, verb):
    """The pid of a restic of the server's that does that; None if there is none."""
    for entry in pathlib.Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0") if entry.name.isdigit() else []
        except OSError:
            continue
        if words and words[0].endswith(b"restic") and verb.encode() in words and any(str(server.data).encode() in word for word in words):
            return int(entry.name)
    return None


def restic_at(server, verb, seconds=60):
    """The same, once there is one."""
    return until(lambda: restic_now(server, verb), seconds, f"restic {verb}", every=0.002)


def test_a_lifecycle_is_shown_and_changed(backup, machine):
    job = take(backup, machine, BackupOptions={"Paths": "/etc/hostname"}, Lifecycle={"DeleteAfterDays": 10})
    arn = job["RecoveryPointArn"]

    def shown():
        point = backup.describe_recovery_point(BackupVaultName="Default", RecoveryPointArn=arn)
        due = point.get("CalculatedLifecycle", {}).get("DeleteAt")
        return point.get("Lifecycle"), due and (due - point["CreationDate"]).total_seconds() / DAY

    def update(**lifecycle):
        return backup.update_recovery_point_lifecycle(BackupVaultName="Default", RecoveryPointArn=arn, **lifecycle)
    assert shown() == ({"DeleteAfterDays": 10}, 10)
    changed = update(Lifecycle={"DeleteAfterDays": 36500})
    assert changed["RecoveryPointArn"] == arn and changed["BackupVaultArn"].endswith(":backup-vault:Default")
    assert changed["Lifecycle"] == {"DeleteAfterDays": 36500} and "DeleteAt" in changed["CalculatedLifecycle"]
    assert shown() == ({"DeleteAfterDays": 36500}, 36500)
    # What is left out is taken back, as on AWS.
    assert "Lifecycle" not in update(Lifecycle={})
    assert shown() == (None, None)
    update(Lifecycle={"DeleteAfterDays": 1})
    update(Lifecycle={"DeleteAfterDays": -1, "MoveToColdStorageAfterDays": -1})
    assert shown() == (None, None)
    update(Lifecycle={"DeleteAfterDays": 1})
    update()
    assert shown() == (None, None)
    forever = take(backup, machine, BackupOptions={"Paths": "/etc/hostname"}, Lifecycle={"DeleteAfterDays": -1})["RecoveryPointArn"]
    assert "Lifecycle" not in backup.describe_recovery_point(BackupVaultName="Default", RecoveryPointArn=forever)


def test_lifecycle_refusals(backup, machine):
    arn = take(backup, machine, BackupOptions={"Paths": "/etc/hostname"}, Lifecycle={"DeleteAfterDays": 5})["RecoveryPointArn"]
    for lifecycle in ({"DeleteAfterDays": 0}, {"DeleteAfterDays": -2}, {"DeleteAfterDays": 36501}, {"MoveToColdStorageAfterDays": 30},
                      {"MoveToColdStorageAfterDays": 30, "DeleteAfterDays": 200}, {"MoveToColdStorageAfterDays": 0}):
        assert error_of(start, backup, machine, Lifecycle=lifecycle) == "InvalidParameterValueException", lifecycle
        assert error_of(backup.update_recovery_point_lifecycle, BackupVaultName="Default", RecoveryPointArn=arn,
                        Lifecycle=lifecycle) == "InvalidParameterValueException", lifecycle
    assert backup.describe_recovery_point(BackupVaultName="Default", RecoveryPointArn=arn)["Lifecycle"] == {"DeleteAfterDays": 5}
    unknown = arn.rsplit(":", 1)[0] + ":" + str(uuid.uuid4())
    assert error_of(backup.update_recovery_point_lifecycle, BackupVaultName="Default", RecoveryPointArn=unknown,
                    Lifecycle={"DeleteAfterDays": 5}) == "ResourceNotFoundException"


def test_expiry_frees_space_keeps_the_last_three_and_harms_nothing(fresh_server, tmp_path):
    server, own = fresh_server, Machine(fresh_server)
    backup = server.client("backup")
    arns = {f"file-{number}": point_of(backup, own, f"file-{number}", 1) for number in range(5)}
    before = stored(server, own)
    server.stop()
    age(server, arns.values(), 3)
    server.start()
    names = list(arns)
    gone(server, [arns[name] for name in names[:2]])
    left = points(server)
    assert set(left) == {arns[name] for name in names[2:]}
    for point in left.values():
        assert point["Status"] == "COMPLETED" and "one of the last 3 complete recovery points" in point["StatusMessage"], point
    assert server.client("backup").describe_backup_vault(BackupVaultName="Default")["NumberOfRecoveryPoints"] == 3
    # Two files of five; what is left is whole.
    assert stored(server, own) < before - (5 << 20)
    whole(server, own, {name: arns[name] for name in names[2:]}, tmp_path / "three")
    # A newer good one frees the oldest of them, and nothing is left of it.
    backup = server.client("backup")
    newest = point_of(backup, own, "newest")
    server.restart()
    gone(server, [arns["file-2"]])
    assert set(points(server)) == {arns["file-3"], arns["file-4"], newest}
    assert error_of(server.client("backup").start_restore_job, RecoveryPointArn=arns["file-2"], IamRoleArn=ROLE,
                    Metadata={"targetInstanceId": "host", "targetPath": str(tmp_path / "x")}) == "ResourceNotFoundException"
    whole(server, own, {"file-3": arns["file-3"], "newest": newest}, tmp_path / "newer")


@pytest.fixture
def protected(tmp_path_factory):
    """A server with a machine that has three good points, so that an older one may go."""
    server = Server(tmp_path_factory.mktemp("data")).start()
    own = Machine(server)
    backup = server.client("backup")
    kept = {name: point_of(backup, own, name) for name in ("one", "two", "three")}
    yield server, own, kept
    server.close()


def due(server, machine, name, then=lambda server: server.start()):
    """A point whose time is over when the server starts again."""
    arn = point_of(server.client("backup"), machine, name, 1)
    server.stop()
    age(server, [arn], 3)
    then(server)
    return arn


def test_killed_at_every_step_of_an_expiry(protected, tmp_path):
    server, own, kept = protected
    before = stored(server, own)
    lines = server.directory / "points"

    def dies_at(name):
        def begin(server):
            lines.write_text(f"{name} kill 1\n")
            server.args = ["--failpoints", str(lines)]
            # It may die before it is ready.
            with contextlib.suppress(AssertionError):
                server.start()
            until(lambda: server.process.poll() is not None, 60, f"the server's death at {name}")
            assert pathlib.Path(f"{lines}.hits").read_text() == f"{name} 1\n"
            pathlib.Path(f"{lines}.hits").unlink()
            server.args = []
            server.start()
        return begin

    def dies_while(verb):
        def begin(server):
            server.start()
            left = restic_at(server, verb)
            server.kill()
            server.start()
            # The one that the dead server left is ended before another begins.
            until(lambda: restic_now(server, verb) != left, 60, f"the end of the old {verb}")
        return begin
    for number, then in enumerate([dies_at("backup.expiring"), dies_at("vault.maintaining"), dies_at("vault.forgotten"), dies_at("vault.pruned"),
                                   dies_while("forget"), dies_while("prune")]):
        arn = due(server, own, f"due-{number}", then)
        gone(server, [arn])
        assert set(points(server)) == set(kept.values()), number
        assert stored(server, own) < before + (1 << 20), "its space is free"
        # A restic that is killed while it writes its lock leaves "ID-tmp-…", which is removed later and no restic minds.
        assert [name for name in os.listdir(server.data / "vaults/Default" / own.id / "locks") if "-tmp-" not in name] == []
    whole(server, own, kept, tmp_path / "kept")
    assert take(server.client("backup"), own, BackupOptions={"Paths": "/srv/one"})["State"] == "COMPLETED"


def test_jobs_wait_for_a_prune_and_none_begins_during_one(protected, tmp_path):
    server, own, kept = protected
    arn = due(server, own, "due")
    prune = restic_at(server, "prune")
    os.kill(prune, signal.SIGSTOP)
    backup = server.client("backup")
    job = start(backup, own, BackupOptions={"Paths": "/srv/one"})
    read = backup.start_restore_job(RecoveryPointArn=kept["one"], IamRoleArn=ROLE, Metadata={
        "targetInstanceId": "host", "targetPath": str(tmp_path / "out")})["RestoreJobId"]
    assert points(server)[arn]["Status"] == "DELETING" and "1 days after" in points(server)[arn]["StatusMessage"]
    shown = json.loads(server.cli(["vault", "show", "--json"]).stdout)["Repositories"]
    assert [(one["InstanceId"], one["State"], one["PendingDeletions"]) for one in shown] == [(own.id, "maintenance", 1)]
    assert backup.describe_backup_job(BackupJobId=job)["State"] == "CREATED"
    assert backup.describe_restore_job(RestoreJobId=read)["Status"] == "PENDING"
    os.kill(prune, signal.SIGCONT)
    assert wait(backup, job)["State"] == "COMPLETED"
    assert restored(backup, read)["Status"] == "COMPLETED"
    gone(server, [arn])


def test_a_run_waits_for_a_prune_before_it_freezes_anything(protected):
    server, own, _ = protected
    runs.upload_scripts(server)
    due(server, own, "due")
    prune = restic_at(server, "prune")
    os.kill(prune, signal.SIGSTOP)
    runs.online(server, [own.id])
    arn = runs.start(server, "waits", runs.run_input(5, ids=[own.id]))

    def lane():
        return runs.own(server, "DescribeRun", {"ExecutionArn": arn})["Lanes"][0]
    until(lambda: lane()["CurrentStep"] == "ReserveMachine", 60, "the run waits")
    # Its next look comes after two seconds.
    until(elapsed(3), 10, "a look while the prune stands still")
    assert lane()["CurrentStep"] == "ReserveMachine" and lane()["PreBackupScriptStatus"] == ""
    goes_on = datetime.datetime.now(datetime.timezone.utc)
    os.kill(prune, signal.SIGCONT)
    assert runs.finished(server, arn, 120)["status"] == "SUCCEEDED"
    assert datetime.datetime.fromisoformat(lane()["ReservedTime"].replace("Z", "+00:00")) >= goes_on.replace(microsecond=0)
    assert [step for step, _ in runs.steps(server, own.id)] == ["pre", "post"]


def test_a_point_that_a_restore_reads_stays_until_its_end(protected, tmp_path):
    server, own, _ = protected
    backup = server.client("backup")
    arn = point_of(backup, own, "due", 1)
    read = backup.start_restore_job(RecoveryPointArn=arn, IamRoleArn=ROLE, Metadata={
        "targetInstanceId": "host", "targetPath": str(tmp_path / "out")})["RestoreJobId"]

    def reader():
        for entry in pathlib.Path("/proc").iterdir():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0") if entry.name.isdigit() else []
            except OSError:
                continue
            if words and words[0].endswith(b"restic") and b"restore" in words:
                return int(entry.name)
        return None
    pid = until(reader, 60, "the restore's restic", every=0.002)
    os.kill(pid, signal.SIGSTOP)
    server.stop()
    age(server, [arn], 3)
    server.start()
    held = until(lambda: points(server)[arn].get("StatusMessage"), 30, "the look at lifecycles")
    assert "until the restore that reads it has ended" in held and points(server)[arn]["Status"] == "COMPLETED"
    os.kill(pid, signal.SIGCONT)
    done = restored(server.client("backup"), read)
    assert done["Status"] == "COMPLETED", done
    assert facts(tmp_path / "out/srv/due") == facts(own.root / "srv/due")
    gone(server, [arn])


def test_what_cannot_be_removed_says_why_and_is_tried_again(protected):
    server, own, kept = protected
    lines = server.directory / "points"

    def begin(server):
        lines.write_text("vault.maintaining fail 1\n")
        server.args = ["--failpoints", str(lines)]
        server.start()
    arn = due(server, own, "due", begin)
    expired = until(lambda: points(server)[arn]["Status"] == "EXPIRED" and points(server)[arn], 30, "the failure")
    assert "could not be removed yet" in expired["StatusMessage"], expired
    backup = server.client("backup")
    assert error_of(backup.update_recovery_point_lifecycle, BackupVaultName="Default", RecoveryPointArn=arn,
                    Lifecycle={"DeleteAfterDays": 9}) == "InvalidRequestException"
    assert take(backup, own, BackupOptions={"Paths": "/srv/one"})["State"] == "COMPLETED"
    # By hand it goes at once, not with the next try.
    if arn in points(server):
        backup.delete_recovery_point(BackupVaultName="Default", RecoveryPointArn=arn)
    gone(server, [arn])
    assert set(kept.values()) <= set(points(server))


def test_a_snapshot_that_no_job_made_is_quarantined(protected):
    server, own, kept = protected
    backup = server.client("backup")
    key = exported_key(server, own)
    strange = server.directory / "strange"
    strange.mkdir()
    (strange / "file").write_text("written by hand")
    restic(server, own, ["backup", str(strange), "--host", "elsewhere", "--tag", "by-hand"], key)

    def shown():
        return json.loads(server.cli(["vault", "show", "Default", "--json"]).stdout)["Repositories"][0]["Quarantined"]
    one, = shown()
    assert one["Host"] == "elsewhere" and one["Tags"] == ["by-hand"] and one["Paths"] == [str(strange)], one
    text = server.cli(["vault", "show"]).stdout
    assert f"quarantined: snapshot {one['SnapshotId']} of no known job" in text and "elsewhere" in text
    assert "left alone" in server.log()
    # It is no recovery point.
    assert set(points(server)) == set(kept.values())
    assert backup.describe_backup_vault(BackupVaultName="Default")["NumberOfRecoveryPoints"] == 3
    # It outlives expiry and prune of others, and can be read.
    gone(server, [due(server, own, "due")])
    assert restic(server, own, ["dump", one["SnapshotId"], str(strange / "file")], key) == "written by hand"
    assert [snapshot["SnapshotId"] for snapshot in shown()] == [one["SnapshotId"]]
    restic(server, own, ["forget", one["SnapshotId"]], key)
    assert shown() == []


def test_a_vault_with_quarantined_snapshots_is_not_deleted(server, backup, machine):
    backup.create_backup_vault(BackupVaultName="strange")
    arn = take(backup, machine, "strange", BackupOptions={"Paths": "/etc/hostname"})["RecoveryPointArn"]
    key = exported_key(server, machine, "strange")
    restic(server, machine, ["backup", "/etc/hostname"], key, "strange")
    backup.delete_recovery_point(BackupVaultName="strange", RecoveryPointArn=arn)
    until(lambda: not points(server, "strange"), 60, "the point's end", every=0.2)
    one, = json.loads(server.cli(["vault", "show", "strange", "--json"]).stdout)["Repositories"][0]["Quarantined"]
    assert error_of(backup.delete_backup_vault, BackupVaultName="strange") == "InvalidRequestException"
    restic(server, machine, ["forget", one["SnapshotId"]], key, "strange")
    server.cli(["vault", "show", "strange"])
    backup.delete_backup_vault(BackupVaultName="strange")


def test_a_full_disk_during_a_prune_harms_nothing(small_vaults, tmp_path):  # noqa: F811 - the fixture
    server, own = small_vaults, Machine(small_vaults)
    backup = server.client("backup")
    arns = {name: point_of(backup, own, name) for name in ("a", "b", "c")}
    before = stored(server, own)
    filler = server.data / "vaults" / "filler"
    about = os.statvfs(server.data / "vaults")
    with open(filler, "wb") as file:
        os.posix_fallocate(file.fileno(), 0, about.f_bavail * about.f_frsize)
    backup.delete_recovery_point(BackupVaultName="Default", RecoveryPointArn=arns["a"])
    full = until(lambda: points(server)[arns["a"]].get("StatusMessage"), 60, "the failure")
    assert "no space left on device" in full and points(server)[arns["a"]]["Status"] == "DELETING", full
    filler.unlink()
    # Tried again by itself.
    gone(server, [arns["a"]], 150)
    assert stored(server, own) < before - (2 << 20)
    whole(server, own, {name: arns[name] for name in ("b", "c")}, tmp_path / "out")


def test_a_run_keeps_its_points_as_its_input_says(server, backup, machine):
    states = server.client("stepfunctions")
    arn = states.start_execution(stateMachineArn="arn:aws:states:us-east-1:000000000000:stateMachine:PrePostBackup", input=json.dumps({
        "TargetEC2Instances": [machine.id],
        "BackupDetails": {"BackupVaultName": "Default", "IamRoleArn": ROLE, "Lifecycle": {"DeleteAfterDays": 14}}}))["executionArn"]
    ended = until(lambda: (lambda one: one["status"] != "RUNNING" and one)(states.describe_execution(executionArn=arn)), 90, "the run's end")
    assert ended["status"] == "SUCCEEDED", ended
    newest = max(points(server).values(), key=lambda point: point["CreationDate"])
    assert newest["Lifecycle"] == {"DeleteAfterDays": 14}
    bad = states.start_execution(stateMachineArn="arn:aws:states:us-east-1:000000000000:stateMachine:PrePostBackup", input=json.dumps({
        "TargetEC2Instances": [machine.id],
        "BackupDetails": {"BackupVaultName": "Default", "IamRoleArn": ROLE, "Lifecycle": {"DeleteAfterDays": 0}}}))["executionArn"]
    ended = until(lambda: (lambda one: one["status"] != "RUNNING" and one)(states.describe_execution(executionArn=bad)), 60, "the run's end")
    assert ended["error"] == "Stillpoint.InvalidInput" and "BackupDetails.Lifecycle.DeleteAfterDays" in ended["cause"], ended

"""AWS Backup over real restic repositories: vaults, jobs of running and stopped machines, recovery points, restores."""
import json
import os
import pathlib
import shutil
import subprocess
import uuid

import botocore.exceptions
import pytest

from tests.support.signed import send
from tests.support.trees import facts, make_awkward
from tests.support.until import elapsed, until

ROLE = "arn:aws:iam::000000000000:role/backup"
ENDED = {"COMPLETED", "PARTIAL", "FAILED", "ABORTED", "EXPIRED"}


def error_of(call, *args, **kwargs):
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(*args, **kwargs)
    return caught.value.response["Error"]["Code"]


class Machine:
    def __init__(self, server, image="ami-bare"):
        self.server = server
        self.ec2 = server.client("ec2")
        answer = self.ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1)
        self.id = answer["Instances"][0]["InstanceId"]
        self.arn = f"arn:aws:ec2:us-east-1:000000000000:instance/{self.id}"
        self.root = server.data / "machines" / self.id / "root"
        self.wait("running")

    def state(self):
        return self.ec2.describe_instances(InstanceIds=[self.id])["Reservations"][0]["Instances"][0]["State"]["Name"]

    def wait(self, state):
        until(lambda: self.state() == state, 40, f"{self.id} {state}")

    def stop(self):
        self.ec2.stop_instances(InstanceIds=[self.id])
        self.wait("stopped")

    def start(self):
        self.ec2.start_instances(InstanceIds=[self.id])
        self.wait("running")

    def agent_pid(self):
        """The agent's process in the machine, as this host numbers it."""
        pid = self.agent_pid_or_none()
        assert pid, f"no agent of {self.id}"
        return pid

    def agent_pid_or_none(self):
        text = b"agent\0--state-dir\0/var/lib/stillpoint-agent"
        here = os.stat(self.root)
        for entry in pathlib.Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and text in (entry / "cmdline").read_bytes() and os.path.samestat(os.stat(entry / "root/."), here):
                    return int(entry.name)
            except OSError:
                continue
        return None


@pytest.fixture(scope="module")
def machine(server):
    return Machine(server)


@pytest.fixture(scope="module")
def backup(server):
    return server.client("backup")


def start(backup, machine, vault="Default", **more):
    return backup.start_backup_job(BackupVaultName=vault, ResourceArn=machine.arn, IamRoleArn=ROLE, **more)["BackupJobId"]


def wait(backup, job, seconds=60):
    def ended():
        answer = backup.describe_backup_job(BackupJobId=job)
        return answer if answer["State"] in ENDED else None
    return until(ended, seconds, f"the end of job {job}", every=0.1)


def take(backup, machine, vault="Default", **more):
    return wait(backup, start(backup, machine, vault, **more))


def restored(backup, job, seconds=60):
    def ended():
        answer = backup.describe_restore_job(RestoreJobId=job)
        return answer if answer["Status"] in {"COMPLETED", "FAILED", "ABORTED"} else None
    return until(ended, seconds, f"the end of restore {job}", every=0.1)


def restore(backup, point, wait_seconds=60, **metadata):
    return restored(backup, backup.start_restore_job(RecoveryPointArn=point, IamRoleArn=ROLE, Metadata=metadata)["RestoreJobId"], wait_seconds)


def long_running(machine, name="endless"):
    """A file that takes restic minutes to read."""
    folder = machine.root / "srv" / name
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "hole", "wb") as file:
        file.truncate(400 << 30)
    return f"/srv/{name}"


def moving(backup, job):
    def reads():
        answer = backup.describe_backup_job(BackupJobId=job)
        assert answer["State"] not in ENDED, answer
        return answer if answer["State"] == "RUNNING" and float(answer["PercentDone"]) > 0 else None
    return until(reads, 40, f"bytes of job {job}", every=0.1)


# --- vaults


def test_vaults(backup):
    made = backup.create_backup_vault(BackupVaultName="vault-one", CreatorRequestId="r1", BackupVaultTags={"a": "b"})
    assert made["BackupVaultArn"] == "arn:aws:backup:us-east-1:000000000000:backup-vault:vault-one"
    again = backup.create_backup_vault(BackupVaultName="vault-one", CreatorRequestId="r1")
    assert again["CreationDate"] == made["CreationDate"]
    told = backup.describe_backup_vault(BackupVaultName="vault-one")
    assert told["NumberOfRecoveryPoints"] == 0 and told["CreatorRequestId"] == "r1" and told["Locked"] is False
    names = [vault["BackupVaultName"] for vault in backup.list_backup_vaults()["BackupVaultList"]]
    assert names == sorted(names) and {"Default", "vault-one"} <= set(names)
    backup.delete_backup_vault(BackupVaultName="vault-one")
    assert error_of(backup.describe_backup_vault, BackupVaultName="vault-one") == "ResourceNotFoundException"


def test_vault_pages(backup):
    for name in ("page-a", "page-b", "page-c"):
        backup.create_backup_vault(BackupVaultName=name)
    first = backup.list_backup_vaults(MaxResults=2)
    assert len(first["BackupVaultList"]) == 2
    rest = backup.list_backup_vaults(NextToken=first["NextToken"])["BackupVaultList"]
    everything = [vault["BackupVaultName"] for vault in first["BackupVaultList"] + rest]
    assert everything == [vault["BackupVaultName"] for vault in backup.list_backup_vaults()["BackupVaultList"]]
    assert error_of(backup.list_backup_vaults, NextToken="nonsense") == "InvalidParameterValueException"
    for name in ("page-a", "page-b", "page-c"):
        backup.delete_backup_vault(BackupVaultName=name)


def test_create_vault_twice(backup):
    backup.create_backup_vault(BackupVaultName="twice")
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        backup.create_backup_vault(BackupVaultName="twice")
    assert caught.value.response["Error"]["Code"] == "AlreadyExistsException"
    assert caught.value.response["Arn"].endswith(":backup-vault:twice")
    backup.delete_backup_vault(BackupVaultName="twice")


def test_vault_names(backup):
    for call in (backup.create_backup_vault, backup.describe_backup_vault, backup.delete_backup_vault):
        assert error_of(call, BackupVaultName="bad.name") == "InvalidParameterValueException"


def test_vaults_that_are_not_there(backup):
    assert error_of(backup.describe_backup_vault, BackupVaultName="none") == "ResourceNotFoundException"
    assert error_of(backup.delete_backup_vault, BackupVaultName="none") == "ResourceNotFoundException"
    assert error_of(backup.list_recovery_points_by_backup_vault, BackupVaultName="none") == "ResourceNotFoundException"


def test_default_vault_stays(backup):
    assert error_of(backup.delete_backup_vault, BackupVaultName="Default") == "InvalidRequestException"


# --- jobs


def test_backup_of_a_running_machine_restores_byte_for_byte(server, backup, machine, tmp_path):
    make_awkward(machine.root / "srv" / "awkward")
    job = take(backup, machine)
    assert job["State"] == "COMPLETED", job
    assert job["PercentDone"] == "100.0" and job["ResourceType"] == "EC2" and job["AccountId"] == "000000000000"
    assert job["BackupSizeInBytes"] > 3_000_000 and job["BytesTransferred"] > 0
    assert "StatusMessage" not in job
    point = backup.describe_recovery_point(BackupVaultName="Default", RecoveryPointArn=job["RecoveryPointArn"])
    assert point["Status"] == "COMPLETED" and point["ResourceArn"] == machine.arn and point["StorageClass"] == "WARM"
    done = restore(backup, job["RecoveryPointArn"], targetInstanceId="host", targetPath=str(tmp_path / "new" / "out"))
    assert done["Status"] == "COMPLETED" and done["PercentDone"] == "100.0", done
    out = tmp_path / "new" / "out"
    expected = facts(machine.root / "srv")
    assert expected and facts(out / "srv") == expected
    # Not the agent's state, nothing of /usr; the empty mount points are there.
    assert not (out / "var/lib/stillpoint-agent").exists()
    assert (out / "usr").is_dir() and not os.listdir(out / "usr") and not os.listdir(out / "proc")
    assert backup.describe_recovery_point(BackupVaultName="Default", RecoveryPointArn=job["RecoveryPointArn"])["LastRestoreTime"]


def test_backup_of_a_stopped_machine_is_the_same(server, backup, tmp_path):
    own = Machine(server)
    make_awkward(own.root / "srv" / "awkward")
    own.stop()
    job = take(backup, own)
    assert job["State"] == "COMPLETED", job
    assert own.state() == "stopped"
    assert restore(backup, job["RecoveryPointArn"], targetInstanceId="host", targetPath=str(tmp_path / "out"))["Status"] == "COMPLETED"
    assert facts(tmp_path / "out" / "srv") == facts(own.root / "srv")
    assert not (tmp_path / "out/var/lib/stillpoint-agent").exists()
    # Seen as from inside: the next one, of the running machine, finds everything unchanged.
    own.start()
    second = take(backup, own)
    assert second["State"] == "COMPLETED" and second["BytesTransferred"] < 1_000_000, second
    own.ec2.terminate_instances(InstanceIds=[own.id])


def test_a_stopped_machine_is_not_started_while_it_is_read(server, backup):
    own = Machine(server)
    path = long_running(own)
    own.stop()
    job = start(backup, own, BackupOptions={"Paths": path})
    moving(backup, job)
    assert error_of(own.ec2.start_instances, InstanceIds=[own.id]) != ""
    backup.stop_backup_job(BackupJobId=job)
    assert wait(backup, job)["State"] == "ABORTED"
    own.start()
    own.ec2.terminate_instances(InstanceIds=[own.id])


def test_unreadable_files_make_it_partial(backup, machine):
    job = take(backup, machine, BackupOptions={"Paths": json.dumps(["/etc/hostname", "/proc/self/mem"])})
    assert job["State"] == "PARTIAL", job
    assert "/proc/self/mem" in job["StatusMessage"]
    point = backup.describe_recovery_point(BackupVaultName="Default", RecoveryPointArn=job["RecoveryPointArn"])
    assert point["Status"] == "PARTIAL" and "/proc/self/mem" in point["StatusMessage"]


def test_a_missing_path_fails_the_job(backup, machine):
    job = take(backup, machine, BackupOptions={"Paths": json.dumps(["/etc/hostname", "/srv/not-there"])})
    assert job["State"] == "FAILED" and "/srv/not-there" in job["StatusMessage"], job
    assert "RecoveryPointArn" not in job


def test_stop_job(backup, machine):
    job = start(backup, machine, BackupOptions={"Paths": long_running(machine)})
    moving(backup, job)
    backup.stop_backup_job(BackupJobId=job)
    ended = wait(backup, job)
    assert ended["State"] == "ABORTED" and ended["StatusMessage"] == "Backup job was stopped by user."
    assert error_of(backup.stop_backup_job, BackupJobId=job) == "InvalidRequestException"
    shutil.rmtree(machine.root / "srv/endless")


def test_a_second_job_of_a_machine_waits(backup, machine):
    first = start(backup, machine, BackupOptions={"Paths": long_running(machine)})
    moving(backup, first)
    second = start(backup, machine, BackupOptions={"Paths": "/etc/hostname"})
    assert backup.describe_backup_job(BackupJobId=second)["State"] == "CREATED"
    waiting = [job["BackupJobId"] for job in backup.list_backup_jobs(ByState="CREATED")["BackupJobs"]]
    assert waiting == [second]
    third = start(backup, machine, BackupOptions={"Paths": "/etc/hostname"})
    backup.stop_backup_job(BackupJobId=third)
    assert backup.describe_backup_job(BackupJobId=third)["State"] == "ABORTED"
    backup.stop_backup_job(BackupJobId=first)
    assert wait(backup, first)["State"] == "ABORTED"
    assert wait(backup, second)["State"] == "COMPLETED"
    shutil.rmtree(machine.root / "srv/endless")


def test_idempotency(backup, machine):
    token = str(uuid.uuid4())
    options = {"BackupOptions": {"Paths": "/etc/hostname"}, "IdempotencyToken": token}
    first = start(backup, machine, **options)
    assert start(backup, machine, **options) == first
    assert error_of(start, backup, machine, IdempotencyToken=token) == "InvalidRequestException"
    assert wait(backup, first)["State"] == "COMPLETED"


def test_start_job_refusals(server, backup, machine):
    good = {"BackupVaultName": "Default", "ResourceArn": machine.arn, "IamRoleArn": ROLE}

    def refused(**change):
        return error_of(backup.start_backup_job, **{**good, **change})
    assert refused(BackupVaultName="none") == "ResourceNotFoundException"
    assert refused(ResourceArn=machine.arn[:-1]) == "ResourceNotFoundException"
    assert refused(ResourceArn="arn:aws:s3:::bucket") == "InvalidParameterValueException"
    assert refused(IamRoleArn="arn:aws:iam::000000000000:user/me") == "InvalidParameterValueException"
    assert refused(StartWindowMinutes=59) == "InvalidParameterValueException"
    assert refused(StartWindowMinutes=120, CompleteWindowMinutes=60) == "InvalidParameterValueException"
    assert refused(BackupOptions={"Paths": "relative"}) == "InvalidParameterValueException"
    assert refused(BackupOptions={"Path": "/"}) == "InvalidParameterValueException"
    loose = server.client("backup", parameter_validation=False)
    for member in good:
        assert error_of(loose.start_backup_job, **{key: value for key, value in good.items() if key != member}) == "MissingParameterValueException"


def test_what_debians_sdk_does_not_know_is_refused_too(server, machine):
    job = {"BackupVaultName": "Default", "ResourceArn": machine.arn, "IamRoleArn": ROLE}
    restore = {"RecoveryPointArn": "arn:aws:backup:us-east-1:000000000000:recovery-point:" + str(uuid.uuid4()), "Metadata": {"targetInstanceId": machine.id, "targetPath": "/x"}}
    for path, call, member, value in (("/backup-jobs", job, "Index", "ENABLED"), ("/backup-jobs", job, "LogicallyAirGappedBackupVaultArn", "arn:x"),
                                      ("/restore-jobs", restore, "CopySourceTagsToRestoredResource", True)):
        status, _, answer = send(server, "backup", "PUT", path, body=json.dumps({**call, member: value}).encode())
        assert status == 400 and member in json.loads(answer)["message"], answer
    assert send(server, "backup", "PUT", "/restore-jobs", body=json.dumps({**restore, "CopySourceTagsToRestoredResource": False}).encode())[0] == 400


def test_jobs_that_are_not_there(backup):
    assert error_of(backup.describe_backup_job, BackupJobId=str(uuid.uuid4())) == "ResourceNotFoundException"
    assert error_of(backup.stop_backup_job, BackupJobId=str(uuid.uuid4())) == "ResourceNotFoundException"


def test_list_jobs(backup, machine):
    backup.create_backup_vault(BackupVaultName="listed")
    jobs = [take(backup, machine, "listed", BackupOptions={"Paths": path}) for path in ("/etc/hostname", "/srv/none", "/etc/hosts")]
    listed = backup.list_backup_jobs(ByBackupVaultName="listed")["BackupJobs"]
    assert [job["BackupJobId"] for job in listed] == [job["BackupJobId"] for job in reversed(jobs)]

    def ids(**filters):
        return {job["BackupJobId"] for job in backup.list_backup_jobs(ByBackupVaultName="listed", **filters)["BackupJobs"]}
    failed = {jobs[1]["BackupJobId"]}
    assert ids(ByState="FAILED") == failed and ids(ByResourceArn=machine.arn + "0") == set() and ids(ByResourceType="EBS") == set()
    assert ids(ByCreatedAfter=jobs[1]["CreationDate"]) == {jobs[2]["BackupJobId"]}
    assert ids(ByCreatedBefore=jobs[1]["CreationDate"]) == {jobs[0]["BackupJobId"]}
    assert ids(ByCompleteAfter=jobs[1]["CompletionDate"]) == {jobs[2]["BackupJobId"]}
    assert ids(ByCompleteBefore=jobs[1]["CompletionDate"]) == {jobs[0]["BackupJobId"]}
    assert ids(ByAccountId="000000000000") == {job["BackupJobId"] for job in jobs} and ids(ByAccountId="111111111111") == set()
    page = backup.list_backup_jobs(ByBackupVaultName="listed", MaxResults=2)
    assert len(page["BackupJobs"]) == 2
    rest = backup.list_backup_jobs(ByBackupVaultName="listed", NextToken=page["NextToken"])
    assert [job["BackupJobId"] for job in rest["BackupJobs"]] == [jobs[0]["BackupJobId"]] and "NextToken" not in rest
    assert error_of(backup.list_backup_jobs, ByState="NONSENSE") == "InvalidParameterValueException"


# --- recovery points


def test_recovery_points(server, backup, machine):
    backup.create_backup_vault(BackupVaultName="points")
    jobs = [take(backup, machine, "points", BackupOptions={"Paths": path}) for path in ("/etc/hostname", "/etc/hosts")]
    arns = [job["RecoveryPointArn"] for job in reversed(jobs)]
    listed = backup.list_recovery_points_by_backup_vault(BackupVaultName="points")["RecoveryPoints"]
    assert [point["RecoveryPointArn"] for point in listed] == arns
    assert backup.list_recovery_points_by_backup_vault(BackupVaultName="points", ByResourceArn=machine.arn + "0")["RecoveryPoints"] == []
    page = backup.list_recovery_points_by_backup_vault(BackupVaultName="points", MaxResults=1)
    assert [point["RecoveryPointArn"] for point in page["RecoveryPoints"]] == arns[:1]
    rest = backup.list_recovery_points_by_backup_vault(BackupVaultName="points", NextToken=page["NextToken"])
    assert [point["RecoveryPointArn"] for point in rest["RecoveryPoints"]] == arns[1:]
    by_machine = [point["RecoveryPointArn"] for point in backup.list_recovery_points_by_resource(ResourceArn=machine.arn)["RecoveryPoints"]]
    assert by_machine[:2] == arns
    assert backup.describe_backup_vault(BackupVaultName="points")["NumberOfRecoveryPoints"] == 2
    assert error_of(backup.delete_backup_vault, BackupVaultName="points") == "InvalidRequestException"
    metadata = backup.get_recovery_point_restore_metadata(BackupVaultName="points", RecoveryPointArn=arns[0])["RestoreMetadata"]
    assert metadata["targetInstanceId"] == machine.id and json.loads(metadata["includePaths"]) == ["/etc/hosts"]
    for arn in arns:
        backup.delete_recovery_point(BackupVaultName="points", RecoveryPointArn=arn)
    until(lambda: backup.list_recovery_points_by_backup_vault(BackupVaultName="points")["RecoveryPoints"] == [], 60, "points deleted", every=0.2)
    assert os.listdir(server.data / "vaults/points" / machine.id / "snapshots") == []
    assert error_of(backup.describe_recovery_point, BackupVaultName="points", RecoveryPointArn=arns[0]) == "ResourceNotFoundException"
    backup.delete_backup_vault(BackupVaultName="points")
    until(lambda: not (server.data / "vaults/points").exists(), 20, "the vault's folder removed")


def test_recovery_points_that_are_not_there(backup):
    arn = "arn:aws:backup:us-east-1:000000000000:recovery-point:" + str(uuid.uuid4())
    for call in (backup.describe_recovery_point, backup.delete_recovery_point, backup.get_recovery_point_restore_metadata):
        assert error_of(call, BackupVaultName="Default", RecoveryPointArn=arn) == "ResourceNotFoundException"
        assert error_of(call, BackupVaultName="Default", RecoveryPointArn="no-arn") == "InvalidParameterValueException"
        assert error_of(call, BackupVaultName="none", RecoveryPointArn=arn) == "ResourceNotFoundException"
    assert error_of(backup.list_recovery_points_by_resource, ResourceArn="no-arn") == "InvalidParameterValueException"


# --- restores


@pytest.fixture(scope="module")
def point(backup, machine):
    folder = machine.root / "srv/point"
    make_awkward(folder)
    job = take(backup, machine, BackupOptions={"Paths": "/srv/point"})
    assert job["State"] == "COMPLETED", job
    return job["RecoveryPointArn"]


def test_restore_into_a_running_machine(backup, machine, point):
    done = restore(backup, point, targetInstanceId=machine.id, targetPath="/var/restored/here")
    assert done["Status"] == "COMPLETED" and done["CreatedResourceArn"] == machine.arn, done
    assert facts(machine.root / "var/restored/here/srv/point") == facts(machine.root / "srv/point")
    refused = restore(backup, point, targetInstanceId=machine.id, targetPath="/var/restored/here")
    assert refused["Status"] == "FAILED" and "not empty" in refused["StatusMessage"]
    shutil.rmtree(machine.root / "var/restored")


def test_restore_in_place_and_of_some_paths(backup, machine, point):
    folder = machine.root / "srv/point"
    before = facts(folder)
    (folder / "plain").write_bytes(b"damaged")
    os.remove(folder / "relative")
    os.symlink("elsewhere", folder / "relative")
    (folder / "star*question?[bracket]").unlink()
    (folder / "added").write_bytes(b"stays")
    (folder / "empty").write_bytes(b"not in includePaths: stays damaged")
    names = ["/srv/point/plain", "/srv/point/relative", "/srv/point/star*question?[bracket]"]
    done = restore(backup, point, targetInstanceId=machine.id, inPlace="true", includePaths=json.dumps(names))
    assert done["Status"] == "COMPLETED", done
    after = facts(folder)
    for name in names:
        key = os.fsencode(name.rsplit("/", 1)[1])
        assert after[key] == before[key], name
    assert (folder / "added").read_bytes() == b"stays" and (folder / "empty").read_bytes().startswith(b"not in")
    whole = restore(backup, point, targetInstanceId=machine.id, inPlace="true")
    assert whole["Status"] == "COMPLETED", whole
    (folder / "added").unlink()
    now = facts(folder)
    # The folder's hard links are the same file again, and all else is as it was.
    assert now == before


def test_a_part_leaves_the_folders_above_it(backup, machine, point):
    """Modes and owners of what is not named stay, a link to a folder is followed; what it leads to need not have the name."""
    folder, moved = machine.root / "srv/point", machine.root / "srv/moved"
    before = facts(folder)
    folder.rename(moved)
    os.symlink("/srv/moved", folder)
    (moved / "plain").write_bytes(b"damaged")
    os.chmod(moved, 0o700)
    os.chown(moved, 1234, 1234)
    parent = machine.root / "srv"
    mode = parent.stat().st_mode
    os.chmod(parent, 0o751)
    try:
        done = restore(backup, point, targetInstanceId=machine.id, inPlace="true", includePaths="/srv/point/plain")
        assert done["Status"] == "COMPLETED", done
        assert folder.is_symlink() and (moved / "plain").read_bytes() != b"damaged"
        assert moved.stat().st_mode & 0o777 == 0o700 and moved.stat().st_uid == 1234 and parent.stat().st_mode & 0o777 == 0o751
        folder.unlink()
        os.symlink("/nowhere", folder)
        failed = restore(backup, point, targetInstanceId=machine.id, inPlace="true", includePaths="/srv/point/plain")
        assert failed["Status"] == "FAILED" and "/srv/point is above a path of includePaths" in failed["StatusMessage"], failed
        assert os.readlink(folder) == "/nowhere"
    finally:
        os.chmod(parent, mode)
        folder.unlink()
        moved.rename(folder)
    assert restore(backup, point, targetInstanceId=machine.id, inPlace="true")["Status"] == "COMPLETED"
    assert facts(folder) == before


def test_what_would_go_to_another_mount_fails_before_anything_is_put_in_place(server, backup):
    own = Machine(server)
    fill(own.root / "srv/data", 1)
    taken = take(backup, own, BackupOptions={"Paths": "/srv/data"})
    subprocess.run(["nsenter", "-t", str(own.agent_pid()), "-m", "-r", "mount", "-t", "tmpfs", "none", "/srv/data"], check=True)
    before = sorted(os.listdir(own.root))
    for chosen in [{}, {"includePaths": "/srv/data"}]:
        done = restore(backup, taken["RecoveryPointArn"], targetInstanceId=own.id, inPlace="true", **chosen)
        assert done["Status"] == "FAILED", done
        assert "/srv/data is another file system than the target, and /srv/data/" in done["StatusMessage"], done
        assert done["StatusMessage"].endswith("restore into a folder of that file system; nothing was put in place"), done
    assert sorted(os.listdir(own.root)) == before, "the copy is gone"
    own.ec2.terminate_instances(InstanceIds=[own.id])


def test_a_path_that_is_not_there_fails_before_anything_is_put_in_place(backup, machine, point):
    plain = machine.root / "srv/point/plain"
    was = plain.read_bytes()
    plain.write_bytes(b"damaged")
    try:
        done = restore(backup, point, targetInstanceId=machine.id, inPlace="true", includePaths='["/srv/point/plain", "/srv/nope"]')
        assert done["Status"] == "FAILED" and "does not have /srv/nope of includePaths" in done["StatusMessage"], done
        assert plain.read_bytes() == b"damaged"
    finally:
        plain.write_bytes(was)
        assert restore(backup, point, targetInstanceId=machine.id, inPlace="true")["Status"] == "COMPLETED"


def test_restore_into_a_stopped_machine(server, backup, machine, point):
    own = Machine(server)
    own.stop()
    # A link that leads out of the machine when followed on the host is followed inside it.
    os.symlink("/srv", own.root / "out")
    done = restore(backup, point, targetInstanceId=own.id, targetPath="/out/new")
    assert done["Status"] == "COMPLETED", done
    assert facts(own.root / "srv/new/srv/point") == facts(machine.root / "srv/point")
    own.ec2.terminate_instances(InstanceIds=[own.id])


def test_restore_of_nothing_fails(backup, point, tmp_path):
    done = restore(backup, point, targetInstanceId="host", targetPath=str(tmp_path / "none"), includePaths="/not/in/it")
    assert done["Status"] == "FAILED" and "includePaths" in done["StatusMessage"]
    assert not (tmp_path / "none").exists()


def test_restore_refusals(backup, machine, point):
    def refused(arn=point, **metadata):
        return error_of(backup.start_restore_job, RecoveryPointArn=arn, IamRoleArn=ROLE, Metadata=metadata)
    place = {"targetInstanceId": machine.id, "targetPath": "/x"}
    missing = "arn:aws:backup:us-east-1:000000000000:recovery-point:" + str(uuid.uuid4())
    assert refused(missing, **place) == "ResourceNotFoundException"
    assert refused("no-arn", **place) == "InvalidParameterValueException"
    assert refused(targetPath="/x") == "InvalidParameterValueException"
    assert refused(**{**place, "targetInstanceId": "i-00000000000000000"}) == "InvalidParameterValueException"
    assert refused(**{**place, "targetPath": "x"}) == "InvalidParameterValueException"
    assert refused(**{**place, "targetPath": "/"}) == "InvalidParameterValueException"
    assert refused(**{**place, "inPlace": "perhaps"}) == "InvalidParameterValueException"
    # Who names nothing does not mean everything.
    for paths in ("", "[]", "[1]", '["/etc", null]', "[", '[""]', "etc"):
        with pytest.raises(botocore.exceptions.ClientError, match="includePaths") as told:
            backup.start_restore_job(RecoveryPointArn=point, IamRoleArn=ROLE, Metadata={**place, "inPlace": "true", "includePaths": paths})
        assert told.value.response["Error"]["Code"] == "InvalidParameterValueException", paths
    with pytest.raises(botocore.exceptions.ClientError, match="inPlace is for machines"):
        backup.start_restore_job(RecoveryPointArn=point, IamRoleArn=ROLE, Metadata={"targetInstanceId": "host", "inPlace": "true"})
    assert refused(**{**place, "more": "x"}) == "InvalidParameterValueException"
    assert error_of(backup.describe_restore_job, RestoreJobId=str(uuid.uuid4())) == "ResourceNotFoundException"


def test_restore_needs_its_members(server, point):
    loose = server.client("backup", parameter_validation=False)
    assert error_of(loose.start_restore_job, RecoveryPointArn=point) == "MissingParameterValueException"
    assert error_of(loose.start_restore_job, Metadata={"targetInstanceId": "host"}) == "MissingParameterValueException"


def test_a_restore_onto_a_full_disk_says_so(backup, point, machine, tmp_path):
    """In words for people, once, without the name of the folder aside; a host is not told of inPlace, which it does not have."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)], capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"a small file system needs the right to mount: {mounted.stderr.strip()}")
    try:
        done = restore(backup, point, targetInstanceId="host", targetPath=str(disk / "new"))
        assert done["Status"] == "FAILED", done
        assert done["StatusMessage"].startswith(f"The disk of {disk}/new is full: "), done
        assert ".stillpoint" not in done["StatusMessage"] and not (disk / "new").exists()
    finally:
        subprocess.run(["umount", str(disk)], check=True)
    (tmp_path / "there").mkdir()
    (tmp_path / "there/file").write_bytes(b"x")
    done = restore(backup, point, targetInstanceId="host", targetPath=str(tmp_path / "there"))
    assert done["Status"] == "FAILED" and "is not empty: give an empty folder" in done["StatusMessage"] and "inPlace" not in done["StatusMessage"]


def test_list_restore_jobs(backup, point, tmp_path):
    good = restore(backup, point, targetInstanceId="host", targetPath=str(tmp_path / "a"))
    bad = restore(backup, point, targetInstanceId="host", targetPath=str(tmp_path / "a"))
    newest = backup.list_restore_jobs(MaxResults=2)
    assert [job["RestoreJobId"] for job in newest["RestoreJobs"]] == [bad["RestoreJobId"], good["RestoreJobId"]]
    older = backup.list_restore_jobs(NextToken=newest["NextToken"])["RestoreJobs"] if "NextToken" in newest else []
    assert good["RestoreJobId"] not in [job["RestoreJobId"] for job in older]
    failed = {job["RestoreJobId"] for job in backup.list_restore_jobs(ByStatus="FAILED")["RestoreJobs"]}
    assert bad["RestoreJobId"] in failed and good["RestoreJobId"] not in failed
    assert error_of(backup.list_restore_jobs, ByStatus="NONSENSE") == "InvalidParameterValueException"


# --- without Stillpoint, and with parts of it killed


def restic(server, machine, words, key, vault="Default"):
    return subprocess.run(["restic", "-r", str(server.data / "vaults" / vault / machine.id), "--no-cache", *words],
                          env={"PATH": os.environ["PATH"], "RESTIC_PASSWORD": key}, capture_output=True, text=True, timeout=120, check=True).stdout


def exported_key(server, machine, vault="Default"):
    keys = json.loads(server.cli(["vault", "key", "export", "--vault", vault, "--json"]).stdout)
    return next(entry for entry in keys["Keys"] if entry["InstanceId"] == machine.id)["Key"]


def test_plain_restic_with_the_exported_key(server, backup, machine, point, tmp_path):
    key = exported_key(server, machine)
    job = take(backup, machine, BackupOptions={"Paths": "/srv/point"})
    snapshots = json.loads(restic(server, machine, ["snapshots", "--json"], key))
    newest = max(snapshots, key=lambda entry: entry["time"])
    # The tags are enough to write the record anew.
    tags = dict(tag.split("=", 1) for tag in newest["tags"])
    assert tags["job"] == job["BackupJobId"] and tags["vault"] == "Default" and tags["instance"] == machine.id
    assert job["RecoveryPointArn"].endswith(tags["recovery-point"]) and newest["hostname"] == machine.id
    restic(server, machine, ["restore", newest["id"], "--target", str(tmp_path / "out"), "--verify"], key)
    assert facts(tmp_path / "out/srv/point") == facts(machine.root / "srv/point")
    assert "no errors were found" in restic(server, machine, ["check"], key)


def test_no_secret_is_seen(server, backup, machine):
    key = exported_key(server, machine)
    job = start(backup, machine, BackupOptions={"Paths": long_running(machine)})
    moving(backup, job)
    seen = []
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            words = (entry / "cmdline").read_bytes()
            if b"restic" in words:
                seen.append(words + (entry / "environ").read_bytes())
        except OSError:
            continue
    assert seen and not any(key.encode() in text or b"rest:https" in text for text in seen)
    backup.stop_backup_job(BackupJobId=job)
    wait(backup, job)
    shutil.rmtree(machine.root / "srv/endless")
    assert key not in server.log()


def fill(folder, files=40, size=8 << 20):
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(files):
        (folder / f"file-{number}").write_bytes(os.urandom(size))


def test_server_killed_in_the_middle_of_a_backup(fresh_server, tmp_path):
    own = Machine(fresh_server)
    fill(own.root / "srv/data")
    backup = fresh_server.client("backup")
    job = start(backup, own)
    moving(backup, job)
    fresh_server.kill()
    fresh_server.start()
    backup = fresh_server.client("backup")
    ended = wait(backup, job, 120)
    assert ended["State"] == "COMPLETED", ended
    assert restore(backup, ended["RecoveryPointArn"], 120, targetInstanceId="host", targetPath=str(tmp_path / "out"))["Status"] == "COMPLETED"
    assert facts(tmp_path / "out/srv/data") == facts(own.root / "srv/data")


def test_server_stopped_while_a_repository_is_made(fresh_server):
    """What its restic does then is dropped, not told to parts that are gone; the next server makes the repository and the job goes on."""
    own = Machine(fresh_server)
    backup = fresh_server.client("backup")
    backup.create_backup_vault(BackupVaultName="stopped")
    made = fresh_server.data / "vaults/stopped/.stillpoint/made"
    job = start(backup, own, vault="stopped")
    until(lambda: made.is_dir() and any(made.iterdir()), 20, "a repository in the making")
    assert fresh_server.stop() == 0
    fresh_server.start()
    ended = wait(fresh_server.client("backup"), job, 120)
    assert ended["State"] == "COMPLETED", ended


def test_agent_killed_in_the_middle_of_a_backup(server, backup, tmp_path):
    own = Machine(server)
    fill(own.root / "srv/data", 30)
    job = start(backup, own)
    moving(backup, job)
    os.kill(own.agent_pid(), 9)
    ended = wait(backup, job, 120)
    assert ended["State"] == "COMPLETED", ended
    assert restore(backup, ended["RecoveryPointArn"], 120, targetInstanceId="host", targetPath=str(tmp_path / "out"))["Status"] == "COMPLETED"
    assert facts(tmp_path / "out/srv/data") == facts(own.root / "srv/data")
    own.ec2.terminate_instances(InstanceIds=[own.id])


def test_server_gone_while_restic_opens_its_repository(fresh_server, tmp_path):
    """restic gives up at once when its first request is not answered: the agent starts it again under the same job."""
    own = Machine(fresh_server)
    backup = fresh_server.client("backup")
    assert take(backup, own, BackupOptions={"Paths": "/etc/hostname"})["State"] == "COMPLETED"
    fill(own.root / "srv/data", 3)
    points = fresh_server.directory / "points"
    hits = pathlib.Path(f"{points}.hits")

    def dies(begin):
        points.write_text("vault.opening kill 1\n")
        hits.unlink(missing_ok=True)
        fresh_server.args = ["--failpoints", str(points)]
        fresh_server.restart()
        job = begin(fresh_server.client("backup"))
        until(lambda: fresh_server.process.poll() is not None, 30, "the server's death")
        assert hits.read_text() == "vault.opening 1\n"
        # Away for longer than the agent's first tries.
        until(elapsed(2), 10, "two seconds without a server")
        fresh_server.args = []
        fresh_server.start()
        return fresh_server.client("backup"), job

    backup, job = dies(lambda backup: start(backup, own, BackupOptions={"Paths": "/srv/data"}))
    ended = wait(backup, job)
    assert ended["State"] == "COMPLETED", ended
    assert len(os.listdir(fresh_server.data / f"vaults/Default/{own.id}/snapshots")) == 2, "one for each job"
    target = tmp_path / "out"
    backup, job = dies(lambda backup: backup.start_restore_job(RecoveryPointArn=ended["RecoveryPointArn"], IamRoleArn=ROLE, Metadata={
        "targetInstanceId": "host", "targetPath": str(target)})["RestoreJobId"])
    done = restored(backup, job)
    assert done["Status"] == "COMPLETED", done
    assert facts(target / "srv/data") == facts(own.root / "srv/data")


def test_agent_killed_in_the_middle_of_a_restore(server, backup):
    own = Machine(server)
    fill(own.root / "srv/data", 30)
    taken = take(backup, own, BackupOptions={"Paths": "/srv/data"})
    assert taken["State"] == "COMPLETED", taken
    job = backup.start_restore_job(RecoveryPointArn=taken["RecoveryPointArn"], IamRoleArn=ROLE, Metadata={
        "targetInstanceId": own.id, "targetPath": "/var/restored"})["RestoreJobId"]
    until(lambda: float(backup.describe_restore_job(RestoreJobId=job)["PercentDone"].rstrip("%")) > 0, 40, "bytes of the restore", every=0.01)
    os.kill(own.agent_pid(), 9)
    done = restored(backup, job)
    assert done["Status"] == "COMPLETED", done
    assert facts(own.root / "var/restored/srv/data") == facts(own.root / "srv/data")
    assert os.listdir(own.root / "var/restored") == ["srv"], "nothing of the broken try is left"
    own.ec2.terminate_instances(InstanceIds=[own.id])


@pytest.mark.parametrize("point", ["moving", "moved"])
@pytest.mark.parametrize("chosen", [{}, {"includePaths": "/srv/data"}], ids=["all", "paths"])
def test_agent_killed_around_the_move_of_restored_files(server, backup, point, chosen):
    own = Machine(server)
    fill(own.root / "srv/data", 2)
    taken = take(backup, own, BackupOptions={"Paths": "/srv/data"})
    state = own.root / "var/lib/stillpoint-agent"
    (state / "failpoints").write_text(f"agent.restore_{point} kill 1\n")
    first = own.agent_pid()
    os.kill(first, 9)
    until(lambda: own.agent_pid_or_none() not in (None, first), 20, "another agent")
    job = backup.start_restore_job(RecoveryPointArn=taken["RecoveryPointArn"], IamRoleArn=ROLE, Metadata={
        "targetInstanceId": own.id, "targetPath": "/var/restored", **chosen})["RestoreJobId"]
    hits = state / "failpoints.hits"
    until(lambda: hits.exists() and f"agent.restore_{point} 1" in hits.read_text(), 40, "the agent's death")
    (state / "failpoints").unlink()
    done = restored(backup, job)
    assert done["Status"] == "COMPLETED", done
    assert facts(own.root / "var/restored/srv/data") == facts(own.root / "srv/data")
    assert os.listdir(own.root / "var/restored") == ["srv"]
    own.ec2.terminate_instances(InstanceIds=[own.id])


def test_a_move_that_fails_leaves_no_copy_behind(server, backup):
    own = Machine(server)
    fill(own.root / "srv/data", 1)
    taken = take(backup, own, BackupOptions={"Paths": "/srv/data"})
    (own.root / "var/lib/stillpoint-agent/failpoints").write_text("agent.restore_moving fail 1\n")
    first = own.agent_pid()
    os.kill(first, 9)
    until(lambda: own.agent_pid_or_none() not in (None, first), 20, "another agent")
    done = restore(backup, taken["RecoveryPointArn"], targetInstanceId=own.id, targetPath="/var/restored")
    assert done["Status"] == "FAILED", done
    assert done["StatusMessage"].endswith("made to fail; what was put in place before it stays: mend that and start the restore again"), done
    assert not (own.root / "var/restored").exists()
    own.ec2.terminate_instances(InstanceIds=[own.id])


@pytest.mark.parametrize("point", ["failed", "taken_back"])
def test_a_failed_move_stays_failed_when_its_agent_is_killed(server, backup, point):
    own = Machine(server)
    fill(own.root / "srv/data", 1)
    taken = take(backup, own, BackupOptions={"Paths": "/srv/data"})
    state = own.root / "var/lib/stillpoint-agent"
    (state / "failpoints").write_text(f"agent.restore_moving fail 1\nagent.restore_{point} kill 1\n")
    first = own.agent_pid()
    os.kill(first, 9)
    until(lambda: own.agent_pid_or_none() not in (None, first), 20, "another agent")
    job = backup.start_restore_job(RecoveryPointArn=taken["RecoveryPointArn"], IamRoleArn=ROLE, Metadata={
        "targetInstanceId": own.id, "targetPath": "/var/restored"})["RestoreJobId"]
    hits = state / "failpoints.hits"
    until(lambda: hits.exists() and f"agent.restore_{point} 1" in hits.read_text(), 40, "the agent's death")
    (state / "failpoints").unlink()
    done = restored(backup, job)
    assert done["Status"] == "FAILED", done
    assert "made to fail; what was put in place before it stays" in done["StatusMessage"], done
    assert not (own.root / "var/restored").exists()
    own.ec2.terminate_instances(InstanceIds=[own.id])


def test_machine_terminated_in_the_middle_of_a_backup(server, backup):
    own = Machine(server)
    job = start(backup, own, BackupOptions={"Paths": long_running(own)})
    moving(backup, job)
    assert error_of(own.ec2.terminate_instances, InstanceIds=[own.id]) != ""
    backup.stop_backup_job(BackupJobId=job)
    assert wait(backup, job)["State"] == "ABORTED"
    own.ec2.terminate_instances(InstanceIds=[own.id])
    own.wait("terminated")
    assert error_of(start, backup, own) == "ResourceNotFoundException"

"""Machines that Stillpoint did not make: own operations, EC2's calls on them, their power by an administrator's commands."""
import json
import os
import pathlib
import stat

import botocore.exceptions
import pytest

from tests.support import runs
from tests.support.own_model import stillpoint
from tests.support.until import until


class Machine:
    """A file that says whether it runs, and the three commands over it."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()
        self.script("start", "echo running > state")
        self.script("stop", "echo 'shut off' > state")
        self.script("status", "cat state")
        self.set("shut off")

    def script(self, name, body):
        path = self.folder / name
        log = "" if name == "status" else f"echo {name} >> calls\n"
        path.write_text(f"#!/bin/sh\ncd {self.folder}\n{log}{body}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def set(self, state):
        (self.folder / "state.new").write_text(state + "\n")
        os.replace(self.folder / "state.new", self.folder / "state")

    def state(self):
        return (self.folder / "state").read_text().strip()

    def calls(self):
        path = self.folder / "calls"
        return path.read_text().split() if path.exists() else []

    def power(self, **more):
        return {"Start": [f"{self.folder}/start"], "Stop": [f"{self.folder}/stop"], "Status": [f"{self.folder}/status"], "PollSeconds": 5, **more}


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path / "machine")


def refused(code, call):
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call()
    assert caught.value.response["Error"]["Code"] == code, caught.value
    return caught.value.response["Error"]["Message"]


def shown(server, instance):
    return stillpoint(server).list_instances(InstanceId=instance)["Instances"][0]


def known(server, instance):
    """As it is once its driver has told its state."""
    return until(lambda: (m := shown(server, instance)) and m["PowerKnown"] and m, 20)


def added(server, **members):
    return known(server, stillpoint(server).add_instance(**members)["InstanceId"])["InstanceId"]


def state(server, instance):
    return server.client("ec2").describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"][0]["State"]["Name"]


def test_an_added_machine_is_one_like_others(server, machine):
    ec2 = server.client("ec2")
    own = stillpoint(server)
    first = own.add_instance(Driver="exec", Power=machine.power(), HostName="db1", Tags=[{"Key": "role", "Value": "added"}])
    assert first["State"] == "pending" and not first["PowerKnown"], "nothing is claimed before its driver has looked"
    instance = first["InstanceId"]
    record = known(server, instance)
    assert (record["State"], record["Driver"], record["HeldBy"], record["Agent"]) == ("stopped", "exec", "host", "Offline")
    assert record["Power"]["Start"] == [f"{machine.folder}/start"] and record["Tags"] == {"role": "added"}
    found = ec2.describe_instances(Filters=[{"Name": "tag:role", "Values": ["added"]}])["Reservations"]
    assert len(found) == 1 and len(found[0]["Instances"]) == 1
    described = found[0]["Instances"][0]
    assert described["InstanceId"] == instance and described["PrivateDnsName"] == "db1" and "PrivateIpAddress" not in described
    change = ec2.start_instances(InstanceIds=[instance])["StartingInstances"][0]
    assert (change["PreviousState"]["Name"], change["CurrentState"]["Name"]) == ("stopped", "pending")
    ec2.get_waiter("instance_running").wait(InstanceIds=[instance], WaiterConfig={"Delay": 1, "MaxAttempts": 20})
    assert machine.state() == "running"
    health = ec2.describe_instance_status(InstanceIds=[instance])["InstanceStatuses"][0]
    assert health["InstanceState"]["Name"] == "running" and health["InstanceStatus"]["Status"] == "initializing", "it runs, its agent is not there"
    ec2.reboot_instances(InstanceIds=[instance])
    until(lambda: machine.calls() == ["start", "stop", "start"] and machine.state() == "running")
    ec2.stop_instances(InstanceIds=[instance])
    until(lambda: state(server, instance) == "stopped")
    assert machine.state() == "shut off"
    ec2.create_tags(Resources=[instance], Tags=[{"Key": "extra", "Value": "1"}])
    assert own.tag_instance(InstanceId=instance, Tags=[{"Key": "role", "Value": "b"}], RemoveTagKeys=["extra"])["Tags"] == {"role": "b"}
    assert own.remove_instance(InstanceId=instance)["State"] == "terminated"


def test_a_stop_that_fails_tells_why_and_the_machine_runs_on(server, machine):
    ec2 = server.client("ec2")
    machine.set("running")
    instance = added(server, Driver="exec", Power=machine.power())
    machine.script("stop", "echo 'error: domain is locked' >&2; exit 1")
    ec2.stop_instances(InstanceIds=[instance])
    until(lambda: state(server, instance) == "running")
    assert "ended with exit 1: 'error: domain is locked'" in shown(server, instance)["PowerError"]
    # The command may have worked all the same.
    machine.set("shut off")
    until(lambda: machine.state() == "running", 20, "the start of a machine whose Stop command had failed")
    until(lambda: state(server, instance) == "running")
    machine.script("stop", "true")
    stillpoint(server).set_instance_power(InstanceId=instance, Driver="exec", Power=machine.power(StopTimeoutInSeconds=1))
    assert known(server, instance).get("PowerError") is None
    ec2.stop_instances(InstanceIds=[instance])
    assert state(server, instance) == "stopping"
    until(lambda: state(server, instance) == "running")
    assert "did not shut down within 1 s" in shown(server, instance)["PowerError"]
    machine.set("shut off")
    until(lambda: machine.state() == "running", 20, "the start of a machine that went down late")


def test_a_stop_that_nobody_sees_the_end_of_claims_nothing(server, machine):
    machine.set("running")
    instance = added(server, Driver="exec", Power=machine.power(PollSeconds=0, StopTimeoutInSeconds=1))
    machine.script("stop", "echo 'error: cannot connect' > state")
    server.client("ec2").stop_instances(InstanceIds=[instance])
    until(lambda: "'error: cannot connect'" in shown(server, instance).get("PowerError", ""))
    assert state(server, instance) == "stopping", "nobody has seen it run"
    machine.set("running")
    until(lambda: state(server, instance) == "running")
    assert machine.calls() == ["stop"]


def test_what_the_machine_does_by_itself_is_seen(server, machine):
    instance = added(server, Driver="exec", Power=machine.power())
    machine.set("running")
    until(lambda: state(server, instance) == "running")
    machine.set("shut off")
    until(lambda: state(server, instance) == "stopped")
    described = server.client("ec2").describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"][0]
    assert described["StateReason"]["Code"] == "Client.InstanceInitiatedShutdown"
    assert machine.calls() == []


def test_a_machine_without_a_driver_cannot_be_stopped(server):
    ec2 = server.client("ec2")
    instance = stillpoint(server).add_instance(Driver="none", HostName="mail")["InstanceId"]
    assert state(server, instance) == "running"
    for call in (ec2.stop_instances, ec2.start_instances, ec2.reboot_instances):
        assert "has no power driver" in refused("UnsupportedOperation", lambda call=call: call(InstanceIds=[instance]))
    assert state(server, instance) == "running"
    ec2.terminate_instances(InstanceIds=[instance])
    assert state(server, instance) == "terminated"


def test_terminating_an_added_machine_forgets_its_record_alone(server, machine):
    machine.set("running")
    instance = added(server, Driver="exec", Power=machine.power())
    kept = server.data / "host-agent" / "power" / instance
    assert kept.exists()
    change = server.client("ec2").terminate_instances(InstanceIds=[instance])["TerminatingInstances"][0]
    assert change["CurrentState"]["Name"] == "terminated"
    until(lambda: not kept.exists())
    assert machine.state() == "running" and machine.calls() == []
    described = server.client("ec2").describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"][0]
    assert "left as it is" in described["StateReason"]["Message"]
    refused("ResourceNotFoundException", lambda: stillpoint(server).remove_instance(InstanceId=instance))


def test_wrong_records_are_refused_and_change_nothing(server, machine):
    own = stillpoint(server)
    before = [m["InstanceId"] for m in own.list_instances()["Instances"]]
    power = machine.power()
    assert "'vmware'" in refused("ValidationException", lambda: own.add_instance(Driver="vmware"))
    assert "Driver" in refused("ValidationException", lambda: own.add_instance(HostName="x"))
    assert "Power.Start is missing" in refused("ValidationException", lambda: own.add_instance(Driver="exec"))
    assert "absolute path" in refused("ValidationException", lambda: own.add_instance(Driver="exec", Power={**power, "Stop": ["virsh", "shutdown"]}))
    assert "between 5 and 86400" in refused("ValidationException", lambda: own.add_instance(Driver="exec", Power={**power, "PollSeconds": 1}))
    assert "'../x'" in refused("ValidationException", lambda: own.add_instance(Driver="none", Volumes=["../x"]))
    assert "HeldBy names 'i-0'" in refused("ValidationException", lambda: own.add_instance(Driver="none", HeldBy="i-0"))
    assert "HostName" in refused("ValidationException", lambda: own.add_instance(Driver="none", HostName="a b"))
    assert "reserved" in refused("ValidationException", lambda: own.add_instance(Driver="none", Tags=[{"Key": "aws:x", "Value": "1"}]))
    assert [m["InstanceId"] for m in own.list_instances()["Instances"]] == before
    instance = added(server, Driver="exec", Power=power)
    assert instance in refused("ResourceInUseException", lambda: own.add_instance(Driver="exec", Power=power))
    refused("ValidationException", lambda: own.set_instance_power(InstanceId=instance, HeldBy=instance))
    refused("ValidationException", lambda: own.set_instance_power(InstanceId=instance, Power=power))
    refused("ResourceNotFoundException", lambda: own.set_instance_power(InstanceId="i-00000000000000000", Driver="none"))
    refused("ResourceNotFoundException", lambda: own.tag_instance(InstanceId="i-00000000000000000"))
    refused("ResourceNotFoundException", lambda: own.list_instances(InstanceId="i-00000000000000000"))
    refused("ValidationException", lambda: own.list_instances(MaxResults=0))
    refused("ValidationException", own.remove_instance)
    demo = server.client("ec2").run_instances(ImageId="ami-bare", MinCount=1, MaxCount=1)["Instances"][0]["InstanceId"]
    assert "demo machine" in refused("ValidationException", lambda: own.remove_instance(InstanceId=demo))
    refused("ValidationException", lambda: own.set_instance_power(InstanceId=demo, Driver="none"))


def test_pages_of_instances(server):
    own = stillpoint(server)
    made = {own.add_instance(Driver="none")["InstanceId"] for _ in range(3)}
    seen, token = [], {}
    while True:
        page = own.list_instances(MaxResults=2, **token)
        seen += [m["InstanceId"] for m in page["Instances"]]
        if "NextToken" not in page:
            break
        token = {"NextToken": page["NextToken"]}
    assert made <= set(seen) and seen == sorted(set(seen))


def test_a_driver_that_does_not_work_claims_nothing(server, machine, tmp_path):
    own = stillpoint(server)
    instance = own.add_instance(Driver="exec", Power={**machine.power(), "Status": [str(tmp_path / "gone")]})["InstanceId"]
    record = until(lambda: (m := shown(server, instance)) and m.get("PowerError") and m)
    assert record["State"] == "pending" and not record["PowerKnown"] and str(tmp_path / "gone") in record["PowerError"]
    own.set_instance_power(InstanceId=instance, Driver="exec", Power=machine.power())
    assert known(server, instance)["State"] == "stopped"
    # To driver none and back: its last state is not taken for granted.
    assert own.set_instance_power(InstanceId=instance, Driver="none")["State"] == "running"
    own.set_instance_power(InstanceId=instance, Driver="exec", Power=machine.power())
    assert known(server, instance)["State"] == "stopped"


def test_the_holder_of_a_driver_stays_as_long_as_it_holds_it(server, machine):
    own, ec2 = stillpoint(server), server.client("ec2")
    holder = ec2.run_instances(ImageId="ami-bare", MinCount=1, MaxCount=1)["Instances"][0]["InstanceId"]
    until(lambda: shown(server, holder)["Agent"] == "Online")
    tree = server.data / "machines" / holder / "root"
    # The holder sees its own tree: the commands lie there.
    inside = tree / "srv"
    inside.mkdir(exist_ok=True)
    for name, body in {"start": "echo running > /srv/state", "stop": "echo off > /srv/state", "status": "cat /srv/state"}.items():
        (inside / name).write_text(f"#!/bin/sh\n{body}\n")
        (inside / name).chmod(0o755)
    (inside / "state").write_text("off\n")
    power = {name.capitalize(): [f"/srv/{name}"] for name in ("start", "stop", "status")}
    instance = added(server, Driver="exec", Power=power, HeldBy=holder)
    ec2.start_instances(InstanceIds=[instance])
    until(lambda: state(server, instance) == "running")
    assert (inside / "state").read_text() == "running\n"
    assert instance in refused("IncorrectInstanceState", lambda: ec2.terminate_instances(InstanceIds=[holder]))
    own.remove_instance(InstanceId=instance)
    ec2.terminate_instances(InstanceIds=[holder])


def test_a_stopped_machine_is_read_by_its_volumes(server, machine):
    backup, own = server.client("backup"), stillpoint(server)
    data = machine.folder / "disk.qcow2"
    data.write_bytes(b"image" * 1000)
    instance = added(server, Driver="exec", Power=machine.power(), Tags=[{"Key": "run", "Value": "volumes"}])
    arn = f"arn:aws:ec2:us-east-1:000000000000:instance/{instance}"

    def job(**options):
        started = backup.start_backup_job(BackupVaultName="Default", ResourceArn=arn, IamRoleArn="arn:aws:iam::000000000000:role/b", **options)
        return until(lambda: (j := backup.describe_backup_job(BackupJobId=started["BackupJobId"])) and j["State"] in ("COMPLETED", "FAILED") and j, 60)

    blind = job()
    assert blind["State"] == "FAILED" and "no volumes are known on the host of agent 'host'" in blind["StatusMessage"]
    # The same before anything is touched, in a run.
    done = runs.finished(server, runs.start(server, "blind", runs.run_input(8, ids=[instance])))
    assert done["status"] == "FAILED" and "no volumes are known" in done["cause"] and "nothing was touched" in done["cause"]
    own.set_instance_power(InstanceId=instance, Volumes=[str(data)])
    good = job()
    assert good["State"] == "COMPLETED" and int(good["BackupSizeInBytes"]) == 5000
    inside = job(BackupOptions={"Paths": "/etc"})
    assert inside["State"] == "FAILED" and "paths inside the machine" in inside["StatusMessage"]
    point = backup.list_recovery_points_by_resource(ResourceArn=arn)["RecoveryPoints"][0]["RecoveryPointArn"]
    target = machine.folder / "restored"
    server.cli(["restore", "--recovery-point", point, "--to", str(target)])
    assert next(target.rglob("disk.qcow2")).read_bytes() == data.read_bytes()
    # A run finds it stopped, reads it and leaves it so.
    done = runs.finished(server, runs.start(server, "volumes", runs.run_input(8, ids=[instance])))
    assert done["status"] == "SUCCEEDED", done.get("cause")
    assert machine.calls() == [] and machine.state() == "shut off"


def test_a_machine_that_starts_while_its_volumes_are_read_fails_the_job(server, machine):
    backup = server.client("backup")
    backup.create_backup_vault(BackupVaultName="read-while-running")
    data = machine.folder / "disk"
    data.write_bytes(os.urandom(1 << 20))
    instance = added(server, Driver="exec", Power=machine.power(PollSeconds=0), Volumes=[str(data)])
    # Somebody starts it behind Stillpoint's back once its volumes are being read: packs are in the repository. However many looks came before,
    # those saw it off and the next one sees it run.
    packs = server.data / "vaults" / "read-while-running" / instance / "data"
    machine.script("status", f"find {packs} -type f 2>/dev/null | grep -q . && echo running || cat state")
    started = backup.start_backup_job(BackupVaultName="read-while-running", ResourceArn=f"arn:aws:ec2:us-east-1:000000000000:instance/{instance}",
                                      IamRoleArn="arn:aws:iam::000000000000:role/b")
    job = until(lambda: (j := backup.describe_backup_job(BackupJobId=started["BackupJobId"])) and j["State"] in ("COMPLETED", "FAILED") and j, 60)
    assert job["State"] == "FAILED" and "did not stay off while its volumes were read" in job["StatusMessage"], job


def test_preflight_of_a_run_with_stop_looks_at_the_driver(server, machine):
    # The agent of a machine that stands in for the host itself: no power driver.
    instance = stillpoint(server).add_instance(Driver="none", HostName="preflight")["InstanceId"]
    runs.upload_scripts(server)
    done = runs.finished(server, runs.start(server, "no-driver", runs.run_input(1, ids=[instance])))
    assert done["status"] == "FAILED" and done["error"] == "Stillpoint.StopFailed", done
    target = json.loads(done["cause"])["targets"][0]
    assert target["phase"] == "preflight" and "has no power driver" in target["message"] and "nothing was touched" in target["message"]
    assert server.client("ssm").list_command_invocations(InstanceId=instance)["CommandInvocations"] == []


@pytest.mark.parametrize("broken, told", [("stop", "the Stop command of {} cannot be run: {}/stop"), ("start", "the Start command of {} cannot be run: {}/start"),
                                          ("status", "said neither that it runs nor that it is off: 'paused'")])
def test_preflight_of_a_run_with_stop_looks_at_the_commands(server, machine, broken, told):
    machine.set("running")
    instance = added(server, Driver="exec", Power=machine.power(PollSeconds=300))
    if broken == "status":
        machine.set("paused")
    else:
        (machine.folder / broken).unlink()
    done = runs.finished(server, runs.start(server, f"preflight-{broken}", runs.run_input(4, ids=[instance])))
    target = json.loads(done["cause"])["targets"][0]
    assert done["status"] == "FAILED" and target["phase"] == "preflight", done
    assert told.format(instance, machine.folder) in target["message"] and "nothing was touched" in target["message"]
    assert machine.calls() == []


@pytest.mark.parametrize("words, told", [(["--argv", '["/nonexistent/qemu", "-m", "1"]'], "the program of {} cannot be run: /nonexistent/qemu"),
                                         (["--start", "/nonexistent/start", "--stop", "/bin/true", "--status", "/bin/echo off"], "the Start command of {} cannot be run: /nonexistent/start")])
def test_a_machine_that_could_not_be_started_is_told_when_it_is_added(server, words, told):
    done = server.cli(["instance", "add", "--json", *words], check=False)
    instance = json.loads(done.stdout)["InstanceId"]
    assert done.returncode == 1 and told.format(instance) in done.stderr
    # Its driver sees it and goes on saying so.
    record = known(server, instance)
    assert record["State"] == "stopped" and told.format(instance) in record["PowerError"]


def test_verbs_for_instances(server, machine, tmp_path):
    power = machine.power()
    done = server.cli(["instance", "add", "--name", "db1", "--tag", "a=b", "--json", "--start", power["Start"][0], "--stop", json.dumps(power["Stop"]),
                       "--status", power["Status"][0]])
    record = json.loads(done.stdout)
    instance = record["InstanceId"]
    assert record["State"] == "stopped" and record["Driver"] == "exec" and record["Tags"] == {"Name": "db1", "a": "b"}
    twice = server.cli(["instance", "add", "--start", power["Start"][0], "--stop", power["Stop"][0], "--status", power["Status"][0]], check=False)
    assert twice.returncode == 1 and "ResourceInUseException" in twice.stderr and instance in twice.stderr
    shell = server.cli(["instance", "add", "--start", "sh -c 'x'", "--stop", "/bin/true", "--status", "/bin/true"], check=False)
    assert shell.returncode == 2 and "without a shell" in shell.stderr
    assert server.cli(["instance", "add"], check=False).returncode == 2
    file = tmp_path / "power.json"
    file.write_text(json.dumps({**power, "Status": ["/nonexistent"]}))
    broken = server.cli(["instance", "power", instance, "--driver", "exec", "--power", str(file)], check=False)
    # Told by the look before it was taken, or by the one that followed.
    assert broken.returncode == 1 and ("cannot be run: /nonexistent" in broken.stderr or "cannot start /nonexistent" in broken.stderr)
    text = server.cli(["instance", "list"]).stdout
    line = next(line for line in text.splitlines() if instance in line)
    assert "exec" in line and "Name=db1" in line and "power: " in line
    file.write_text(json.dumps(power))
    assert server.cli(["instance", "power", instance, "--driver", "exec", "--power", str(file), "--volume", str(machine.folder)]).returncode == 0
    assert shown(server, instance)["Volumes"] == [str(machine.folder)]
    assert server.cli(["instance", "tag", instance, "c=d", "--remove", "a"]).stdout == "Name=db1\nc=d\n"
    assert "left as it is" in server.cli(["instance", "remove", instance]).stdout
    assert machine.calls() == []


def test_records_and_their_power_survive_a_kill(fresh_server, machine):
    server = fresh_server
    machine.script("stop", "while [ ! -e go ]; do sleep 0.05; done; echo 'shut off' > state")
    machine.set("running")
    instance = added(server, Driver="exec", Power=machine.power())
    server.client("ec2").stop_instances(InstanceIds=[instance])
    until(lambda: machine.calls() == ["stop"])
    server.kill()
    (machine.folder / "go").touch()
    until(lambda: machine.state() == "shut off")
    server.start()
    until(lambda: state(server, instance) == "stopped", 30)
    assert machine.calls() == ["stop"], "the stop was asked for once"
    assert pathlib.Path(server.data / "host-agent" / "power" / instance / "power.json").exists()

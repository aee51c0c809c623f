"""The packaged agent in a real Debian guest with systemd: enrolment, its unit, what outlives it, power through the qemu driver.

Runs in `./x soak guest`: one boot serves all tests, in this order.
"""
import json
import os
import pathlib
import shutil
import subprocess

import pytest

from tests.guest.guest import HOST, Guest, image
from tests.support import runs
from tests.support.own_model import stillpoint
from tests.support.server import ROOT, Server
from tests.support.until import until

pytestmark = [pytest.mark.skipif(not os.environ.get("STILLPOINT_GUEST"), reason="runs in ./x soak guest"), pytest.mark.xdist_group("guest")]


# Longer than an agent is away when its watchdog hits; a freeze of an agent that was stopped is waited for so long.
LEASE = 45
# The freeze guard, as /proc/PID/cmdline.
GUARD = "{ grep -ls agent-guar[d] /proc/[0-9]*/cmdline || true; } | grep ."


def newer(package, folder):
    """The same package with a higher version: an upgrade."""
    tree = folder / "newer"
    subprocess.run(["dpkg-deb", "-R", package, tree], check=True)
    control = tree / "DEBIAN" / "control"
    control.write_text(control.read_text().replace("\nArchitecture:", "+upgrade\nArchitecture:", 1))
    # Other bytes, so that the program's file is really another one.
    with open(tree / "usr/bin/stillpoint", "ab") as program:
        program.write(b"\0upgrade")
    subprocess.run(["dpkg-deb", "--root-owner-group", "-Zgzip", "--build", tree, folder / "upgrade.deb"], check=True, stdout=subprocess.DEVNULL)
    shutil.rmtree(tree)
    return folder / "upgrade.deb"


class World:
    """A server, and the guest as one of its machines."""

    def __init__(self, folder):
        self.server = Server(folder / "server", args=["--config", str(folder / "server.toml")])
        self.server.directory.mkdir()
        (folder / "server.toml").write_text(f"[runs]\nfreeze_lease_seconds = {LEASE}\n")
        self.server.start()
        package = max((ROOT / "build" / "package").glob("stillpoint_*.deb"), key=lambda path: path.stat().st_mtime)
        (folder / "stillpoint.deb").write_bytes(package.read_bytes())
        self.guest = Guest(folder, [folder / "stillpoint.deb", newer(package, folder)])
        self.own, self.ec2, self.ssm = stillpoint(self.server), self.server.client("ec2"), self.server.client("ssm")
        self.id = self.own.add_instance(Driver="qemu", Power={"Argv": self.guest.argv, "StopTimeoutInSeconds": 90}, HostName="guest")["InstanceId"]

    def state(self):
        return self.ec2.describe_instances(InstanceIds=[self.id])["Reservations"][0]["Instances"][0]["State"]["Name"]

    def online(self, seconds=60):
        until(lambda: self.own.list_instances(InstanceId=self.id)["Instances"][0]["Agent"] == "Online", seconds, "the guest's agent online")

    def send(self, script):
        command = self.ssm.send_command(InstanceIds=[self.id], DocumentName="AWS-RunShellScript", Parameters={"commands": script.splitlines()})
        return command["Command"]["CommandId"]

    def ended(self, command, seconds=60):
        def look():
            shown = self.ssm.get_command_invocation(CommandId=command, InstanceId=self.id)
            return shown if shown["Status"] not in ("Pending", "InProgress", "Delayed") else None
        return until(look, seconds, f"the end of command {command}")

    def back_up(self, path):
        return self.server.client("backup").start_backup_job(
            BackupVaultName="Default", ResourceArn=f"arn:aws:ec2:us-east-1:000000000000:instance/{self.id}",
            IamRoleArn="arn:aws:iam::000000000000:role/b", BackupOptions={"Paths": path})["BackupJobId"]

    def backed_up(self, job):
        backup = self.server.client("backup")
        return until(lambda: (j := backup.describe_backup_job(BackupJobId=job)) and j["State"] in ("COMPLETED", "FAILED", "PARTIAL") and j, 120)

    def main_pid(self):
        return self.guest.run("systemctl show -P MainPID stillpoint-agent")

    def long_script(self, name):
        """A script that runs until /run/go-NAME is there; its command, once it has begun."""
        command = self.send(f"echo begun-{name}\ncat /proc/$$/cgroup > /run/cgroup-{name}\ntouch /run/begun-{name}\nwhile [ ! -e /run/go-{name} ]; do sleep 0.2; done\necho done-{name}")
        self.guest.until(f"test -e /run/begun-{name}")
        return command

    def let_end(self, name, command):
        self.guest.run(f"touch /run/go-{name}")
        ended = self.ended(command)
        assert ended["Status"] == "Success" and ended["StandardOutputContent"] == f"begun-{name}\ndone-{name}\n", ended
        assert self.guest.run(f"ls /run/begun-{name}"), "it ran once and to its end"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    assert image(), "there is no guest: run ./x guest"
    made = World(tmp_path_factory.mktemp("guest"))
    yield made
    made.guest.close()
    made.server.close()


def test_the_driver_boots_it(world):
    until(lambda: world.own.list_instances(InstanceId=world.id)["Instances"][0]["PowerKnown"])
    assert world.state() == "stopped"
    world.ec2.start_instances(InstanceIds=[world.id])
    until(lambda: world.state() == "running")
    world.guest.connect()
    assert world.guest.run("cat /etc/debian_version").startswith("12")
    assert world.own.list_instances(InstanceId=world.id)["Instances"][0]["Agent"] == "Offline", "running and agent online are two things"


def test_the_package_installs_and_starts_nothing(world):
    world.guest.run("dpkg -i /run/files/stillpoint.deb", 120)
    for unit in ("stillpoint", "stillpoint-agent"):
        assert world.guest.ask(f"systemctl is-enabled {unit}")[1].strip() == "disabled"
        assert world.guest.ask(f"systemctl is-active {unit}")[1].strip() == "inactive"
    assert world.guest.ask("systemctl is-system-running")[1].strip() in ("running", "degraded", "starting")
    world.guest.run("systemd-analyze verify stillpoint.service stillpoint-agent.service 2>&1 | grep -v man || true")


def test_the_unit_enrols_and_is_ready(world):
    port = world.server.agents.rpartition(":")[2]
    made = json.loads(world.server.cli(["enrol", "--instance", world.id, "--json"]).stdout)
    token = next(value for key, value in made.items() if key.lower() == "token")
    world.guest.run(f"umask 077; mkdir -p /etc/stillpoint; echo {token} > /etc/stillpoint/token")
    world.guest.run(f"echo 'STILLPOINT_AGENT_OPTIONS=\"--server {HOST}:{port} --token-file /etc/stillpoint/token\"' > /etc/default/stillpoint-agent")
    # For the watchdog's test, which would else wait for minutes.
    world.guest.run("mkdir -p /etc/systemd/system/stillpoint-agent.service.d; printf '[Service]\\nWatchdogSec=8\\nTimeoutAbortSec=2\\nRestartSec=1\\n' "
                    "> /etc/systemd/system/stillpoint-agent.service.d/test.conf; systemctl daemon-reload")
    world.guest.run("systemctl enable --now stillpoint-agent", 90)
    world.online()
    world.guest.until("systemctl show -P StatusText stillpoint-agent | grep -q Connected", 20)
    ended = world.ended(world.send("hostname; id -un"))
    assert ended["Status"] == "Success" and ended["StandardOutputContent"] == "guest\nroot\n", ended


def test_scripts_stand_in_a_scope_of_their_own(world):
    command = world.long_script("scope")
    cgroup = world.guest.run("cat /run/cgroup-scope")
    assert "stillpoint-scripts-" in cgroup and ".scope" in cgroup, cgroup
    world.let_end("scope", command)


def test_a_restart_of_the_unit_ends_no_script(world):
    command, before = world.long_script("restart"), world.main_pid()
    world.guest.run("systemctl restart stillpoint-agent", 90)
    assert world.main_pid() != before
    world.online()
    world.let_end("restart", command)


def test_a_watchdog_hit_ends_no_script(world):
    command, before = world.long_script("watchdog"), world.main_pid()
    world.guest.run(f"kill -STOP {before}")
    world.guest.until(f"p=$(systemctl show -P MainPID stillpoint-agent); test $p != 0 && test $p != {before}", 60)
    assert "watchdog" in world.guest.run("journalctl -u stillpoint-agent --no-pager | grep -i watchdog | head -3").lower()
    world.online()
    world.let_end("watchdog", command)


def test_an_agent_that_lives_is_not_hit(world):
    before = world.main_pid()
    # Longer than its watchdog's time, with nothing to do.
    world.guest.run("sleep 12")
    assert world.main_pid() == before


def test_an_upgrade_of_the_package_ends_no_script(world):
    command, before = world.long_script("upgrade"), world.main_pid()
    world.guest.run("dpkg -i /run/files/upgrade.deb", 120)
    assert world.guest.run("dpkg-query -W -f '${Version}' stillpoint").endswith("+upgrade")
    assert world.main_pid() != before
    assert "deleted" not in world.guest.run(f"readlink /proc/{world.main_pid()}/exe")
    world.online()
    world.let_end("upgrade", command)


def test_its_agent_takes_backups(world):
    job = world.backed_up(world.back_up("/etc"))
    assert job["State"] == "COMPLETED", job.get("StatusMessage")


def outlives(world, name, act):
    """A backup under way while `act` puts another agent in the place of the one that started it."""
    before = world.main_pid()
    world.guest.run(f"mkdir -p /srv/{name} && head -c 60000000 /dev/urandom > /srv/{name}/data", 120)
    job = world.back_up(f"/srv/{name}")
    world.guest.until("pidof restic", 60)
    restic = world.guest.run("pidof restic")
    # Held, so that it is certainly at work before and after.
    world.guest.run(f"kill -STOP {restic}")
    cgroup = world.guest.run(f"cat /proc/{restic}/cgroup")
    assert "stillpoint-scripts-" in cgroup and ".scope" in cgroup, cgroup
    relay = world.guest.run("grep -l agent-rela[y] /proc/[0-9]*/cmdline")
    act(before)
    world.guest.until(f"p=$(systemctl show -P MainPID stillpoint-agent); test $p != 0 && test $p != {before}", 60)
    world.online()
    assert world.guest.run("pidof restic") == restic and world.guest.run("grep -l agent-rela[y] /proc/[0-9]*/cmdline") == relay
    world.guest.run(f"kill -CONT {restic}")
    ended = world.backed_up(job)
    assert ended["State"] == "COMPLETED", ended.get("StatusMessage")
    assert world.guest.ask("grep -l agent-rela[y] /proc/[0-9]*/cmdline")[0] != 0, "it ends with its restic"
    world.guest.run(f"rm -r /srv/{name}")


def test_a_restart_of_the_unit_ends_no_backup(world):
    outlives(world, "restart", lambda pid: world.guest.run("systemctl restart stillpoint-agent", 90))


def test_a_watchdog_hit_ends_no_backup(world):
    outlives(world, "watchdog", lambda pid: world.guest.run(f"kill -STOP {pid}"))


def test_another_version_of_the_package_ends_no_backup(world):
    """Back to the one before the upgrade: dpkg puts another program in the agent's place either way."""
    outlives(world, "version", lambda pid: world.guest.run("dpkg -i /run/files/stillpoint.deb", 120))
    assert not world.guest.run("dpkg-query -W -f '${Version}' stillpoint").endswith("+upgrade")


def freeze(world, name):
    """A rehearsal that is frozen, its pre-script at work until /run/go-NAME is there: its execution, the process id of the guard."""
    runs.upload_scripts(world.server, pre=f"#!/bin/sh\ntouch /run/frozen-{name}\nwhile [ ! -e /run/go-{name} ]; do sleep 0.2; done\n",
                        post=f"#!/bin/sh\nrm -f /run/frozen-{name}\n")
    scripts = {f"{part.capitalize()}BackupScriptDetails": {"SourceS3Path": f"s3://{runs.BUCKET}/{part}.sh", "CommandToRun": f"{part}.sh"} for part in ("pre", "post")}
    run = runs.start(world.server, f"frozen-{name}", {"TargetEC2Instances": [world.id], "Rehearsal": True, "RemoteRunCommandDetails": scripts})
    world.guest.until(f"test -e /run/frozen-{name}")
    return run, world.guest.run(GUARD)


def test_no_restart_upgrade_or_watchdog_hit_ends_the_freeze_guard(world):
    run, guard = freeze(world, "guard")
    cgroup = world.guest.run(f"cat {guard.replace('cmdline', 'cgroup')}")
    assert "stillpoint-guard-" in cgroup and ".scope" in cgroup, cgroup
    for act in (lambda pid: world.guest.run("systemctl restart stillpoint-agent", 90), lambda pid: world.guest.run(f"kill -STOP {pid}"),
                lambda pid: world.guest.run("dpkg -i /run/files/upgrade.deb", 120)):
        before = world.main_pid()
        act(before)
        world.guest.until(f"p=$(systemctl show -P MainPID stillpoint-agent); test $p != 0 && test $p != {before}", 60)
        world.online()
        assert world.guest.run(GUARD) == guard and world.guest.run("ls /run/frozen-guard")
    world.guest.run("touch /run/go-guard")
    ended = runs.finished(world.server, run)
    assert ended["status"] == "SUCCEEDED", ended
    assert world.guest.ask("ls /run/frozen-guard")[0] != 0
    world.guest.until(f"! {GUARD}", 20)


def test_the_guard_thaws_when_the_agent_is_stopped(world):
    run, _ = freeze(world, "alone")
    world.guest.run("systemctl stop stillpoint-agent", 90)
    # Its pre-script still runs: it is ended first.
    world.guest.until("! test -e /run/frozen-alone", LEASE + 30)
    assert world.guest.ask("systemctl is-active stillpoint-agent")[1].strip() == "inactive"
    world.guest.run("systemctl start stillpoint-agent", 90)
    world.online()
    ended = runs.finished(world.server, run)
    assert (ended["status"], ended["error"]) == ("FAILED", "Stillpoint.PreScriptFailed"), ended
    assert not world.own.list_owed(InstanceId=world.id)["Debts"]
    thaws = [i for i in world.ssm.list_command_invocations(InstanceId=world.id)["CommandInvocations"] if "guard" in i["Comment"]]
    assert thaws and thaws[0]["Status"] == "Success", thaws
    world.guest.until(f"! {GUARD}", 20)


def test_it_shuts_down_by_the_power_button_and_comes_back(world):
    world.ec2.stop_instances(InstanceIds=[world.id])
    until(lambda: world.state() != "stopping", 120)
    record = world.own.list_instances(InstanceId=world.id)["Instances"][0]
    assert record["State"] == "stopped", record.get("PowerError")
    console = world.guest.console.read_text(errors="replace")
    assert "Reached target" in console and "Powering Off" in console or "Power down" in console, console[-2000:]
    world.guest.close()
    world.ec2.start_instances(InstanceIds=[world.id])
    until(lambda: world.state() == "running")
    world.online(120)
    world.guest.connect()
    # It came back by itself, with the identity it had, and knows no script of the boot before.
    assert world.guest.run("systemctl is-enabled stillpoint-agent") == "enabled"
    assert world.ended(world.send("cat /proc/uptime"))["Status"] == "Success"


def test_exit_code_194_reboots_a_machine_without_a_driver(world):
    """By its own init: the agent comes back, runs the step again and tells both runs' output."""
    world.own.set_instance_power(InstanceId=world.id, Driver="none")
    before = world.guest.run("cat /proc/sys/kernel/random/boot_id")
    command = world.send("echo run >> /var/tmp/runs; cat /var/tmp/runs /proc/sys/kernel/random/boot_id\n[ $(wc -l < /var/tmp/runs) = 2 ] || exit 194")
    ended = world.ended(command, 180)
    assert ended["Status"] == "Success", ended
    said = ended["StandardOutputContent"].split()
    assert said[:2] == ["run", before] and said[2:4] == ["run", "run"] and said[4] != before, said
    world.guest.kill()
    assert pathlib.Path(f"{image()}.img").exists()

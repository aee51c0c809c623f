"""The demo as a person runs it, and the controls that must fail: a freeze that freezes nothing, one flipped byte."""
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess

import pytest

from tests.support import runs
from tests.support.server import BINARY, Server
from tests.support.until import until

pytestmark = pytest.mark.xdist_group("demo")
PACKAGING = pathlib.Path(__file__).resolve().parents[2] / "packaging" / "demo"


def demo(tmp_path, *args, **options):
    return subprocess.run([BINARY, "demo", *args], capture_output=True, text=True, timeout=300, check=False, env={**os.environ, "TMPDIR": str(tmp_path)}, **options)


def left(tmp_path):
    return [entry.name for entry in tmp_path.iterdir()]


def machines(tmp_path):
    """(pid, namespace) of the machines that were started."""
    found = []
    for state in tmp_path.glob("stillpoint-demo-*/state/machines/i-*/state.json"):
        value = json.loads(state.read_text())
        found.append((value["pid"], value["namespace"]))
    return found


def alive(machine):
    try:
        return os.readlink(f"/proc/{machine[0]}/ns/pid") == machine[1]
    except OSError:
        return False


def test_demo_proves_its_backup_and_leaves_nothing(tmp_path):
    done = demo(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    for said in ("it starts without recovery", "both chains are equal", "it is the pre-script's marker", "Proved: an application-consistent backup"):
        assert said in done.stdout
    assert re.search(r"SUCCEEDED  path 1", done.stdout) and "PreBackupScriptStatus" in done.stdout
    assert left(tmp_path) == []


def test_interrupted_demo_is_cleaned_up_by_itself_or_by_the_next(tmp_path):
    process = subprocess.Popen([BINARY, "demo"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ, "TMPDIR": str(tmp_path)})
    made = until(lambda: machines(tmp_path), 60, "machines of the demo")
    process.send_signal(signal.SIGINT)
    told, _ = process.communicate(timeout=60)
    assert process.returncode == 1 and left(tmp_path) == [], told
    assert "the demo was interrupted" in told and "server.log" not in told
    assert not [machine for machine in made if alive(machine)]

    process = subprocess.Popen([BINARY, "demo"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ, "TMPDIR": str(tmp_path)})
    made = until(lambda: machines(tmp_path), 60, "machines of the demo")
    assert all(alive(machine) for machine in made)
    directory = next(tmp_path.glob("stillpoint-demo-*"))
    process.kill()
    process.communicate(timeout=60)
    done = subprocess.run([BINARY, "demo", "--stop", str(directory)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert left(tmp_path) == []
    assert not [machine for machine in made if alive(machine)]


def fails(tmp_path, *args):
    """A demo whose server is killed: its directory and all that it said."""
    process = subprocess.Popen([BINARY, "demo", *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ, "TMPDIR": str(tmp_path)})
    until(lambda: machines(tmp_path), 60, "machines of the demo")
    directory = next(tmp_path.glob("stillpoint-demo-*"))
    os.kill(int((directory / "state" / "lock").read_text()), signal.SIGKILL)
    told, _ = process.communicate(timeout=120)
    assert process.returncode == 1, told
    return directory, told


def test_a_demo_that_fails_keeps_the_servers_log(tmp_path):
    directory, told = fails(tmp_path)
    log = pathlib.Path(f"{directory}.log")
    assert str(log) in told, told
    assert not directory.exists() and "keys that only this server holds" in log.read_text()


def test_a_demo_that_fails_and_is_kept_names_its_log(tmp_path):
    directory, told = fails(tmp_path, "--keep")
    try:
        assert f"{directory}/server.log" in told, told
    finally:
        subprocess.run([BINARY, "demo", "--stop", str(directory)], check=True, timeout=60)


@pytest.fixture
def demo_machine(tmp_path):
    server = Server(tmp_path).start()
    instance = runs.launch(server, image="ami-demo")[0]
    until(lambda: runs.shell(server, instance, (PACKAGING / "ready.sh").read_text(), 120), 120, "the database")
    yield server, instance
    server.close()


def back_up_and_restore(server, instance, name, directory):
    arn = runs.start(server, name, runs.run_input(1, ids=[instance]))
    end = runs.finished(server, arn, 120)
    assert end["status"] == "SUCCEEDED", end
    entry = runs.statuses(server, arn)[instance]
    server.cli(["restore", "--recovery-point", entry["RecoveryPointArn"], "--to", str(directory)])
    output = server.client("ssm").get_command_invocation(CommandId=entry["PreCommandId"], InstanceId=instance, PluginName="runShellScript")["StandardOutputContent"]
    return output


def verify(directory, marker=None):
    words = [BINARY, "demo-verify", str(directory)] + (["--marker", marker] if marker else [])
    return subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)


def test_controls_that_must_fail(demo_machine, tmp_path):
    server, instance = demo_machine
    runs.upload_scripts(server, (PACKAGING / "pre-script.sh").read_text(), (PACKAGING / "post-script.sh").read_text())
    output = back_up_and_restore(server, instance, "good", tmp_path / "good")
    number, digest = re.search(r"MARKER (\d+) ([0-9a-f]+)", output).groups()
    good = verify(tmp_path / "good", f"{number}:{digest}")
    assert good.returncode == 0, good.stdout + good.stderr

    # One flipped byte in a table's file is found.
    data = tmp_path / "good" / "var/lib/postgresql/data/base"
    victim = max((f for f in data.rglob("*") if f.is_file()), key=lambda f: f.stat().st_size)
    with open(victim, "r+b") as file:
        file.seek(8192 * 3 + 4000)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 1]))
    flipped = verify(tmp_path / "good", f"{number}:{digest}")
    assert flipped.returncode == 1 and "checksum" in flipped.stdout, flipped.stdout
    shutil.rmtree(tmp_path / "good")

    # A pre-script that does nothing: the restored chains do not end at a marker.
    runs.upload_scripts(server, "#!/bin/sh\nexit 0\n", "#!/bin/sh\nexit 0\n")
    back_up_and_restore(server, instance, "nothing", tmp_path / "nothing")
    nothing = verify(tmp_path / "nothing")
    assert nothing.returncode == 1, nothing.stdout
    assert re.search(r"(FAIL|BAD|not|no) .*marker|marker.*(FAIL|not)", nothing.stdout), nothing.stdout

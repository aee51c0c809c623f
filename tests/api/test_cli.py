"""People's verbs against a real server: what they print, what they exit with."""
import json
import os
import pty
import subprocess

import pytest

from tests.support import runs
from tests.support.server import BINARY
from tests.support.until import until


@pytest.fixture(scope="module")
def machine(server):
    runs.upload_scripts(server)
    return runs.launch(server)[0]


def test_run_ends_with_0_and_show_and_list_tell_it(server, machine):
    done = server.cli(["run", "--tag", "backup-job=true", "--stop", "--pre", "s3://scripts/pre.sh", "--post", "s3://scripts/post.sh", "--name", "nightly"])
    assert "nightly SUCCEEDED" in done.stdout and "\x1b" not in done.stdout
    shown = server.cli(["show", "nightly"]).stdout
    assert machine in shown and "path 1: pre, stop, backup, start, post" in shown and "recovery-point" in shown
    listed = json.loads(server.cli(["list", "--json"]).stdout)
    assert [e["name"] for e in listed if e["status"] == "SUCCEEDED"] == ["nightly"]
    assert "nightly" in server.cli(["list"]).stdout


def test_run_json_is_one_document(server, machine):
    done = server.cli(["run", "--instance", machine, "--json", "--name", "as-json"])
    run = json.loads(done.stdout)
    assert run["Status"] == "SUCCEEDED" and run["Path"] == 8 and [lane["InstanceId"] for lane in run["Lanes"]] == [machine]


def test_run_ends_with_1_when_a_machine_did_not_reach_what_was_asked(server, machine):
    server.client("s3").put_object(Bucket=runs.BUCKET, Key="bad.sh", Body=b"#!/bin/sh\nexit 3\n")
    done = server.cli(["run", "--instance", machine, "--pre", "s3://scripts/bad.sh", "--name", "bad"], check=False)
    assert done.returncode == 1
    assert "Stillpoint.PreScriptFailed" in done.stdout and machine in done.stdout


def test_show_tells_why_another_machine_s_execution_failed(server):
    sfn = server.client("stepfunctions")
    machine = sfn.create_state_machine(name="fails", roleArn=runs.ROLE, definition=json.dumps(
        {"StartAt": "A", "States": {"A": {"Type": "Fail", "Error": "Mine.Broken", "Cause": "the tape is full"}}}))["stateMachineArn"]
    arn = sfn.start_execution(stateMachineArn=machine, name="x")["executionArn"]
    until(lambda: sfn.describe_execution(executionArn=arn)["status"] == "FAILED", 20, "its end")
    shown = server.cli(["show", arn], check=False).stdout
    assert "Mine.Broken" in shown and "the tape is full" in shown, shown


def test_run_reads_its_input_from_a_file_or_standard_input(server, machine, tmp_path):
    value = runs.run_input(8, ids=[machine])
    file = tmp_path / "run.json"
    file.write_text(json.dumps(value))
    assert server.cli(["run", "--input", str(file), "--name", "from-file"]).returncode == 0
    assert server.cli(["run", "--input", "-", "--name", "from-stdin"], input=json.dumps(value)).returncode == 0


def test_run_without_machines_is_wrong_usage(server):
    done = server.cli(["run"], check=False)
    assert done.returncode == 2 and "--tag KEY=VALUE" in done.stderr


def test_detached_run_is_watched_later(server, machine):
    arn = server.cli(["run", "--instance", machine, "--detach", "--name", "detached"]).stdout.strip()
    assert arn.endswith(":execution:PrePostBackup:detached")
    assert "detached SUCCEEDED" in server.cli(["watch", "detached"]).stdout
    last = [json.loads(line) for line in server.cli(["watch", arn, "--json"]).stdout.splitlines()][-1]
    assert last["Status"] == "SUCCEEDED"


def test_restore_brings_files_back(server, machine, tmp_path):
    runs.shell(server, machine, "mkdir -p /srv && echo kept > /srv/file")
    run = json.loads(server.cli(["run", "--instance", machine, "--json", "--name", "to-restore"]).stdout)
    target = tmp_path / "restored"
    done = server.cli(["restore", "--recovery-point", run["Lanes"][0]["RecoveryPointArn"], "--to", str(target), "--include", "/srv"])
    assert f"restored into {target}" in done.stdout
    assert (target / "srv" / "file").read_text() == "kept\n"


def test_restore_without_a_target_is_wrong_usage(server):
    done = server.cli(["restore", "--recovery-point", "arn:aws:backup:us-east-1:000000000000:recovery-point:x"], check=False)
    assert done.returncode == 2 and "--to" in done.stderr


def test_instance_list_tells_state_agent_and_tags(server, machine):
    text = server.cli(["instance", "list"]).stdout
    assert machine in text and "running" in text and "Online" in text and "backup-job=true" in text
    found = {i["InstanceId"]: i for i in json.loads(server.cli(["instance", "list", "--json"]).stdout)}
    assert found[machine]["Tags"] == {"backup-job": "true"} and found[machine]["Agent"] == "Online"


def test_exported_key_opens_the_repository_with_plain_restic(server, machine):
    runs.finished(server, runs.start(server, "for-the-key", runs.run_input(8, ids=[machine])))
    keys = json.loads(server.cli(["vault", "key", "export", "--json"]).stdout)["Keys"]
    key = next(k for k in keys if k["InstanceId"] == machine)
    done = subprocess.run(["restic", "-r", key["Repository"], "--no-cache", "--no-lock", "snapshots", "--json"], capture_output=True, text=True, check=True,
                          env={**os.environ, "RESTIC_PASSWORD": key["Key"]}, timeout=60)
    assert json.loads(done.stdout)
    assert key["Key"] not in server.log()


def test_watch_draws_on_a_terminal(server, machine):
    arn = server.cli(["run", "--instance", machine, "--detach", "--name", "drawn"]).stdout.strip()
    runs.finished(server, arn)
    master, slave = pty.openpty()
    process = subprocess.Popen([BINARY, "watch", "drawn", "--data-dir", str(server.data)], stdout=slave, stderr=slave, env={**os.environ, "TERM": "xterm-256color"})
    os.close(slave)
    text = b""

    def ended():
        nonlocal text
        try:
            text += os.read(master, 65536)
        except OSError:
            return True
        return False

    until(ended, 30, "the end of watch", every=0)
    assert process.wait(10) == 0
    assert "✓ backup".encode() in text and b"\x1b[32m" in text


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_completion_scripts_parse(shell):
    script = subprocess.run([BINARY, "completion", shell], capture_output=True, text=True, check=True).stdout
    assert "stillpoint" in script
    if shell == "bash":
        verbs = f'{script}\nPATH={os.path.dirname(os.path.realpath(BINARY))}:$PATH; COMP_WORDS=(stillpoint "st"); COMP_CWORD=1; _stillpoint; printf "%s\\n" "${{COMPREPLY[@]}}"'
        assert subprocess.run(["bash", "-c", verbs], capture_output=True, text=True, check=True).stdout.split() == ["status"]
        words = f'{script}\nPATH={os.path.dirname(os.path.realpath(BINARY))}:$PATH; COMP_WORDS=(stillpoint instance ""); COMP_CWORD=2; _stillpoint; printf "%s\\n" "${{COMPREPLY[@]}}"'
        assert "list" in subprocess.run(["bash", "-c", words], capture_output=True, text=True, check=True).stdout.split()


def test_every_verb_has_help_and_unknown_ones_are_refused():
    for verb in ("serve", "agent", "env", "aws", "run", "watch", "list", "show", "status", "tail", "rehearse", "restore", "instance", "schedule", "vault", "demo", "completion"):
        done = subprocess.run([BINARY, verb, "--help"], capture_output=True, text=True, check=False)
        assert done.returncode == 0 and verb in done.stdout, verb
    assert "Examples" in subprocess.run([BINARY, "run", "--help"], capture_output=True, text=True, check=True).stdout
    assert subprocess.run([BINARY, "dance"], capture_output=True, text=True, check=False).returncode == 2

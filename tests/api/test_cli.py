"""People's verbs against a real server: what they print, what they exit with."""
import json
import os
import pty
import signal
import socket
import subprocess
import urllib.request

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


def test_verbs_follow_what_env_sets(server, machine):
    """The shell's aws and its stillpoint go to the same server."""
    script = f'eval "$("{BINARY}" env --data-dir "{server.data}")"; "{BINARY}" instance list --json; "{BINARY}" status --json'
    clean = {"PATH": os.environ["PATH"], "HOME": str(server.directory)}
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60, env=clean, check=False)
    assert machine in done.stdout and str(server.data) in done.stdout, done
    key, secret = server.credentials
    far = subprocess.run([BINARY, "instance", "list"], capture_output=True, text=True, timeout=60, check=True,
                         env={**clean, "STILLPOINT_ENDPOINT": server.api, "AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret})
    assert machine in far.stdout


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

        def offered(*typed):
            line = " ".join(f'"{word}"' for word in ("stillpoint", *typed, ""))
            asked = f'{script}\nPATH={os.path.dirname(os.path.realpath(BINARY))}:$PATH; COMP_WORDS=({line}); COMP_CWORD={len(typed) + 1}; _stillpoint; printf "%s\\n" "${{COMPREPLY[@]}}"'
            return subprocess.run(["bash", "-c", asked], capture_output=True, text=True, check=True).stdout.split()

        for typed in ((), ("run",), ("enrol",), ("instance", "add"), ("events",), ("restore",), ("events", "dead")):
            got = offered(*typed)
            assert "--help" in got and len(got) == len(set(got)), (typed, got)
            assert all(word.strip("-").replace("-", "").isalpha() for word in got), (typed, got)
        # What a description speaks of is no word of the verb.
        assert "--again" not in offered() and "--again" in offered("run")
        assert {"bash", "zsh"} <= set(offered("completion"))
        assert "--recovery-point" in offered("restore")


@pytest.mark.parametrize("words", [["--help"], ["completion", "bash"], ["run", "--help"]])
def test_output_that_cannot_be_written_is_an_error(words):
    with open("/dev/full", "wb") as full:
        done = subprocess.run([BINARY, *words], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1 and done.stderr == \
        "stillpoint: cli.output: cannot write to standard output, what was printed is incomplete: No space left on device\n", done
    # Who stopped reading does not want to hear of it, whether the signal ends the verb or is ignored.
    for preexec in (None, lambda: signal.signal(signal.SIGPIPE, signal.SIG_IGN)):
        reader, writer = os.pipe()
        os.close(reader)
        done = subprocess.run([BINARY, *words], stdout=writer, stderr=subprocess.PIPE, text=True, check=False, preexec_fn=preexec, restore_signals=preexec is None)
        os.close(writer)
        assert done.stderr == "", done


def test_every_verb_has_help_and_unknown_ones_are_refused():
    for verb in ("serve", "agent", "env", "aws", "run", "watch", "list", "show", "status", "tail", "rehearse", "restore", "instance", "schedule", "vault", "demo", "completion"):
        done = subprocess.run([BINARY, verb, "--help"], capture_output=True, text=True, check=False)
        assert done.returncode == 0 and verb in done.stdout, verb
    assert "Examples" in subprocess.run([BINARY, "run", "--help"], capture_output=True, text=True, check=True).stdout
    for words, told in ((["dance"], "there is no verb 'dance': see stillpoint --help"), (["ru", "--tag", "a=b"], "there is no verb 'ru': see stillpoint --help"),
                        (["instance", "foo"], "there is no verb 'instance foo': see stillpoint instance --help"),
                        (["vault", "key", "x"], "there is no verb 'vault key x': see stillpoint vault key --help"),
                        (["enrol", "x"], "there is no verb 'enrol x': see stillpoint enrol --help")):
        done = subprocess.run([BINARY, *words], capture_output=True, text=True, check=False)
        assert done.returncode == 2 and done.stderr == f"stillpoint: {told}\n", done.stderr
    assert "subcommand is required" in subprocess.run([BINARY], capture_output=True, text=True, check=False).stderr


@pytest.mark.parametrize("words,told", [(["list", "--limit", "0"], "--limit: 0 is not a whole number from 1 to 1000000"), (["list", "--limit=-1"], "--limit: -1 is not"),
                                        (["tail", "x", "--last", "-5"], "--last: -5 is not a whole number from 0 to"), (["tail", "x", "--last", "many"], "--last: many is not")])
def test_numbers_out_of_range_are_wrong_usage(words, told):
    done = subprocess.run([BINARY, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and told in done.stderr, done.stderr


def test_presigned_urls_of_the_aws_cli_are_good(server):
    s3 = server.client("s3")
    s3.create_bucket(Bucket="by-url")
    s3.put_object(Bucket="by-url", Key="a b", Body=b"content")
    config = server.data / "aws-config"
    # What an earlier version wrote is written anew.
    config.write_text("[default]\nregion = us-east-1\ncli_pager =\n")
    script = f'eval "$("{BINARY}" env --data-dir "{server.data}")"; aws s3 presign "s3://by-url/a b"'
    url = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True, timeout=60, env={"PATH": os.environ["PATH"], "HOME": str(server.directory)}).stdout.strip()
    assert "X-Amz-Signature=" in url
    with urllib.request.urlopen(url, timeout=10) as answer:
        assert answer.read() == b"content"
    assert "\ncli_follow_urlparam = false\n" in config.read_text()


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_an_interrupted_run_goes_on_and_says_so(server, machine, flags):
    server.client("s3").put_object(Bucket=runs.BUCKET, Key="wait.sh", Body=b"#!/bin/sh\nuntil [ -e /var/tmp/go ]; do sleep 0.05; done\n")
    name = "interrupted" + "-json" * len(flags)
    sfn = server.client("stepfunctions")
    arn = f"{runs.MACHINE.replace(':stateMachine:', ':execution:')}:{name}"
    runs.shell(server, machine, "rm -f /var/tmp/go")
    process = subprocess.Popen([BINARY, "run", "--instance", machine, "--pre", "s3://scripts/wait.sh", "--name", name, "--data-dir", str(server.data), *flags],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               # Whatever these tests were started with: what a shell gives to a program in its background ignores it.
                               preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    until(lambda: name in [e["name"] for e in sfn.list_executions(stateMachineArn=runs.MACHINE)["executions"]], 20, "the run's start")
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=20)
    assert process.returncode == 130
    assert f"{name} goes on" in told and f"stillpoint watch {name}" in told and f"aws stepfunctions stop-execution --execution-arn {arn}" in told
    assert sfn.describe_execution(executionArn=arn)["status"] == "RUNNING"
    runs.shell(server, machine, "touch /var/tmp/go")
    assert server.cli(["watch", name]).returncode == 0


def test_a_run_that_did_nothing_says_so(server, machine):
    done = server.cli(["run", "--instance", machine, "--vault", "no-such-vault", "--name", "no-vault"], check=False)
    assert done.returncode == 1 and f"{machine} nothing was done here\n" in done.stdout and f"{machine} done" not in done.stdout


def test_tail_begins_a_line_of_its_own(server, machine):
    ssm = server.client("ssm")
    command = ssm.send_command(InstanceIds=[machine], DocumentName="AWS-RunShellScript", Parameters={"commands": ["printf half; exit 3"]})["Command"]["CommandId"]
    done = subprocess.run([BINARY, "tail", command, "--data-dir", str(server.data)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=60)
    assert done.returncode == 3 and "half\nstillpoint: Failed on" in done.stdout, done.stdout
    apart = server.cli(["tail", command], check=False)
    assert apart.stdout == "half" and apart.stderr.startswith("stillpoint: Failed on")


def test_who_watches_bears_a_restart_of_the_server(fresh_server):
    server = fresh_server
    runs.upload_scripts(server, pre="#!/bin/sh\nuntil [ -e /var/tmp/go ]; do sleep 0.05; done\n")
    machine = runs.launch(server)[0]
    point = json.loads(server.cli(["run", "--instance", machine, "--json"]).stdout)["Lanes"][0]["RecoveryPointArn"]
    sfn, backup = server.client("stepfunctions"), server.client("backup")

    def verb(*words):
        return subprocess.Popen([BINARY, *words, "--data-dir", str(server.data)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    run = verb("run", "--instance", machine, "--pre", "s3://scripts/pre.sh", "--post", "s3://scripts/post.sh", "--name", "restarted", "--json")
    until(lambda: "restarted" in [e["name"] for e in sfn.list_executions(stateMachineArn=runs.MACHINE)["executions"]], 20, "the run's start")
    # Waits for the machine that the run holds.
    restore = verb("restore", "--recovery-point", point, "--instance", machine, "--to", "/srv/restored")
    until(lambda: backup.list_restore_jobs()["RestoreJobs"], 20, "the restore's start")
    server.stop()
    # Each calls in vain at least once: the port of a server that is away refuses.
    with pytest.raises(subprocess.TimeoutExpired):
        run.wait(1)
    assert restore.poll() is None, restore.communicate()
    server.start()
    runs.online(server, [machine])
    runs.shell(server, machine, "touch /var/tmp/go")
    told, errors = run.communicate(timeout=60)
    assert run.returncode == 0 and json.loads(told)["Status"] == "SUCCEEDED", errors
    told, errors = restore.communicate(timeout=60)
    assert restore.returncode == 0 and "restored into /srv/restored" in told, errors


def test_a_server_that_cannot_be_reached_is_no_wrong_usage(tmp_path):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "STILLPOINT_ENDPOINT": f"http://127.0.0.1:{closed.getsockname()[1]}",
               "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}

        def code(*words):
            done = subprocess.run([BINARY, *words], capture_output=True, text=True, timeout=60, env=env, check=False)
            return done.returncode, done.stderr

        for words in (["--instance", "i-1"], ["--again", "some-run"]):
            status, told = code("run", *words)
            assert status == 1 and "net.connect" in told, told
        status, told = code("run", "--input", str(tmp_path / "none.json"))
        assert status == 2 and "none.json" in told

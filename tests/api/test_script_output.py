"""What scripts print: live while they run, whole afterwards, within the memory of a small agent."""
import hashlib
import json
import os
import re
import subprocess

import botocore.exceptions
import pytest

from tests.support.agents import agents_of, assert_peak, forget_peak, peak_memory
from tests.support.own_model import stillpoint
from tests.support.runs import launch, online
from tests.support.server import BINARY, Server
from tests.support.streams import Stream, joined
from tests.support.until import until

OPEN = ("Pending", "InProgress", "Delayed", "Cancelling")
SHELL = "AWS-RunShellScript"
# 10 GiB with STILLPOINT_OUTPUT_MIB=10240.
HUGE_MIB = int(os.environ.get("STILLPOINT_OUTPUT_MIB", "200"))
# Lines that tell where they stand: 32 bytes each.
NUMBERED = "seq -f 'line %026.0f' 1 {}"


@pytest.fixture(scope="module")
def machine(server):
    server.client("s3").create_bucket(Bucket="outputs")
    return launch(server, 1, tags={"role": "output"})[0]


def send(server, machine, script, timeout=300, **more):
    return server.client("ssm").send_command(InstanceIds=[machine], DocumentName=SHELL, **more,
                                             Parameters={"commands": [script], "executionTimeout": [str(timeout)]})["Command"]["CommandId"]


def ended(server, command, machine, seconds=60):
    def over():
        answer = server.client("ssm").get_command_invocation(CommandId=command, InstanceId=machine)
        return answer if answer["Status"] not in OPEN else None
    return until(over, seconds, f"the end of {command}")


def root_of(server, machine):
    return server.data / "machines" / machine / "root"


def report(server, command, machine):
    return stillpoint(server).describe_invocation(CommandId=command, InstanceId=machine)


def tail(server, *words, seconds=120):
    return subprocess.run([BINARY, "tail", *words, "--data-dir", str(server.data)], capture_output=True, timeout=seconds, check=False)


def lines(count):
    return b"".join(b"line %026d\n" % number for number in range(1, count + 1))


def test_output_is_told_while_the_script_runs(server, machine):
    go = root_of(server, machine) / "var/tmp/go-live"
    command = send(server, machine, "echo first; echo problem >&2; while [ ! -e /var/tmp/go-live ]; do sleep 0.05; done; echo last; exit 3")
    stream = Stream(server, command, machine)
    assert stream.status == 200 and stream.answer.getheader("Content-Type").startswith("text/event-stream")
    said = set()
    came = stream.until(lambda event, data: said.add((data.get("stream"), data.get("text"))) or len(said) == 2)
    assert said == {("stdout", "first\n"), ("stderr", "problem\n")}
    assert server.client("ssm").get_command_invocation(CommandId=command, InstanceId=machine)["Status"] == "InProgress"
    go.touch()
    came += stream.until(lambda event, data: event == "end")
    assert joined(came) == b"first\nlast\n" and joined(came, "stderr") == b"problem\n"
    assert came[-1] == ("end", {"complete": True})
    status = next(data for event, data in came if event == "status")
    assert (status["Status"], status["ExitCode"], status["Steps"][0]["Output"]["Bytes"]) == ("Failed", 3, 11)
    assert report(server, command, machine)["Steps"][0]["Output"] == {"Bytes": 11, "KeptBytes": 11, "Complete": True}


def test_stream_goes_on_from_the_last_event(server, machine):
    go = root_of(server, machine) / "var/tmp/go-resume"
    command = send(server, machine, "echo one; while [ ! -e /var/tmp/go-resume ]; do sleep 0.05; done; echo two")
    stream = Stream(server, command, machine)
    stream.until(lambda event, data: data.get("text") == "one\n")
    stream.close()
    go.touch()
    ended(server, command, machine)
    again = Stream(server, command, machine, last_event=stream.last_id)
    came = again.until(lambda event, data: event == "end")
    assert joined(came) == b"two\n"
    # Of what has ended the end alone.
    assert joined(Stream(server, command, machine, "?last=3").until(lambda event, data: event == "end")) == b"wo\n"
    assert joined(Stream(server, command, machine).until(lambda event, data: event == "end")) == b"one\ntwo\n"


def test_stream_is_signed_and_names_what_is_not_there(server, machine):
    command = send(server, machine, "true")
    ended(server, command, machine)
    unsigned = Stream(server, command, machine, signed=False)
    assert unsigned.status == 400 and b"MissingAuthenticationToken" in unsigned.answer.read()
    for path, code in ((("none", machine), 404), ((command, "i-0123456789abcdef0"), 404), ((command, machine, "?from=3"), 404)):
        stream = Stream(server, *path)
        assert stream.status == code, path
        assert json.loads(stream.answer.read())["message"]


def test_tail_prints_all_and_ends_with_the_script_s_code(server, machine):
    command = send(server, machine, "echo out; echo err >&2; sleep 1; echo more; exit 7")
    done = tail(server, command)
    assert (done.returncode, done.stdout) == (7, b"out\nmore\n")
    assert done.stderr.startswith(b"err\n") and b"Failed on " + machine.encode() in done.stderr
    assert tail(server, command, machine, "--all").stdout == b"out\nmore\n"
    events = [json.loads(line) for line in tail(server, command, "--json").stdout.splitlines()]
    assert [each["event"] for each in events][-2:] == ["status", "end"]
    assert events[-2]["data"]["Steps"][0]["Usage"]["MaxResidentBytes"] > 0
    good = send(server, machine, "echo fine")
    done = tail(server, good, machine)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"fine\n", b"")
    unknown = tail(server, "0f3aaaaa-0000-0000-0000-000000000000")
    assert unknown.returncode == 1 and b"there is no command" in unknown.stderr


def test_large_output_is_whole_everywhere(server, machine):
    count = 400_000
    command = send(server, machine, NUMBERED.format(count), OutputS3BucketName="outputs", OutputS3KeyPrefix="p")
    answer = ended(server, command, machine)
    whole = lines(count)
    assert answer["Status"] == "Success"
    assert answer["StandardOutputContent"].startswith(whole[:1000].decode()) and len(answer["StandardOutputContent"]) == 24_000
    assert tail(server, command, "--all").stdout == whole
    assert tail(server, command, "--last", "64").stdout == whole[-64:]
    stored = server.client("s3").get_object(Bucket="outputs", Key=f"p/{command}/{machine}/awsrunShellScript/0.awsrunShellScript/stdout")
    assert stored["Body"].read() == whole
    assert report(server, command, machine)["Steps"][0]["Output"] == {"Bytes": len(whole), "KeptBytes": len(whole), "Complete": True}


@pytest.mark.parametrize("script", ["head -c 300000 /dev/urandom | tee /var/tmp/printed", "printf '\\377\\376\\000x' | tee /var/tmp/printed",
                                    "printf 'no newline at the end' | tee /var/tmp/printed", "printf 'caf\\303' | tee /var/tmp/printed"])
def test_binary_output_is_kept_byte_for_byte(server, machine, script):
    command = send(server, machine, script)
    assert ended(server, command, machine)["Status"] == "Success"
    until(lambda: report(server, command, machine)["Steps"][0]["Output"]["Complete"], 20, "the whole output")
    assert tail(server, command, "--all").stdout == (root_of(server, machine) / "var/tmp/printed").read_bytes()


def test_invocation_tells_what_ran_and_what_it_used(server, machine):
    command = send(server, machine, "sha256sum \"$0\" | cut -c 1-64; i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; head -c 50000000 /dev/zero | tail -c 30000000 | wc -c")
    answer = ended(server, command, machine)
    step = report(server, command, machine)["Steps"][0]
    assert step["ScriptSha256"] == answer["StandardOutputContent"].splitlines()[0]
    used = step["Usage"]
    assert used["UserCpuSeconds"] + used["SystemCpuSeconds"] > 0.02, used
    # tail keeps what it prints at the end.
    assert used["MaxResidentBytes"] > 25_000_000, used
    assert 0 < step["Seconds"] < 60 and {"ReadBytes", "WrittenBytes"} <= set(used)


def test_downloaded_files_are_named_with_their_hashes(server, machine):
    body = b"#!/bin/sh\necho downloaded\n"
    server.client("s3").put_object(Bucket="outputs", Key="scripts/one.sh", Body=body)
    command = server.client("ssm").send_command(InstanceIds=[machine], DocumentName="AWS-RunRemoteScript", Parameters={
        "sourceType": ["S3"], "sourceInfo": [json.dumps({"path": "s3://outputs/scripts/one.sh"})], "commandLine": ["one.sh"]})["Command"]["CommandId"]
    until(lambda: report(server, command, machine)["Status"] == "Success", 30, "its end")
    files = report(server, command, machine)["Steps"][0]["Files"]
    assert files == [{"Path": "one.sh", "Bytes": len(body), "Sha256": hashlib.sha256(body).hexdigest()}]


def test_describe_invocation_refuses(server, machine):
    for arguments, code in (({"CommandId": "x", "InstanceId": machine}, "ResourceNotFoundException"), ({"CommandId": "x"}, "ValidationException"),
                            ({"InstanceId": machine}, "ValidationException")):
        with pytest.raises(botocore.exceptions.ClientError) as caught:
            stillpoint(server).describe_invocation(**arguments)
        assert caught.value.response["Error"]["Code"] == code


def test_slow_reader_holds_up_nobody(server, machine):
    command = send(server, machine, "echo begun; sleep 0.5; head -c 60000000 /dev/zero | tr '\\0' 'x'")
    stream = Stream(server, command, machine)
    stream.until(lambda event, data: data.get("text") == "begun\n")
    forget_peak(server.process.pid)
    # Nobody reads it any more.
    assert ended(server, command, machine)["Status"] == "Success"
    until(lambda: report(server, command, machine)["Steps"][0]["Output"]["Complete"], 30, "the whole output")
    assert_peak(server.process.pid, 150 << 20)
    stream.close()


def test_huge_output_needs_no_memory(server, machine):
    """What an agent and a server need does not depend on what a script prints."""
    limit = 60 + HUGE_MIB // 10
    agent, = agents_of(server, machine)
    forget_peak(agent)
    forget_peak(server.process.pid)
    before = peak_memory(server.process.pid)
    command = send(server, machine, f"head -c {HUGE_MIB << 20} /dev/zero | tr '\\0' 'y'", timeout=limit)
    assert ended(server, command, machine, limit)["Status"] == "Success"
    until(lambda: report(server, command, machine)["Steps"][0]["Output"]["Complete"], limit, "the whole output")
    print(f"peak of the agent {peak_memory(agent) >> 10} KiB, of the server {peak_memory(server.process.pid) - before >> 10} KiB more than before")
    assert_peak(agent, 40 << 20)
    assert_peak(server.process.pid, 64 << 20, before)
    with subprocess.Popen([BINARY, "tail", command, "--all", "--data-dir", str(server.data)], stdout=subprocess.PIPE) as reader:
        size, other = 0, 0
        while piece := reader.stdout.read(1 << 20):
            size += len(piece)
            other += len(piece) - piece.count(b"y")
    assert (reader.returncode, size, other) == (0, HUGE_MIB << 20, 0)
    # The agent has given the server what it had, and keeps it no longer.
    runs = root_of(server, machine) / "var/lib/stillpoint-agent/runs"
    until(lambda: not any(command in entry.name for entry in runs.iterdir()), 30, "the end of the run's folder")


def test_output_survives_the_server_s_death(tmp_path):
    server = Server(tmp_path).start()
    try:
        machine = launch(server)[0]
        count = 60_000
        command = send(server, machine, NUMBERED.format(count) + "; while [ ! -e /var/tmp/go ]; do sleep 0.05; done; echo after")
        stream = Stream(server, command, machine)
        seen = []
        for event, data in stream.events():
            seen.append((event, data))
            if len(joined(seen)) > 200_000:
                break
        server.kill()
        server.start()
        online(server, [machine])
        (root_of(server, machine) / "var/tmp/go").touch()
        rest = Stream(server, command, machine, last_event=stream.last_id).until(lambda event, data: event == "end")
        assert joined(seen) + joined(rest) == lines(count) + b"after\n"
        assert tail(server, command, "--all").stdout == lines(count) + b"after\n"
    finally:
        server.close()


def test_quota_keeps_head_and_tail_and_says_so(tmp_path):
    (tmp_path / "config.toml").write_text("[commands]\noutput_quota_bytes = 3000000\noutput_free_bytes = 0\n")
    server = Server(tmp_path, args=["--config", str(tmp_path / "config.toml")]).start()
    try:
        machine = launch(server)[0]
        server.client("s3").create_bucket(Bucket="outputs")
        count = 300_000
        command = send(server, machine, NUMBERED.format(count) + "; exit 5", OutputS3BucketName="outputs")
        answer = ended(server, command, machine)
        assert (answer["Status"], answer["ResponseCode"]) == ("Failed", 5), "the result does not depend on the output"
        whole = lines(count)
        until(lambda: "OutputNote" in report(server, command, machine)["Steps"][0], 30, "the note of what is missing")
        step = report(server, command, machine)["Steps"][0]
        assert step["Output"]["Bytes"] == len(whole) and not step["Output"]["Complete"] and "quota" in step["OutputNote"]
        assert 1 << 20 <= step["Output"]["KeptBytes"] < 5 << 20
        listed = server.client("ssm").list_command_invocations(CommandId=command)["CommandInvocations"][0]
        assert step["OutputNote"] in listed["TraceOutput"]
        done = tail(server, command, "--all")
        missing = int(re.search(rb"(\d+) bytes of stdout are missing", done.stderr).group(1))
        assert done.returncode == 5 and len(done.stdout) + missing == len(whole)
        head, end = done.stdout[:-(1 << 20)], done.stdout[-(1 << 20):]
        assert len(head) >= 1 << 20 and whole.startswith(head) and whole.endswith(end)
        # The next one still has its beginning kept, and its result.
        other = send(server, machine, "head -c 100000 /dev/zero")
        assert ended(server, other, machine)["Status"] == "Success"
        until(lambda: report(server, other, machine)["Steps"][0]["Output"]["Complete"], 30, "the output that still fits")
        key = f"{command}/{machine}/awsrunShellScript/0.awsrunShellScript/stdout"
        stored = server.client("s3").get_object(Bucket="outputs", Key=key)["Body"].read()
        assert b"bytes are missing here" in stored and stored.endswith(whole[-1000:])
    finally:
        server.close()

#!/usr/bin/env python3
"""SendCommand of `true` to one connected machine until GetCommandInvocation tells its end: what a caller waits for a script.

Signed requests by hand on one connection that stays open; the time of signing is within the figure. Between two polls lies a pause of
1 ms: client, server, agent and script share the same few cores, and a caller that polls without any takes one of them for itself.
Beside it in the same run: `true` by a cold ssh and by one that shares a connection (ControlMaster), where an ssh is started for each.
"""
import json
import pathlib
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import ssh_peer  # noqa: E402
from tests.support.runs import launch  # noqa: E402
from tests.support.server import Server  # noqa: E402
from tests.support.wire import Raw, Signer, request_bytes  # noqa: E402

RUNS = 100
WARM = 10
GOAL_MS = 5
SECONDS = 20
PAUSE = 0.001
OPEN = ("Pending", "InProgress", "Delayed")


def call(keys, raw, operation, value):
    body = json.dumps(value).encode()
    headers = {"host": raw.host, "x-amz-target": f"AmazonSSM.{operation}", "content-type": "application/x-amz-json-1.1"}
    raw.send(request_bytes("POST", "/", Signer(*keys, "ssm").headers("POST", "/", headers, body), body))
    answer = raw.answer()
    if answer.status != 200:
        raise SystemExit(f"{operation} answered {answer.status}: {answer.body.decode(errors='replace')}")
    return json.loads(answer.body)


def round_trip(keys, raw, machine):
    """Milliseconds from the request to the known end, and how often the end was asked for."""
    begin = time.monotonic()
    sent = call(keys, raw, "SendCommand", {"InstanceIds": [machine], "DocumentName": "AWS-RunShellScript", "Parameters": {"commands": ["true"]}})
    command = sent["Command"]["CommandId"]
    polls = 0
    while True:
        time.sleep(PAUSE)
        answer = call(keys, raw, "GetCommandInvocation", {"CommandId": command, "InstanceId": machine})
        polls += 1
        if answer["Status"] not in OPEN:
            break
        if time.monotonic() - begin > SECONDS:
            raise SystemExit(f"{command} did not end within {SECONDS} s: {answer}")
    if answer["Status"] != "Success":
        raise SystemExit(f"{command} ended with {answer}")
    return (time.monotonic() - begin) * 1000, polls


def main():
    with tempfile.TemporaryDirectory() as directory:
        server = Server(directory).start()
        try:
            machine = launch(server)[0]
            keys = server.credentials
            with Raw(server) as raw:
                for _ in range(WARM):
                    round_trip(keys, raw, machine)
                runs = [round_trip(keys, raw, machine) for _ in range(RUNS)]
        finally:
            server.close()
    times = sorted(ms for ms, _ in runs)
    p50, p99 = times[len(times) // 2], times[len(times) * 99 // 100]
    polls = sum(count for _, count in runs) / len(runs)
    peer = ssh_peer.missing()
    if peer is None:
        with ssh_peer.SshPeer() as ssh:
            peer = f"ssh cold {ssh.cold():.0f} ms, ControlMaster {ssh.warm():.0f} ms"
    print(f"SendCommand of true, round trip   p50 {p50:.1f} ms, p99 {p99:.1f} ms, {polls:.1f} polls a run (pause {PAUSE * 1000:.0f} ms), {RUNS} runs   goal p50 <= {GOAL_MS} ms   {peer}")


if __name__ == "__main__":
    main()

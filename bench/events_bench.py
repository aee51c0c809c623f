#!/usr/bin/env python3
"""PutEvents through 1,000 rules on one bus: events a second until the last one has been through them and started what it is for.

Ten entries a call; types are those of a thousand kinds in turn. 700 rules want one kind each and look into the detail, 200 want other sources, 98 look only into the detail, one wants all sources of a
prefix and has a state machine as its target: one event in a hundred starts it. What is measured ends with the last of these starts.
"""
import concurrent.futures
import json
import pathlib
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from bench.server_bench import processor_seconds  # noqa: E402
from bench.wire import LOAD  # noqa: E402
from tests.support.server import ACCOUNT, Server  # noqa: E402
from tests.support.until import until  # noqa: E402

CALLS = 10_000
CONNECTIONS = 16
GOAL = 5_000
ROLE = f"arn:aws:iam::{ACCOUNT}:role/bench"
PASS = {"StartAt": "A", "States": {"A": {"Type": "Pass", "End": True}}}


def patterns():
    for n in range(700):
        yield {"source": ["my.app"], "detail-type": [f"type-{n}"], "detail": {"level": ["error"], "n": [{"numeric": [">=", 0]}]}}
    for n in range(200):
        yield {"source": [f"other-{n}"], "detail-type": ["type-1"]}
    for n in range(98):
        yield {"detail": {"team": [f"team-{n}", {"prefix": f"t{n}-"}]}}
    yield {"source": ["my.app"], "detail-type": [{"anything-but": "none"}], "detail": {"n": [{"numeric": ["<", 0]}]}}
    yield {"source": [{"prefix": "my."}], "detail": {"wanted": [True]}}


def started(sfn, arn):
    pages = sfn.get_paginator("list_executions").paginate(stateMachineArn=arn, PaginationConfig={"PageSize": 1000})
    return sum(len(page["executions"]) for page in pages)


def main():
    calls = int(sys.argv[1]) if len(sys.argv) > 1 else CALLS
    with tempfile.TemporaryDirectory() as directory:
        server = Server(directory).start()
        try:
            sfn, events = server.client("stepfunctions"), server.client("events")
            arn = sfn.create_state_machine(name="bench", definition=json.dumps(PASS), roleArn=ROLE)["stateMachineArn"]
            events.create_event_bus(Name="bench")
            with concurrent.futures.ThreadPoolExecutor(8) as threads:
                list(threads.map(lambda one: events.put_rule(Name=f"rule-{one[0]:03}", EventBusName="bench", EventPattern=json.dumps(one[1])), enumerate(patterns())))
            events.put_targets(Rule="rule-999", EventBusName="bench", Targets=[{"Id": "1", "Arn": arn, "RoleArn": ROLE, "InputPath": "$.detail"}])
            key, secret = server.credentials
            used, begin = processor_seconds(server.process.pid), time.monotonic()
            done = subprocess.run([LOAD, server.api.removeprefix("http://"), key, secret, "events:bench", str(CONNECTIONS), f"{calls}x"],
                                  capture_output=True, text=True, check=False)
            answered = time.monotonic() - begin
            if done.returncode != 0:
                raise SystemExit(done.stderr)
            wanted = calls * 10 // 100
            until(lambda: started(sfn, arn) >= wanted, 600, "the last start", every=0.1)
            took, used = time.monotonic() - begin, processor_seconds(server.process.pid) - used
            if started(sfn, arn) != wanted:
                raise SystemExit(f"{started(sfn, arn)} starts, {wanted} are wanted")
            rate = calls * 10 / took
            met = rate >= GOAL
            answers = json.loads(done.stdout)
            print(f"PutEvents, 10 entries a call, {CONNECTIONS} connections     {calls * 10 / answered:,.0f} events/s answered; p50 {answers['p50_us'] / 1000:.1f} ms, p99 {answers['p99_us'] / 1000:.1f} ms")
            print(f"through 1,000 rules, {wanted:,} started       {rate:,.0f} events/s   goal ≥ {GOAL:,}/s{'' if met else '  GOAL MISSED'}")
            print(f"the server's CPU                        {used / (calls * 10) * 1e6:.0f} µs an event")
            return 0 if met else 1
        finally:
            server.close()


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""One event of 250 KB through 1,000 rules, each of which starts an execution with all of it: how long it takes, what it writes, and how long other calls wait meanwhile."""
import json
import pathlib
import sys
import tempfile
import threading
import time
import concurrent.futures

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from tests.support.dynamodb import make  # noqa: E402
from tests.support.server import ACCOUNT, Server  # noqa: E402
from tests.support.until import until  # noqa: E402

RULES = 1_000
BYTES = 250_000
GOAL_SECONDS = 0.2
ROLE = f"arn:aws:iam::{ACCOUNT}:role/bench"
PASS = {"StartAt": "A", "States": {"A": {"Type": "Pass", "End": True}}}
# What a target is given: all of the event, or one member of it.
KINDS = {"all of it": {}, "one member": {"InputPath": "$.detail.n"}}


def started(sfn, arn):
    pages = sfn.get_paginator("list_executions").paginate(stateMachineArn=arn, PaginationConfig={"PageSize": 1000})
    return sum(len(page["executions"]) for page in pages)


def written(pid):
    return int(next(line for line in open(f"/proc/{pid}/io") if line.startswith("write_bytes")).split()[1])


class Neighbour:
    """Makes one call after the other until it is told to stop; the slowest."""

    def __init__(self, call):
        self.call, self.slowest, self.count, self.over = call, 0.0, 0, False
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self):
        while not self.over:
            began = time.monotonic()
            self.call()
            self.slowest, self.count = max(self.slowest, time.monotonic() - began), self.count + 1

    def stop(self):
        self.over = True
        self.thread.join()
        return f"{self.slowest * 1000:.0f} ms of {self.count:,}"


def measure(kind, more):
    with tempfile.TemporaryDirectory() as directory:
        server = Server(directory).start()
        try:
            sfn, events, sts, dynamodb = (server.client(name) for name in ("stepfunctions", "events", "sts", "dynamodb"))
            arn = sfn.create_state_machine(name="bench", definition=json.dumps(PASS), roleArn=ROLE)["stateMachineArn"]

            def put(n):
                events.put_rule(Name=f"rule-{n}", EventPattern='{"source":["my.app"]}')
                events.put_targets(Rule=f"rule-{n}", Targets=[{"Id": "1", "Arn": arn, "RoleArn": ROLE, **more}])

            with concurrent.futures.ThreadPoolExecutor(8) as threads:
                list(threads.map(put, range(RULES)))
            table = make(dynamodb)
            before, begin = written(server.process.pid), time.monotonic()
            neighbours = [Neighbour(sts.get_caller_identity), Neighbour(lambda: dynamodb.put_item(TableName=table, Item={"id": {"S": "x"}}))]
            events.put_events(Entries=[{"Source": "my.app", "DetailType": "t", "Detail": json.dumps({"n": 1, "text": "x" * BYTES})}])
            until(lambda: started(sfn, arn) >= RULES, 300, "the last start", every=0.1)
            took = time.monotonic() - begin
            slowest = [each.stop() for each in neighbours]
            if started(sfn, arn) != RULES:
                raise SystemExit(f"{started(sfn, arn)} starts, {RULES} are wanted")
            store = sum(path.stat().st_size for path in pathlib.Path(server.data).glob("store.db*"))
            met = max(each.slowest for each in neighbours) <= GOAL_SECONDS
            print(f"{kind}: all {RULES:,} started after    {took:.2f} s; written {(written(server.process.pid) - before) / 2**20:,.0f} MiB, store {store / 2**20:,.0f} MiB")
            print(f"  slowest GetCallerIdentity, PutItem      {slowest[0]}, {slowest[1]}   goal ≤ {GOAL_SECONDS * 1000:.0f} ms{'' if met else '  GOAL MISSED'}")
            return met
        finally:
            server.close()


if __name__ == "__main__":
    sys.exit(0 if all([measure(*each) for each in KINDS.items()]) else 1)

#!/usr/bin/env python3
"""100,000 schedules of EventBridge Scheduler: what they cost while nothing is due, and how late the thousand begin that are due at one moment."""
import concurrent.futures
import datetime
import http.client
import json
import pathlib
import sys
import tempfile
import threading
import time
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from botocore.auth import SigV4Auth  # noqa: E402
from botocore.awsrequest import AWSRequest  # noqa: E402
from botocore.credentials import Credentials  # noqa: E402

from bench.server_bench import memory_kib, processor_seconds  # noqa: E402
from tests.support.server import ACCOUNT, Server  # noqa: E402
from tests.support.until import until  # noqa: E402

SCHEDULES = 100_000
DUE = 1_000
IDLE_SECONDS = 40
ROLE = f"arn:aws:iam::{ACCOUNT}:role/bench"
PASS = {"StartAt": "A", "States": {"A": {"Type": "Pass", "End": True}}}


class Caller:
    """CreateSchedule over a connection of its own for each thread: the SDK would take longer to ask than the server to answer."""

    def __init__(self, server, arn):
        self.api = server.api
        self.credentials = Credentials(*server.credentials)
        self.arn = arn
        self.local = threading.local()

    def create(self, name, expression):
        body = json.dumps({"ScheduleExpression": expression, "FlexibleTimeWindow": {"Mode": "OFF"},
                           "Target": {"Arn": self.arn, "RoleArn": ROLE, "Input": '{"schedule":"<aws.scheduler.schedule-arn>"}'}}).encode()
        path = f"/schedules/{name}"
        request = AWSRequest(method="POST", url=self.api + path, headers={"Content-Type": "application/json"}, data=body)
        SigV4Auth(self.credentials, "scheduler", "us-east-1").add_auth(request)
        if not hasattr(self.local, "connection"):
            where = urllib.parse.urlsplit(self.api)
            self.local.connection = http.client.HTTPConnection(where.hostname, where.port, timeout=60)
        self.local.connection.request("POST", path, body, dict(request.prepare().headers))
        answer = self.local.connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise SystemExit(f"{name}: {answer.status} {text.decode()}")


def create_all(caller, named):
    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        for _ in threads.map(lambda one: caller.create(*one), named):
            pass


def yearly(number):
    """A minute of its own in the next year, none of it within the next days."""
    at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=2, minutes=number * 5)
    return f"cron({at.minute} {at.hour} {at.day} {at.month} ? {at.year})"


def starts(sfn, arn):
    pages = sfn.get_paginator("list_executions").paginate(stateMachineArn=arn, PaginationConfig={"PageSize": 1000})
    return [one["startDate"] for page in pages for one in page["executions"]]


def main():
    missed = 0

    def row(what, figure, goal="", met=True):
        nonlocal missed
        missed += not met
        print(f"{what:55} {figure}   {goal}{'' if met else '  GOAL MISSED'}", flush=True)

    with tempfile.TemporaryDirectory() as directory:
        server = Server(directory).start()
        try:
            sfn = server.client("stepfunctions")
            arn = sfn.create_state_machine(name="bench", definition=json.dumps(PASS), roleArn=ROLE)["stateMachineArn"]
            caller = Caller(server, arn)
            begin, used = time.monotonic(), processor_seconds(server.process.pid)
            create_all(caller, ((f"s{n}", yearly(n)) for n in range(SCHEDULES - DUE)))
            took, used = time.monotonic() - begin, processor_seconds(server.process.pid) - used
            row(f"CreateSchedule, 8 connections, {SCHEDULES - DUE:,} times", f"{(SCHEDULES - DUE) / took:,.0f}/s, {used / (SCHEDULES - DUE) * 1000:.2f} ms of the server's CPU each")
            begin = time.monotonic()
            server.restart()
            row("stop and start with all of them, to ready", f"{time.monotonic() - begin:.2f} s")
            before = processor_seconds(server.process.pid)
            time.sleep(IDLE_SECONDS)
            share = (processor_seconds(server.process.pid) - before) / IDLE_SECONDS * 100
            row("processor while nothing is due", f"{share:.3f} % of one core", "goal < 1 %", share < 1)
            anon, rss = memory_kib(server.process.pid)
            row("memory then", f"{anon / 1024:.1f} MiB (RSS {rss / 1024:.1f})")
            caller, sfn = Caller(server, arn), server.client("stepfunctions")
            moment = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0) + datetime.timedelta(seconds=12)
            create_all(caller, ((f"due{n}", moment.strftime("at(%Y-%m-%dT%H:%M:%S)")) for n in range(DUE)))
            if datetime.datetime.now(datetime.timezone.utc) >= moment:
                raise SystemExit("they were not made in time")
            until(lambda: len(starts(sfn, arn)) >= DUE, 60, "all that is due")
            late = sorted((one - moment).total_seconds() for one in starts(sfn, arn))
            row(f"{DUE:,} due at one moment: start of the middle one", f"{late[DUE // 2]:.2f} s late")
            row("of the last one", f"{late[-1]:.2f} s late", "goal ≤ 1 s", late[-1] <= 1 and len(late) == DUE and late[0] >= 0)
        finally:
            server.close()
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())

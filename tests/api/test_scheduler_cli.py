"""Every error that EventBridge Scheduler's page names, by Debian's AWS CLI; test_scheduler.py::test_by_the_cli walks its operations."""
import json
import pathlib
import sqlite3

import pytest

from tests.api import test_scheduler
from tests.api.test_scheduler import NOWHERE, ROLE, asked
from tests.support import by_cli
from tests.support.server import ACCOUNT, REGION
from tests.support.store import multiply

PREFIX = f"arn:aws:scheduler:{REGION}:{ACCOUNT}:"
GONE = ["--resource-arn", PREFIX + "schedule-group/none"]
# Groups alone carry tags.
SCHEDULE = ["--resource-arn", PREFIX + "schedule/default/cli-schedule"]
TAG = ["--tags", "Key=a,Value=b"]
NO_GROUP = "Schedule group none does not exist."
NO_SCHEDULE = "Schedule none does not exist."


def schedule(name, *more, expression="rate(1 day)"):
    return ["--name", name, "--schedule-expression", expression, "--flexible-time-window", "Mode=OFF", "--target", json.dumps({"Arn": NOWHERE, "RoleArn": ROLE}), *more]


# Operation, error, a word of its message, arguments.
REFUSALS = [
    ("create-schedule", "ConflictException", "Schedule cli-schedule already exists.", schedule("cli-schedule")),
    ("create-schedule", "ResourceNotFoundException", NO_GROUP, schedule("more", "--group-name", "none")),
    ("create-schedule", "ValidationException", "Invalid Schedule Expression daily.", schedule("more", expression="daily")),
    ("create-schedule-group", "ConflictException", "Schedule group cli-group already exists.", ["--name", "cli-group"]),
    ("create-schedule-group", "ValidationException", "'name'", ["--name", "a b"]),
    ("delete-schedule", "ResourceNotFoundException", NO_SCHEDULE, ["--name", "none"]),
    ("delete-schedule-group", "ResourceNotFoundException", NO_GROUP, ["--name", "none"]),
    ("delete-schedule-group", "ValidationException", "default schedule group cannot be deleted", ["--name", "default"]),
    ("get-schedule", "ResourceNotFoundException", NO_SCHEDULE, ["--name", "none"]),
    ("get-schedule-group", "ResourceNotFoundException", NO_GROUP, ["--name", "none"]),
    ("list-schedule-groups", "ValidationException", "NextToken", ["--next-token", "x"]),
    ("list-schedules", "ResourceNotFoundException", NO_GROUP, ["--group-name", "none"]),
    ("list-schedules", "ValidationException", "enum value set", ["--state", "PAUSED"]),
    ("list-tags-for-resource", "ResourceNotFoundException", NO_GROUP, GONE),
    ("list-tags-for-resource", "ValidationException", "schedule-group", SCHEDULE),
    ("tag-resource", "ResourceNotFoundException", NO_GROUP, [*GONE, *TAG]),
    ("tag-resource", "ValidationException", "schedule-group", [*SCHEDULE, *TAG]),
    ("untag-resource", "ResourceNotFoundException", NO_GROUP, [*GONE, "--tag-keys", "a"]),
    ("untag-resource", "ValidationException", "schedule-group", [*SCHEDULE, "--tag-keys", "a"]),
    ("update-schedule", "ResourceNotFoundException", NO_SCHEDULE, schedule("none")),
    ("update-schedule", "ValidationException", "Invalid Schedule Expression daily.", schedule("cli-schedule", expression="daily")),
]
# What a server that has as many as it may answers ServiceQuotaExceededException.
LIMITS = [
    ("create-schedule", "There are 1000000 schedules", schedule("more")),
    ("create-schedule-group", "500 schedule groups", ["--name", "more"]),
]


def make(server):
    """What the refusals speak of, by boto3."""
    client = server.client("scheduler")
    client.create_schedule_group(Name="cli-group")
    assert client.create_schedule(**asked("cli-schedule"))["ScheduleArn"] == SCHEDULE[1]


@pytest.fixture(scope="module")
def made(server):
    make(server)


def test_every_operation_and_error_stands_here():
    walk = pathlib.Path(test_scheduler.__file__).read_text()
    provoked = {(operation, code) for operation, code, _, _ in REFUSALS} | {(operation, "ServiceQuotaExceededException") for operation, _, _ in LIMITS}
    assert by_cli.missing("scheduler", lambda name: f'aws("{name}"' in walk, provoked) == []


@pytest.mark.parametrize("operation, code, told, words", REFUSALS, ids=[f"{operation}-{code}" for operation, code, _, _ in REFUSALS])
def test_refusals(server, made, operation, code, told, words):
    assert told in by_cli.refused(server, "scheduler", operation, code, *words)


def test_limits(fresh_server):
    make(fresh_server)
    fresh_server.stop()
    # The default group is one of five hundred; schedules are counted in a record.
    multiply(fresh_server, "schedule_group", "cli-group", 498)
    with sqlite3.connect(fresh_server.data / "store.db") as database:
        assert database.execute("UPDATE records SET body = ? WHERE kind = 'schedule_count'", (b'{"count":1000000}',)).rowcount == 1
    database.close()
    fresh_server.start()
    for operation, told, words in LIMITS:
        assert told in by_cli.refused(fresh_server, "scheduler", operation, "ServiceQuotaExceededException", *words)

"""Backup plans, their selections and the lifecycle of a recovery point by Debian's AWS CLI, and every error that the page names for them."""
import json
import pathlib
import re

import pytest

from tests.api.test_backup import Machine, take
from tests.conftest import make
from tests.support import by_cli, runs
from tests.support.until import until

NOBODY = "00000000-0000-4000-8000-000000000000"
GONE = ["--backup-plan-id", NOBODY]
PLAN = ["--backup-plan-id", "{plan}"]
NO_PLAN = f"{NOBODY} does not exist"
BAD_TOKEN = ["--next-token", "x"]
TAGGED = [{"ConditionType": "STRINGEQUALS", "ConditionKey": "role", "ConditionValue": "database"}]


def document(name, vault="Default", **more):
    return ["--backup-plan", json.dumps({"BackupPlanName": name, "Rules": [{"RuleName": "nightly", "TargetBackupVaultName": vault, **more}]})]


def selection(name, role=runs.ROLE):
    return ["--backup-selection", json.dumps({"SelectionName": name, "IamRoleArn": role, "ListOfTags": TAGGED})]


# Operation, error, a word of its message, arguments. {plan} is the one of `plan`.
REFUSALS = [
    ("create-backup-plan", "AlreadyExistsException", "same plan document already exists", document("cli-plan")),
    ("create-backup-plan", "InvalidParameterValueException", "there is no such vault", document("more", "none-such")),
    ("create-backup-selection", "AlreadyExistsException", "has a selection named cli-selection already", [*PLAN, *selection("cli-selection")]),
    ("create-backup-selection", "InvalidParameterValueException", "IAM Role ARN", [*PLAN, *selection("more", "nobody")]),
    ("delete-backup-plan", "InvalidRequestException", "selections must be deleted", PLAN),
    ("delete-backup-plan", "ResourceNotFoundException", NO_PLAN, GONE),
    ("delete-backup-selection", "ResourceNotFoundException", NOBODY, [*PLAN, "--selection-id", NOBODY]),
    ("get-backup-plan", "ResourceNotFoundException", NO_PLAN, GONE),
    ("get-backup-selection", "ResourceNotFoundException", NOBODY, [*PLAN, "--selection-id", NOBODY]),
    ("list-backup-plan-versions", "InvalidParameterValueException", "NextToken", [*PLAN, *BAD_TOKEN]),
    ("list-backup-plan-versions", "ResourceNotFoundException", NO_PLAN, GONE),
    ("list-backup-plans", "InvalidParameterValueException", "NextToken", BAD_TOKEN),
    ("list-backup-selections", "InvalidParameterValueException", "NextToken", [*PLAN, *BAD_TOKEN]),
    ("list-backup-selections", "ResourceNotFoundException", NO_PLAN, GONE),
    ("update-backup-plan", "InvalidParameterValueException", "there is no such vault", [*PLAN, *document("cli-plan", "none-such")]),
    ("update-backup-plan", "ResourceNotFoundException", NO_PLAN, [*GONE, *document("more")]),
]
# What a server that has as many as it may answers LimitExceededException.
LIMITS = [
    ("create-backup-plan", document("more")),
    ("create-backup-selection", [*PLAN, *selection("more")]),
]
# Those of test_a_lifecycle, which needs a recovery point.
LIFECYCLE = [("update-recovery-point-lifecycle", code) for code in ("InvalidParameterValueException", "InvalidRequestException", "ResourceNotFoundException")]


def backup(server, operation, *words):
    return server.aws(["backup", operation, *words])


def refused(server, operation, code, words, plan=""):
    return by_cli.refused(server, "backup", operation, code, *[plan if word == "{plan}" else word for word in words])


def planned(server):
    """A plan with a selection, by boto3; its id."""
    client = server.client("backup")
    plan = client.create_backup_plan(BackupPlan=json.loads(document("cli-plan")[1]))["BackupPlanId"]
    client.create_backup_selection(BackupPlanId=plan, BackupSelection=json.loads(selection("cli-selection")[1]))
    return plan


@pytest.fixture(scope="module")
def plan(server):
    return planned(server)


def test_every_operation_and_error_stands_here():
    """Of the page of AWS Backup what is about plans, selections and lifecycles."""
    source = pathlib.Path(__file__).read_text()
    provoked = {(operation, code) for operation, code, _, _ in REFUSALS} | {(operation, "LimitExceededException") for operation, _ in LIMITS} | set(LIFECYCLE)
    assert by_cli.missing("backup", lambda name: f'backup(server, "{name}"' in source, provoked,
                          lambda operation: re.search("BackupPlan|BackupSelection|^UpdateRecoveryPointLifecycle$", operation)) == []


def test_plans(server):
    made = backup(server, "create-backup-plan", *document("walk", ScheduleExpression="cron(0 2 ? * * *)", Lifecycle={"DeleteAfterDays": 30}))
    plan = ["--backup-plan-id", made["BackupPlanId"]]
    assert made["BackupPlanArn"].endswith(":backup-plan:" + made["BackupPlanId"])
    updated = backup(server, "update-backup-plan", *plan, *document("walk", ScheduleExpression="cron(0 3 ? * * *)"))
    rule, = backup(server, "get-backup-plan", *plan)["BackupPlan"]["Rules"]
    assert (rule["RuleName"], rule["ScheduleExpression"], "Lifecycle" in rule) == ("nightly", "cron(0 3 ? * * *)", False)
    # Two pages, put together by the CLI.
    versions = backup(server, "list-backup-plan-versions", *plan, "--page-size", "1")["BackupPlanVersionsList"]
    assert [one["VersionId"] for one in versions] == [updated["VersionId"], made["VersionId"]]
    backup(server, "delete-backup-plan", *plan)
    listed = backup(server, "list-backup-plans", "--include-deleted")["BackupPlansList"]
    assert [one["BackupPlanName"] for one in listed if "DeletionDate" in one] == ["walk"]


def test_selections(server, plan):
    of_plan = ["--backup-plan-id", plan]
    made = backup(server, "create-backup-selection", *of_plan, *selection("walk"))["SelectionId"]
    shown = backup(server, "get-backup-selection", *of_plan, "--selection-id", made)["BackupSelection"]
    assert (shown["SelectionName"], shown["IamRoleArn"], shown["ListOfTags"]) == ("walk", runs.ROLE, TAGGED)
    backup(server, "delete-backup-selection", *of_plan, "--selection-id", made)
    assert [one["SelectionName"] for one in backup(server, "list-backup-selections", *of_plan)["BackupSelectionsList"]] == ["cli-selection"]


@pytest.mark.parametrize("operation, code, told, words", REFUSALS, ids=[f"{operation}-{code}" for operation, code, _, _ in REFUSALS])
def test_refusals(server, plan, operation, code, told, words):
    assert told in refused(server, operation, code, words, plan)


def test_limits(fresh_server):
    client = fresh_server.client("backup")
    plan = planned(fresh_server)
    for number in range(99):
        client.create_backup_plan(BackupPlan=json.loads(document(f"plan-{number}")[1]))
        client.create_backup_selection(BackupPlanId=plan, BackupSelection=json.loads(selection(f"selection-{number}")[1]))
    for operation, words in LIMITS:
        assert "100" in refused(fresh_server, operation, "LimitExceededException", words, plan)


def test_a_lifecycle(tmp_path_factory):
    # What is deleted cannot be removed, so that it stays for a moment as what is going.
    lines = tmp_path_factory.mktemp("points") / "points"
    lines.write_text("vault.maintaining fail 1\n")
    server = make(tmp_path_factory, args=["--failpoints", str(lines)])
    try:
        client = server.client("backup")
        arn = take(client, Machine(server), BackupOptions={"Paths": "/etc/hostname"})["RecoveryPointArn"]
        point = ["--backup-vault-name", "Default", "--recovery-point-arn", arn]
        days = ["--lifecycle", "DeleteAfterDays=10"]
        assert backup(server, "update-recovery-point-lifecycle", *point, *days)["Lifecycle"] == {"DeleteAfterDays": 10}

        def bad(code, *words):
            return refused(server, "update-recovery-point-lifecycle", code, words)
        assert "DeleteAfterDays" in bad("InvalidParameterValueException", *point, "--lifecycle", "DeleteAfterDays=0")
        assert client.describe_recovery_point(BackupVaultName="Default", RecoveryPointArn=arn)["Lifecycle"] == {"DeleteAfterDays": 10}
        bad("ResourceNotFoundException", *point[:-1], arn[:-len(NOBODY)] + NOBODY, *days)
        client.delete_recovery_point(BackupVaultName="Default", RecoveryPointArn=arn)
        until(lambda: "made to fail" in client.describe_recovery_point(BackupVaultName="Default", RecoveryPointArn=arn).get("StatusMessage", ""), 30, "the failure")
        assert "is in status DELETING" in bad("InvalidRequestException", *point, *days)
    finally:
        server.close()

"""Backup plans: what they may say, whom they choose, and that each due rule runs PrePostBackup once."""
import contextlib
import copy
import datetime
import json
import pathlib
import sqlite3
import uuid
import zoneinfo

import botocore.exceptions
import pytest

from tests.support import runs
from tests.support.own_model import stillpoint
from tests.support.server import Server
from tests.support.signed import call_json, send
from tests.support.until import until

ROLE = runs.ROLE
OPTIONS = {"StartStopEC2Required": "false",
           "PreBackupScript.SourceS3Path": f"s3://{runs.BUCKET}/pre.sh", "PreBackupScript.CommandToRun": "pre.sh",
           "PostBackupScript.SourceS3Path": f"s3://{runs.BUCKET}/post.sh", "PostBackupScript.CommandToRun": "post.sh"}
MINUTE = 60 * 1_000_000


def code(call, words="", **arguments):
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(**arguments)
    assert words in caught.value.response["Error"]["Message"], caught.value
    return caught.value.response["Error"]["Code"]


def document(name=None, options=None, **rule):
    out = {"BackupPlanName": name or f"plan-{uuid.uuid4()}", "Rules": [{"RuleName": "nightly", "TargetBackupVaultName": "Default", **rule}]}
    if options:
        out["AdvancedBackupSettings"] = [{"ResourceType": "EC2", "BackupOptions": options}]
    return out


@pytest.fixture(scope="module")
def backup(server):
    return server.client("backup")


def test_plans_and_their_versions(backup):
    plan = document(options=OPTIONS, ScheduleExpression="cron(0 2 ? * MON-FRI *)", StartWindowMinutes=60, CompletionWindowMinutes=120,
                    Lifecycle={"DeleteAfterDays": 30}, RecoveryPointTags={"by": "plan"})
    made = backup.create_backup_plan(BackupPlan=plan, CreatorRequestId="once")
    id = made["BackupPlanId"]
    assert made["BackupPlanArn"] == f"arn:aws:backup:us-east-1:000000000000:backup-plan:{id}"
    assert made["AdvancedBackupSettings"] == plan["AdvancedBackupSettings"]
    assert backup.create_backup_plan(BackupPlan=document("other"), CreatorRequestId="once")["BackupPlanId"] == id
    got = backup.get_backup_plan(BackupPlanId=id)
    assert got["VersionId"] == made["VersionId"] and got["CreatorRequestId"] == "once"
    rule = got["BackupPlan"]["Rules"][0]
    rule_id = rule.pop("RuleId")
    assert uuid.UUID(rule_id) and rule == plan["Rules"][0]
    assert got["BackupPlan"]["AdvancedBackupSettings"] == plan["AdvancedBackupSettings"]
    changed = copy.deepcopy(plan)
    changed["Rules"][0]["Lifecycle"]["DeleteAfterDays"] = 31
    changed["Rules"].append({"RuleName": "default", "TargetBackupVaultName": "Default"})
    updated = backup.update_backup_plan(BackupPlanId=id, BackupPlan=changed)
    assert updated["VersionId"] != made["VersionId"]
    now = backup.get_backup_plan(BackupPlanId=id)["BackupPlan"]["Rules"]
    assert now[0]["RuleId"] == rule_id and now[0]["Lifecycle"] == {"DeleteAfterDays": 31}
    assert now[1]["ScheduleExpression"] == "cron(0 5 ? * * *)"
    older = backup.get_backup_plan(BackupPlanId=id, VersionId=made["VersionId"])
    assert older["BackupPlan"]["Rules"][0]["Lifecycle"] == {"DeleteAfterDays": 30}
    listed = backup.list_backup_plan_versions(BackupPlanId=id)["BackupPlanVersionsList"]
    assert [one["VersionId"] for one in listed] == [updated["VersionId"], made["VersionId"]]
    first = backup.list_backup_plan_versions(BackupPlanId=id, MaxResults=1)
    rest = backup.list_backup_plan_versions(BackupPlanId=id, NextToken=first["NextToken"])
    assert [one["VersionId"] for one in first["BackupPlanVersionsList"] + rest["BackupPlanVersionsList"]] == [one["VersionId"] for one in listed]
    entry = next(one for one in backup.list_backup_plans()["BackupPlansList"] if one["BackupPlanId"] == id)
    assert entry["BackupPlanName"] == plan["BackupPlanName"] and entry["VersionId"] == updated["VersionId"]
    deleted = backup.delete_backup_plan(BackupPlanId=id)
    assert deleted["VersionId"] == updated["VersionId"]
    assert id not in [one["BackupPlanId"] for one in backup.list_backup_plans()["BackupPlansList"]]
    assert next(one for one in backup.list_backup_plans(IncludeDeleted=True)["BackupPlansList"] if one["BackupPlanId"] == id)["DeletionDate"]
    assert code(backup.update_backup_plan, BackupPlanId=id, BackupPlan=changed) == "ResourceNotFoundException"


def test_plan_refusals(backup):
    def refused(words="", options=None, name=None, **rule):
        assert code(backup.create_backup_plan, words, BackupPlan=document(name, options, **rule)) == "InvalidParameterValueException"
    refused("BackupPlanName", name="a b")
    refused("there is no such vault", TargetBackupVaultName="none-such")
    refused("ScheduleExpression", ScheduleExpression="cron(0 5 * * * *)")
    refused("must be a cron expression", ScheduleExpression="rate(1 day)")
    refused("StartWindowMinutes", StartWindowMinutes=59)
    refused("CompletionWindowMinutes (120) must be at least 60 minutes more than StartWindowMinutes (61)", StartWindowMinutes=61, CompletionWindowMinutes=120)
    refused("StartWindowMinutes (480, its default): give at least 540", CompletionWindowMinutes=240)
    refused("'aws:by' begins with 'aws:'", RecoveryPointTags={"aws:by": "plan"})
    refused("DeleteAfterDays", Lifecycle={"DeleteAfterDays": 0})
    refused("cold storage", Lifecycle={"MoveToColdStorageAfterDays": 30})
    refused("CopyActions", CopyActions=[{"DestinationBackupVaultArn": "arn:aws:backup:us-east-1:000000000000:backup-vault:Default"}])
    refused("EnableContinuousBackup", EnableContinuousBackup=True)
    refused("'WindowsVSS' is not known", options={"WindowsVSS": "enabled"})
    refused("must be 'true' or 'false'", options={"StartStopEC2Required": "yes"})
    refused("PreBackupScriptDetails.CommandToRun is missing", options={"PreBackupScript.SourceS3Path": "s3://a/b"})
    refused('PreBackupScriptDetails.SourceS3Path is "foo"', options={**OPTIONS, "PreBackupScript.SourceS3Path": "foo"})
    refused('PostBackupScriptDetails.SourceS3Path is "http://"', options={**OPTIONS, "PostBackupScript.SourceS3Path": "http://"})
    refused("PreBackupScriptDetails.Comand", options={**OPTIONS, "PreBackupScript.Comand": "x"})
    twice = document()
    twice["Rules"] *= 2
    assert code(backup.create_backup_plan, "given twice", BackupPlan=twice) == "InvalidParameterValueException"
    assert code(backup.create_backup_plan, "1 to 100 rules", BackupPlan={"BackupPlanName": "x", "Rules": []}) == "InvalidParameterValueException"
    same = document()
    id = backup.create_backup_plan(BackupPlan=same)["BackupPlanId"]
    assert code(backup.create_backup_plan, BackupPlan=same) == "AlreadyExistsException"
    assert code(backup.update_backup_plan, "no such vault", BackupPlanId=id, BackupPlan=document(TargetBackupVaultName="none-such")) == "InvalidParameterValueException"
    unknown = str(uuid.uuid4())
    for call in (backup.get_backup_plan, backup.delete_backup_plan, backup.list_backup_plan_versions, backup.list_backup_selections):
        assert code(call, BackupPlanId=unknown) == "ResourceNotFoundException"
    assert code(backup.get_backup_plan, BackupPlanId=id, VersionId="none") == "ResourceNotFoundException"
    assert code(backup.list_backup_plans, NextToken="x") == "InvalidParameterValueException"
    assert code(backup.list_backup_plan_versions, BackupPlanId=id, NextToken="x") == "InvalidParameterValueException"


def by_hand(server, method, path, members):
    """What Debian's SDK does not know yet."""
    status, _, answer = send(server, "backup", method, path, body=json.dumps(members).encode())
    return status, json.loads(answer)


def test_what_is_not_done_is_refused_and_what_aws_does_not_know_is_left_out(server):
    def put(rule=None, **plan):
        plan = {**document(**(rule or {})), **plan}
        return by_hand(server, "PUT", "/backup/plans", {"BackupPlan": plan})
    for rule in ({"IndexActions": [{"ResourceTypes": ["EBS"]}]}, {"ScanActions": [{"MalwareScanner": "GUARDDUTY", "ScanMode": "FULL_SCAN"}]},
                 {"CopyActions": [{"DestinationBackupVaultArn": "arn:aws:backup:us-east-1:000000000000:backup-vault:Default"}]},
                 {"TargetLogicallyAirGappedBackupVaultArn": "arn:aws:backup:us-east-1:000000000000:backup-vault:x"}, {"Lifecycle": {"DeleteAfterEvent": "DELETE_AFTER_COPY"}}):
        status, answer = put(rule)
        named = next(iter(rule)) if "Lifecycle" not in rule else "DeleteAfterEvent"
        assert status == 400 and named in answer["message"], answer
    status, answer = put(ScanSettings=[{"MalwareScanner": "GUARDDUTY", "ResourceTypes": ["EC2"], "ScannerRoleArn": ROLE}])
    assert status == 400 and "ScanSettings" in answer["message"], answer
    rule = {"EnableContinuousBackup": False, "Lifecycle": {"DeleteAfterDays": -1}, "ScheduleExpression": "cron(0 4 ? * * *)", "ScheduleExpressionTimezone": "Europe/Berlin",
            "StartWindowMinutes": 60, "CompletionWindowMinutes": 120, "RecoveryPointTags": {"a": "b"}}
    settings = [{"ResourceType": "EC2", "BackupOptions": {"StartStopEC2Required": "true"}}]
    status, made = put({**rule, "NoSuchMember": 1}, AdvancedBackupSettings=settings, NoSuchMember={})
    assert status == 200, made
    _, got = by_hand(server, "GET", f"/backup/plans/{made['BackupPlanId']}/", {})
    shown = dict(got["BackupPlan"]["Rules"][0])
    shown.pop("RuleId")
    assert shown == {"RuleName": "nightly", "TargetBackupVaultName": "Default", **rule}
    assert got["BackupPlan"]["AdvancedBackupSettings"] == settings and "NoSuchMember" not in got["BackupPlan"]
    server.restart()
    assert by_hand(server, "GET", f"/backup/plans/{made['BackupPlanId']}/", {})[1] == got


def test_bad_tags(server, backup):
    plan = {"BackupPlan": document()}
    for tags, words in (({"aws:x": "y"}, "'aws:x' begins with 'aws:'"), ({f"k{i}": "" for i in range(51)}, "51 tags are given; at most 50"), ({"k" * 129: ""}, "129 characters"),
                        ({"k": "v" * 257}, "257 characters"), ({"a*": ""}, "letters, digits")):
        assert code(backup.create_backup_plan, words, **plan, BackupPlanTags=tags) == "InvalidParameterValueException"
        assert code(backup.create_backup_vault, words, BackupVaultName="tagged", BackupVaultTags=tags) == "InvalidParameterValueException"
        assert code(backup.start_backup_job, words, BackupVaultName="Default", ResourceArn="arn:aws:ec2:us-east-1:000000000000:instance/i-0", IamRoleArn=ROLE,
                    RecoveryPointTags=tags) == "InvalidParameterValueException"


def test_time_zones(fresh_server):
    """Debian's SDK does not know the member yet: by hand."""
    loose = fresh_server.client("backup")
    zone = ["Europe/Berlin"]
    loose.meta.events.register("before-call.backup.CreateBackupPlan", lambda params, **_: params.update(
        body=json.dumps({"BackupPlan": document(ScheduleExpressionTimezone=zone[0])}).encode()))
    loose.create_backup_plan(BackupPlan=document())
    with stopped(fresh_server) as database:
        (due,), = database.execute("SELECT due FROM timers WHERE kind = 'backup.plan'").fetchall()
    there = datetime.datetime.fromtimestamp(due / 1e6, zoneinfo.ZoneInfo("Europe/Berlin"))
    assert (there.hour, there.minute) == (5, 0)
    zone[0] = "Europe/Nowhere"
    loose = fresh_server.client("backup")
    loose.meta.events.register("before-call.backup.CreateBackupPlan", lambda params, **_: params.update(
        body=json.dumps({"BackupPlan": document(ScheduleExpressionTimezone=zone[0])}).encode()))
    assert code(loose.create_backup_plan, "Europe/Nowhere", BackupPlan=document()) == "InvalidParameterValueException"


def test_the_most_plans(fresh_server):
    backup = fresh_server.client("backup")
    for _ in range(100):
        backup.create_backup_plan(BackupPlan=document())
    assert code(backup.create_backup_plan, BackupPlan=document()) == "LimitExceededException"


def test_selections(backup):
    plan = backup.create_backup_plan(BackupPlan=document())["BackupPlanId"]
    given = {"SelectionName": "all", "IamRoleArn": ROLE, "Resources": ["arn:aws:ec2:*:*:instance/*"], "NotResources": ["*/i-0"],
             "ListOfTags": [{"ConditionType": "STRINGEQUALS", "ConditionKey": "a", "ConditionValue": "b"}],
             "Conditions": {"StringLike": [{"ConditionKey": "aws:ResourceTag/x", "ConditionValue": "y*"}]}}
    given["NotResources"] = ["arn:aws:ec2:*:*:instance/i-0"]
    made = backup.create_backup_selection(BackupPlanId=plan, BackupSelection=given, CreatorRequestId="once")
    assert backup.create_backup_selection(BackupPlanId=plan, BackupSelection=given, CreatorRequestId="once")["SelectionId"] == made["SelectionId"]
    got = backup.get_backup_selection(BackupPlanId=plan, SelectionId=made["SelectionId"])
    assert got["BackupSelection"] == given and got["CreatorRequestId"] == "once"
    assert code(backup.create_backup_selection, BackupPlanId=plan, BackupSelection=given) == "AlreadyExistsException"
    other = backup.create_backup_selection(BackupPlanId=plan, BackupSelection={**given, "SelectionName": "two"})["SelectionId"]
    first = backup.list_backup_selections(BackupPlanId=plan, MaxResults=1)
    rest = backup.list_backup_selections(BackupPlanId=plan, NextToken=first["NextToken"])
    both = first["BackupSelectionsList"] + rest["BackupSelectionsList"]
    assert {one["SelectionId"]: one["SelectionName"] for one in both} == {made["SelectionId"]: "all", other: "two"}
    assert code(backup.list_backup_selections, BackupPlanId=plan, NextToken="x") == "InvalidParameterValueException"
    assert code(backup.delete_backup_plan, "selections must be deleted", BackupPlanId=plan) == "InvalidRequestException"
    for id in (made["SelectionId"], other):
        backup.delete_backup_selection(BackupPlanId=plan, SelectionId=id)
        assert code(backup.get_backup_selection, BackupPlanId=plan, SelectionId=id) == "ResourceNotFoundException"
        assert code(backup.delete_backup_selection, BackupPlanId=plan, SelectionId=id) == "ResourceNotFoundException"
    backup.delete_backup_plan(BackupPlanId=plan)


def test_selection_refusals(backup):
    plan = backup.create_backup_plan(BackupPlan=document())["BackupPlanId"]

    def refused(words="", plan=plan, **given):
        selection = {"SelectionName": "x", "IamRoleArn": ROLE, **given}
        assert code(backup.create_backup_selection, words, BackupPlanId=plan, BackupSelection=selection) == "InvalidParameterValueException"
    refused("does not exist", plan=str(uuid.uuid4()))
    refused("SelectionName", SelectionName="a b")
    refused("IAM Role ARN", IamRoleArn="arn:aws:iam::000000000000:user/x")
    refused("is not an ARN", Resources=["i-0123456789abcdef0"])
    refused("is not an ARN", NotResources=["x"])
    refused("at most 500", Resources=["*"] * 501)
    refused("STRINGEQUALS", ListOfTags=[{"ConditionType": "STRINGLIKE", "ConditionKey": "a", "ConditionValue": "b"}])
    refused("aws:ResourceTag/", Conditions={"StringEquals": [{"ConditionKey": "a", "ConditionValue": "b"}]})
    for number in range(100):
        backup.create_backup_selection(BackupPlanId=plan, BackupSelection={"SelectionName": f"s{number}", "IamRoleArn": ROLE})
    assert code(backup.create_backup_selection, BackupPlanId=plan, BackupSelection={"SelectionName": "more", "IamRoleArn": ROLE}) == "LimitExceededException"


@contextlib.contextmanager
def stopped(server):
    """The store of a server that does not run, as if time had passed."""
    server.stop()
    with contextlib.closing(sqlite3.connect(server.data / "store.db")) as database, database:
        yield database
    server.start()


def executions(server, name):
    """Of that plan, the first one first."""
    found = server.client("stepfunctions").list_executions(stateMachineArn=runs.MACHINE, maxResults=1000)["executions"]
    return [one["executionArn"] for one in reversed(found) if one["name"].startswith(name)]


@pytest.fixture
def planned(tmp_path_factory):
    """A server, two machines with a tag and one without, and a plan for the tag that is due once an hour."""
    server = Server(tmp_path_factory.mktemp("data")).start()
    runs.upload_scripts(server)
    tagged = runs.launch(server, 2, tags={"plan": "yes"})
    other = runs.launch(server, 1, tags={"plan": "no"})
    backup = server.client("backup")
    plan = document("hourly", OPTIONS, ScheduleExpression="cron(0 * * * ? *)", Lifecycle={"DeleteAfterDays": 7}, RecoveryPointTags={"by": "plan"})
    id = backup.create_backup_plan(BackupPlan=plan)["BackupPlanId"]
    backup.create_backup_selection(BackupPlanId=id, BackupSelection={
        "SelectionName": "tagged", "IamRoleArn": ROLE, "ListOfTags": [{"ConditionType": "STRINGEQUALS", "ConditionKey": "plan", "ConditionValue": "yes"}]})
    # What two selections want is backed up once.
    backup.create_backup_selection(BackupPlanId=id, BackupSelection={
        "SelectionName": "again", "IamRoleArn": ROLE, "Resources": [f"arn:aws:ec2:us-east-1:000000000000:instance/{tagged[0]}"]})
    yield server, id, tagged, other
    server.close()


def test_a_due_rule_runs_with_its_scripts_for_the_machines_of_that_moment(planned):
    server, plan, tagged, other = planned
    server.client("ec2").create_tags(Resources=other, Tags=[{"Key": "plan", "Value": "yes"}])
    server.client("ec2").create_tags(Resources=tagged[1:], Tags=[{"Key": "plan", "Value": "no"}])
    chosen = [tagged[0], *other]
    with stopped(server) as database:
        # Down for three hours and a half: the latest time is made up for.
        database.execute("UPDATE timers SET due = due - ? WHERE kind = 'backup.plan'", (210 * MINUTE,))
    arn, = until(lambda: executions(server, "hourly-"), 60, "the plan's run")
    ended = runs.finished(server, arn, 120)
    assert ended["status"] == "SUCCEEDED", ended
    rows = runs.statuses(server, arn)
    assert set(rows) == set(chosen)
    backup = server.client("backup")
    for id in chosen:
        assert rows[id]["PreBackupScriptStatus"] == rows[id]["PostBackupScriptStatus"] == "Success", rows[id]
        point = backup.describe_recovery_point(BackupVaultName="Default", RecoveryPointArn=rows[id]["RecoveryPointArn"])
        assert point["Lifecycle"] == {"DeleteAfterDays": 7} and point["CreatedBy"]["BackupPlanId"] == plan, point
        job = backup.describe_backup_job(BackupJobId=rows[id]["BackupJobId"])
        version = backup.get_backup_plan(BackupPlanId=plan)
        assert job["CreatedBy"] == {"BackupPlanId": plan, "BackupPlanArn": version["BackupPlanArn"], "BackupPlanVersion": version["VersionId"],
                                    "BackupRuleId": version["BackupPlan"]["Rules"][0]["RuleId"]}
    listed = backup.list_recovery_points_by_backup_vault(BackupVaultName="Default", ByBackupPlanId=plan)["RecoveryPoints"]
    assert {point["RecoveryPointArn"] for point in listed} == {rows[id]["RecoveryPointArn"] for id in chosen}
    assert backup.list_recovery_points_by_backup_vault(BackupVaultName="Default", ByBackupPlanId="other")["RecoveryPoints"] == []
    assert backup.get_backup_plan(BackupPlanId=plan)["LastExecutionDate"].minute == 0
    assert "runs of a backup plan were missed" in server.log()
    with stopped(server) as database:
        (due,), = database.execute("SELECT due FROM timers WHERE kind = 'backup.plan'").fetchall()
        assert due % (60 * MINUTE) == 0
    assert executions(server, "hourly-") == [arn]


def test_killed_when_a_rule_is_due_it_runs_once(planned):
    server, plan, tagged, _ = planned
    lines = server.directory / "points"
    server.stop()
    with contextlib.closing(sqlite3.connect(server.data / "store.db")) as database, database:
        database.execute("UPDATE timers SET due = due - ? WHERE kind = 'backup.plan'", (60 * MINUTE,))
    lines.write_text("backup.plan_due kill 1\n")
    server.args = ["--failpoints", str(lines)]
    # It may die before it is ready.
    with contextlib.suppress(AssertionError):
        server.start()
    until(lambda: server.process.poll() is not None, 60, "the server's death")
    assert pathlib.Path(f"{lines}.hits").read_text() == "backup.plan_due 1\n"
    server.args = []
    server.start()
    arn, = until(lambda: executions(server, "hourly-"), 60, "the plan's run")
    assert runs.finished(server, arn, 120)["status"] == "SUCCEEDED"
    server.restart()
    assert executions(server, "hourly-") == [arn]
    assert set(runs.statuses(server, arn)) == set(tagged)


def test_a_deleted_plan_runs_no_more(planned):
    server, plan, _, _ = planned
    backup = server.client("backup")
    for selection in backup.list_backup_selections(BackupPlanId=plan)["BackupSelectionsList"]:
        backup.delete_backup_selection(BackupPlanId=plan, SelectionId=selection["SelectionId"])
    backup.delete_backup_plan(BackupPlanId=plan)
    with stopped(server) as database:
        assert database.execute("SELECT COUNT(*) FROM timers WHERE kind = 'backup.plan'").fetchone() == (0,)
    assert executions(server, "hourly-") == []


def timers(server):
    """By rule, when each is due."""
    with contextlib.closing(sqlite3.connect(server.data / "store.db")) as database:
        return {id.rsplit("/", 1)[1]: due for id, due in database.execute("SELECT id, due FROM timers WHERE kind = 'backup.plan'").fetchall()}


def test_a_paused_plan_runs_nothing_until_it_is_resumed_nor_afterwards_what_it_missed(planned):
    server, plan, tagged, _ = planned
    backup, own = server.client("backup"), stillpoint(server)
    paused = own.pause_backup_plan(BackupPlanId=plan)
    assert (paused["BackupPlanId"], paused["BackupPlanName"], paused["State"]) == (plan, "hourly", "PAUSED")
    assert paused["BackupPlanArn"] == backup.get_backup_plan(BackupPlanId=plan)["BackupPlanArn"] and paused["PausedBy"].startswith("arn:aws:")
    server.kill()
    server.start()
    assert own.pause_backup_plan(BackupPlanId=plan)["PausedAt"] == paused["PausedAt"], "it is so already"
    # A new version of it is paused too, with all its rules.
    version = backup.get_backup_plan(BackupPlanId=plan)["BackupPlan"]
    hourly = version["Rules"][0].pop("RuleId")
    version["Rules"][0].pop("ScheduleExpressionTimezone", None)
    version["Rules"].append({"RuleName": "daily", "TargetBackupVaultName": "Default", "ScheduleExpression": "cron(0 3 * * ? *)"})
    backup.update_backup_plan(BackupPlanId=plan, BackupPlan=version)
    assert timers(server) == {}
    order = {"input": runs.run_input(8, ids=tagged), "of": {"BackupPlanId": plan}, "until": 1 << 52}
    with stopped(server) as database:
        # As if a run had been to be tried again, and a time of the plan had come.
        for kind, id, payload in (("backup.plan_again", "hourly-again", json.dumps(order)), ("backup.plan", f"{plan}/{hourly}", "")):
            database.execute("INSERT INTO timers (kind, id, due, payload) VALUES (?, ?, 0, ?)", (kind, id, payload.encode()))
    until(lambda: "is not tried again: the plan is paused or deleted" in server.log(), 30, "the try that was left out")
    until(lambda: timers(server) == {}, 30, "the time that has gone by")
    assert executions(server, "hourly-") == []
    before = datetime.datetime.now(datetime.timezone.utc).timestamp() * 1_000_000
    resumed = own.resume_backup_plan(BackupPlanId=plan)
    assert resumed["State"] == "ENABLED" and "PausedAt" not in resumed and "PausedBy" not in resumed
    due = timers(server)
    assert len(due) == 2 and min(due.values()) > before and due[hourly] % (60 * MINUTE) == 0
    own.resume_backup_plan(BackupPlanId=plan)
    assert timers(server) == due
    with stopped(server) as database:
        database.execute("UPDATE timers SET due = due - ? WHERE kind = 'backup.plan' AND id = ?", (60 * MINUTE, f"{plan}/{hourly}"))
    arn, = until(lambda: executions(server, "hourly-"), 60, "the plan's run")
    assert runs.finished(server, arn, 120)["status"] == "SUCCEEDED"


@pytest.mark.parametrize("verb", ["pause", "resume"])
def test_pause_refusals(server, backup, verb):
    operation = f"Stillpoint_20261101.{verb.capitalize()}BackupPlan"

    def refused(arguments):
        status, answer = call_json(server, "stillpoint", operation, arguments, "1.1")
        assert status == 400, answer
        return answer["__type"], answer["message"]
    kind, message = refused({"BackupPlanId": "none"})
    assert kind == "ResourceNotFoundException" and "Backup plan none does not exist" in message
    gone = backup.create_backup_plan(BackupPlan=document())["BackupPlanId"]
    backup.delete_backup_plan(BackupPlanId=gone)
    assert refused({"BackupPlanId": gone})[0] == "ResourceNotFoundException"
    for arguments, word in (({}, "BackupPlanId"), ({"BackupPlanId": 7}, "BackupPlanId"), ({"BackupPlanId": gone, "Other": 1}, "Other")):
        kind, message = refused(arguments)
        assert kind == "ValidationException" and word in message
    told = server.cli(["plan", verb, gone], check=False)
    assert told.returncode == 1 and f"Backup plan {gone} does not exist" in told.stderr

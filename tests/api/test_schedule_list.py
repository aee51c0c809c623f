"""What runs by itself, and when: ListUpcomingRuns and `stillpoint schedule list`."""
import contextlib
import datetime
import fcntl
import json
import os
import pty
import struct
import subprocess
import termios
import zoneinfo

import pytest

from tests.support.own_model import stillpoint
from tests.support.runs import MACHINE, ROLE, run_input
from tests.support.server import ACCOUNT, BINARY, REGION
from tests.support.signed import call_json, send

OFF = {"Mode": "OFF"}
SDK = "arn:aws:scheduler:::aws-sdk"


@pytest.fixture(scope="module")
def machines(server):
    """Two that carry the tag and one that does not."""
    own = stillpoint(server)
    add = lambda tags: own.add_instance(Driver="none", Tags=tags)["InstanceId"]
    tag = [{"Key": "backup-job", "Value": "true"}]
    return {"tagged": sorted([add(tag), add([*tag, {"Key": "stage", "Value": "test"}])]), "other": add([])}


@pytest.fixture(scope="module")
def schedules(server, machines):
    events, scheduler = server.client("events"), server.client("scheduler")
    events.put_rule(Name="by-event", EventPattern='{"source":["x"]}')
    events.put_rule(Name="nightly-rule", ScheduleExpression="cron(30 2 * * ? *)")
    events.put_targets(Rule="nightly-rule", Targets=[
        {"Id": "1", "Arn": MACHINE, "RoleArn": ROLE, "Input": json.dumps(run_input(8))},
        {"Id": "2", "Arn": f"arn:aws:ssm:{REGION}::document/AWS-RunShellScript", "RoleArn": ROLE, "Input": '{"commands":["true"]}',
         "RunCommandParameters": {"RunCommandTargets": [{"Key": "tag:backup-job", "Values": ["true"]}, {"Key": "tag:stage", "Values": ["test", "live"]}]}},
        {"Id": "3", "Arn": MACHINE, "RoleArn": ROLE, "InputPath": "$.detail"}])

    def create(name, expression, arn=MACHINE, input="{}", **more):
        scheduler.create_schedule(**{"Name": name, "ScheduleExpression": expression, "FlexibleTimeWindow": OFF, "Target": {"Arn": arn, "RoleArn": ROLE, "Input": input}, **more})

    create("berlin", "cron(30 2 1 7 ? *)", input=json.dumps(run_input(8, ids=[machines["other"], "i-00000000000000000"])), ScheduleExpressionTimezone="Europe/Berlin",
           FlexibleTimeWindow={"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 30})
    create("paused", "rate(1 day)", State="DISABLED")
    create("over", "at(2001-01-01T00:00:00)")
    scheduler.create_schedule_group(Name="power")
    create("stop", "cron(0 20 ? * * 2199)", f"{SDK}:ec2:stopInstances", json.dumps({"InstanceIds": [machines["other"]]}), GroupName="power")
    backup = server.client("backup")
    zone = {"ScheduleExpression": "cron(30 1 ? * SUN *)", "ScheduleExpressionTimezone": "Europe/Berlin"}
    rule = {"TargetBackupVaultName": "Default"}
    # Their ids are the order in which they are listed, and nobody chooses those.
    for name, rules in (("databases", [{"RuleName": "weekly", **rule, **zone, "StartWindowMinutes": 60}, {"RuleName": "daily", **rule}]), ("idle", [{"RuleName": "daily", **rule}])):
        # By hand: Debian's SDK does not know the member for the time zone yet.
        status, _, answer = send(server, "backup", "PUT", "/backup/plans", body=json.dumps({"BackupPlan": {"BackupPlanName": name, "Rules": rules}}).encode())
        assert status == 200, answer
        id = json.loads(answer)["BackupPlanId"]
        if name == "idle":
            stillpoint(server).pause_backup_plan(BackupPlanId=id)
            continue
        for selection, wanted in (("tagged", {"ListOfTags": [{"ConditionType": "STRINGEQUALS", "ConditionKey": "backup-job", "ConditionValue": "true"}]}), ("rest", {})):
            backup.create_backup_selection(BackupPlanId=id, BackupSelection={"SelectionName": selection, "IamRoleArn": ROLE, **wanted})
    return ["nightly-rule", "berlin", "over", "paused", "stop"]


def without_plans(listed):
    """Names of rules and schedules, which come before plans."""
    kinds = [one["Kind"] for one in listed]
    assert kinds == sorted(kinds, key=["rule", "schedule", "plan"].index) and kinds.count("plan") == 3
    return [one["Name"] for one in listed if one["Kind"] != "plan"]


def utc(text):
    return datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=datetime.timezone.utc)


def test_upcoming_runs(server, machines, schedules):
    own = stillpoint(server)
    before = datetime.datetime.now(datetime.timezone.utc)
    listed = own.list_upcoming_runs()
    assert without_plans(listed["Schedules"]) == schedules and "NextToken" not in listed
    rule, berlin, over, paused, stop = listed["Schedules"][:5]
    assert (rule["Kind"], rule["TimeZone"], rule["State"], rule["Arn"]) == ("rule", "UTC", "ENABLED", f"arn:aws:events:{REGION}:{ACCOUNT}:rule/nightly-rule")
    first = before.replace(hour=2, minute=30, second=0, microsecond=0)
    nights = [first + datetime.timedelta(days=n) for n in range(7)]
    assert [utc(run) for run in rule["Runs"]] == [night for night in nights if night > before][:5]
    assert [target.get("Instances") for target in rule["Targets"]] == [machines["tagged"], [one for one in machines["tagged"] if one in rule["Targets"][1]["Instances"]], None]
    assert len(rule["Targets"][1]["Instances"]) == 1
    # Summer in Berlin.
    assert berlin["Kind"] == "schedule" and berlin["WindowInMinutes"] == 30 and [run[4:] for run in berlin["Runs"]] == ["-07-01T00:30:00Z"] * 5
    assert berlin["Targets"] == [{"Arn": MACHINE, "Instances": [machines["other"]], "Problem": "i-00000000000000000 does not exist: the next run fails for it"}]
    assert (over["State"], over["Runs"], paused["State"], paused["Runs"]) == ("ENABLED", [], "DISABLED", [])
    assert (stop["GroupName"], stop["Runs"][0], stop["Targets"]) == ("power", "2199-01-01T20:00:00Z", [{"Arn": f"{SDK}:ec2:stopInstances", "Instances": [machines["other"]]}])
    assert [len(one["Runs"]) for one in own.list_upcoming_runs(Runs=2)["Schedules"][:5]] == [2, 2, 0, 0, 2]


def test_upcoming_runs_of_plans(server, machines, schedules):
    plans = {(one["Name"], one["RuleName"]): one for one in stillpoint(server).list_upcoming_runs()["Schedules"] if one["Kind"] == "plan"}
    weekly, daily, idle = (plans[key] for key in (("databases", "weekly"), ("databases", "daily"), ("idle", "daily")))
    assert (weekly["State"], weekly["TimeZone"], weekly["ScheduleExpression"], weekly["StartWindowMinutes"]) == ("ENABLED", "Europe/Berlin", "cron(30 1 ? * SUN *)", 60)
    assert weekly["Arn"] == f"arn:aws:backup:{REGION}:{ACCOUNT}:backup-plan:{weekly['BackupPlanId']}"
    now = datetime.datetime.now(datetime.timezone.utc)
    berlin = zoneinfo.ZoneInfo("Europe/Berlin")
    walls = [utc(run).astimezone(berlin) for run in weekly["Runs"]]
    assert len(walls) == 5 and all((wall.weekday(), wall.hour, wall.minute) == (6, 1, 30) for wall in walls) and now < walls[0] < now + datetime.timedelta(days=8)
    assert (daily["ScheduleExpression"], daily["StartWindowMinutes"]) == ("cron(0 5 ? * * *)", 480) and [run[11:] for run in daily["Runs"]] == ["05:00:00Z"] * 5
    # What one selection wants no later one gets.
    for one in (weekly, daily):
        assert one["Targets"] == [{"Arn": MACHINE, "SelectionName": "tagged", "Instances": machines["tagged"]}, {"Arn": MACHINE, "SelectionName": "rest", "Instances": [machines["other"]]}]
    assert (idle["State"], idle["Runs"], idle["Targets"]) == ("PAUSED", [], []) and utc(idle["PausedAt"][:19] + "Z") <= now


def test_pages_of_upcoming_runs(server, schedules):
    own = stillpoint(server)
    names, token = [], None
    for _ in range(20):
        page = own.list_upcoming_runs(MaxResults=2, **({"NextToken": token} if token else {}))
        assert len(page["Schedules"]) <= 2
        names += [(one["Name"], one.get("RuleName")) for one in page["Schedules"]]
        token = page.get("NextToken")
        if not token:
            break
    assert [name for name, rule in names if not rule] == schedules
    assert sorted(name for name in names if name[1]) == [("databases", "daily"), ("databases", "weekly"), ("idle", "daily")]


@pytest.mark.parametrize("most", [1, 2, 3, 7, 8])
def test_pages_of_any_size_are_the_same_list(server, schedules, most):
    own = stillpoint(server)
    whole = own.list_upcoming_runs(Runs=1)["Schedules"]
    found, token, pages = [], None, 0
    while pages == 0 or token:
        page = own.list_upcoming_runs(Runs=1, MaxResults=most, **({"NextToken": token} if token else {}))
        found += page["Schedules"]
        token, pages = page.get("NextToken"), pages + 1
    assert found == whole and pages == -(-len(whole) // most)


@pytest.mark.parametrize("arguments,words", [({"Runs": 21}, "Runs is 21"), ({"MaxResults": 0}, "MaxResults is 0"), ({"NextToken": "x"}, "NextToken"), ({"Other": 1}, "Other")])
def test_upcoming_runs_refusals(server, arguments, words):
    status, answer = call_json(server, "stillpoint", "Stillpoint_20261101.ListUpcomingRuns", arguments, "1.1")
    assert status == 400 and answer["__type"] == "ValidationException" and words in answer["message"]


def test_schedule_list(server, machines, schedules):
    listed = json.loads(server.cli(["schedule", "list", "--json"], env={**os.environ, "TZ": "Asia/Kathmandu"}).stdout)
    assert without_plans(listed) == schedules
    run = listed[0]["Runs"][0]
    local = datetime.datetime.fromisoformat(run["Local"])
    assert local == utc(run["Utc"]) and local.utcoffset() == datetime.timedelta(hours=5, minutes=45)
    assert "08:15" in run["Words"] and " in " in run["Words"]
    told = server.cli(["schedule", "list"], env={**os.environ, "TZ": "America/New_York"}).stdout
    assert "rule      nightly-rule  cron(" in told and "schedule  berlin  cron(" in told and "plan      databases: weekly  cron(" in told
    assert "nightly-rule  cron(30 2 * * ? *)  UTC\n" in told and "berlin  cron(30 2 1 7 ? *)  Europe/Berlin  within 30 minutes\n" in told
    assert f"  starts PrePostBackup, now for 2 machines: {', '.join(machines['tagged'])}\n" in told
    assert f"  starts ec2:stopInstances, now for 1 machine: {machines['other']}\n" in told and "power/stop" in told
    assert "paused  rate(1 day)  UTC  DISABLED\n" in told and "does not run again" in told
    assert f"  starts PrePostBackup, now for 2 machines: {', '.join(machines['tagged'])} (selection tagged)\n" in told
    weekly = next(one for one in listed if one.get("RuleName") == "weekly")
    idle = next(one for one in listed if one["Name"] == "idle")
    assert f"databases: weekly  cron(30 1 ? * SUN *)  Europe/Berlin  plan {weekly['BackupPlanId']}\n" in told
    assert f"idle: daily  cron(0 5 ? * * *)  Etc/UTC  plan {idle['BackupPlanId']}  PAUSED\n  does not run since {idle['PausedAt']} (stillpoint plan resume {idle['BackupPlanId']})\n" in told
    assert "  starts nothing: it has no selections\n" in told
    assert "2199-01-01T20:00:00Z  2199-01-01T15:00:00-05:00  Tuesday 1 January 2199 15:00, in " in told


@pytest.fixture
def broken(fresh_server):
    """Rules, schedules and a plan that were good, until what they name was deleted."""
    server = fresh_server
    own, events, scheduler, backup = stillpoint(server), server.client("events"), server.client("scheduler"), server.client("backup")
    sfn, ssm = server.client("stepfunctions"), server.client("ssm")
    machine, stays = [own.add_instance(Driver="none", Tags=[{"Key": "role", "Value": role}])["InstanceId"] for role in ("web", "db")]
    arn = sfn.create_state_machine(name="other", roleArn=ROLE, definition='{"StartAt":"a","States":{"a":{"Type":"Succeed"}}}')["stateMachineArn"]
    bus = events.create_event_bus(Name="mine")["EventBusArn"]
    ssm.create_document(Name="clean", DocumentType="Command", DocumentFormat="JSON", Content=json.dumps(
        {"schemaVersion": "2.2", "description": "", "mainSteps": [{"action": "aws:runShellScript", "name": "a", "inputs": {"runCommand": ["true"]}}]}))
    backup.create_backup_vault(BackupVaultName="offsite")
    daily = "cron(0 2 ? * * *)"

    def rule(name, **target):
        events.put_rule(Name=name, ScheduleExpression=daily)
        events.put_targets(Rule=name, Targets=[{"Id": "1", "RoleArn": ROLE, **target}])

    def create(name, arn, **members):
        scheduler.create_schedule(Name=name, ScheduleExpression=daily, FlexibleTimeWindow=OFF, Target={"Arn": arn, "RoleArn": ROLE, **members})

    rule("a-machine", Arn=arn)
    rule("b-bus", Arn=bus)
    rule("c-document", Arn=f"arn:aws:ssm:{REGION}::document/clean", Input="{}", RunCommandParameters={"RunCommandTargets": [{"Key": "tag:role", "Values": ["web"]}]})
    rule("d-off", Arn=MACHINE, Input=json.dumps(run_input(8, ids=[stays])))
    create("e-bus", bus, Input="{}", EventBridgeParameters={"DetailType": "t", "Source": "s"})
    create("f-vault", MACHINE, Input=json.dumps({"TargetEC2TagKey": "role", "TargetEC2TagValue": "web", "BackupDetails": {"BackupVaultName": "offsite", "IamRoleArn": ROLE}}))
    create("g-job", f"{SDK}:backup:startBackupJob",
           Input=json.dumps({"BackupVaultName": "offsite", "IamRoleArn": ROLE, "ResourceArn": f"arn:aws:ec2:{REGION}:{ACCOUNT}:instance/{machine}"}))
    plan = backup.create_backup_plan(BackupPlan={"BackupPlanName": "p", "Rules": [{"RuleName": "r", "TargetBackupVaultName": "offsite"}]})["BackupPlanId"]
    for name, wanted in (("named", {"Resources": [f"arn:aws:ec2:{REGION}:{ACCOUNT}:instance/{id}" for id in (machine, stays)]}),
                         ("tagged", {"ListOfTags": [{"ConditionType": "STRINGEQUALS", "ConditionKey": "role", "ConditionValue": "web"}]})):
        backup.create_backup_selection(BackupPlanId=plan, BackupSelection={"SelectionName": name, "IamRoleArn": ROLE, **wanted})
    before = own.list_upcoming_runs()["Schedules"]
    assert "Problem" not in json.dumps(before), before
    own.remove_instance(InstanceId=machine)
    sfn.delete_state_machine(stateMachineArn=arn)
    events.delete_event_bus(Name="mine")
    ssm.delete_document(Name="clean")
    events.disable_rule(Name="d-off")
    backup.delete_backup_vault(BackupVaultName="offsite")
    return server, machine, stays


def test_what_will_not_work_says_so(broken):
    server, machine, stays = broken
    listed = json.loads(server.cli(["schedule", "list", "--json"]).stdout)
    problems = {one["Name"]: [one.get("Problem", ""), *(target.get("Problem", "") for target in one["Targets"])] for one in listed}
    fails = "does not exist: the next run fails"
    nobody = "no machine has what its {} for now: the next run {}"
    assert problems == {
        "a-machine": ["", f"state machine other {fails}"], "b-bus": ["", f"event bus mine {fails}"],
        "c-document": ["", f"document clean {fails}; {nobody.format('targets ask', 'does nothing')}"], "d-off": ["", ""], "e-bus": ["", f"event bus mine {fails}"],
        "f-vault": ["", f"{nobody.format('input asks', 'fails')}; vault offsite {fails}"], "g-job": ["", f"vault offsite {fails}; {machine} {fails}"],
        "p": [f"vault offsite {fails}", f"{machine} does not exist and is left out", "it chooses no machine now: the next run does nothing for it"]}
    told = server.cli(["schedule", "list"]).stdout
    assert f"  vault offsite {fails}\n" in next(line + "\n" for line in told.splitlines() if line.startswith("plan"))
    assert f"  starts other: state machine other {fails}\n" in told
    assert f"  starts PrePostBackup, now for 1 machine: {stays} (selection named): {machine} does not exist and is left out\n" in told
    assert "  starts PrePostBackup, now for 0 machines (selection tagged): it chooses no machine now" in told
    assert "  does not run: it is disabled (aws events enable-rule --name d-off)\n" in told


def test_a_narrow_terminal_shows_whole_words(broken):
    server, _, _ = broken
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    with subprocess.Popen([BINARY, "schedule", "list", "--data-dir", str(server.data)], stdout=slave, env={**os.environ, "TERM": "dumb", "TZ": "Europe/Berlin"}) as process:
        os.close(slave)
        text = b""
        with contextlib.suppress(OSError):
            while more := os.read(master, 65536):
                text += more
        assert process.wait(30) == 0
    os.close(master)
    lines = text.decode().replace("\r", "").splitlines()
    assert max(map(len, lines)) <= 80, [line for line in lines if len(line) > 80]
    joined = " ".join(" ".join(lines).split())
    assert "vault offsite does not exist: the next run fails" in joined


def test_an_empty_list_says_how_to_begin(fresh_server):
    assert "aws scheduler create-schedule" in fresh_server.cli(["schedule", "list"]).stdout
    assert json.loads(fresh_server.cli(["schedule", "list", "--json"]).stdout) == []

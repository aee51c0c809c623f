"""Tasks of Stillpoint's own that end when what they began has ended: commands, power, backup jobs."""
import json

import pytest

from tests.support.machines import create, details, ended, history, run, start, types
from tests.support.runs import ROLE, launch, online
from tests.support.until import until

ARN = "arn:aws:ec2:us-east-1:000000000000:instance/"


@pytest.fixture(scope="module")
def machine(server):
    return launch(server, tags={"role": "sync"})[0]


@pytest.fixture
def sfn(server):
    return server.client("stepfunctions")


def task(resource, **parameters):
    return {"A": {"Type": "Task", "Resource": f"arn:aws:states:::{resource}.sync", "Parameters": parameters, "End": True}}


def command(machine, line):
    return task("ssm:sendCommand", InstanceIds=[machine], DocumentName="AWS-RunShellScript", Parameters={"commands": [line]})


def test_a_command_that_succeeds(sfn, machine):
    shown, events = run(sfn, command(machine, "exit 0"))
    assert shown["status"] == "SUCCEEDED"
    assert types(events)[2:6] == ["TaskScheduled", "TaskStarted", "TaskSubmitted", "TaskSucceeded"]
    submitted = json.loads(details(events, "TaskSubmitted")["output"])["Command"]
    told = json.loads(shown["output"])
    assert (told["CommandId"], told["Status"], told["TargetCount"]) == (submitted["CommandId"], "Success", 1)
    assert told["CommandInvocations"] == [{"CommandId": told["CommandId"], "InstanceId": machine, "Status": "Success", "StatusDetails": "Success", "ResponseCode": 0}]


def test_a_command_that_fails(sfn, machine):
    shown, events = run(sfn, command(machine, "exit 7"))
    assert (shown["status"], shown["error"]) == ("FAILED", "States.TaskFailed")
    told = json.loads(shown["cause"])
    assert told["Status"] == "Failed" and told["CommandInvocations"][0]["ResponseCode"] == 7
    assert details(events, "TaskFailed")["error"] == "States.TaskFailed"


def test_what_is_refused_at_once(sfn, machine):
    shown, events = run(sfn, command("i-00000000000000000", "true"))
    assert shown["error"] == "Ssm.InvalidInstanceIdException" and "TaskSubmitted" not in types(events)
    assert run(sfn, task("ec2:stopInstances", InstanceIds=["i-00000000000000000"]))[0]["error"] == "Ec2.Ec2Exception"
    job = task("backup:startBackupJob", BackupVaultName="nowhere", ResourceArn=ARN + machine, IamRoleArn=ROLE)
    assert run(sfn, job)[0]["error"] == "Backup.ResourceNotFoundException"


def test_a_stopped_execution_cancels_its_command(server, sfn, machine):
    execution = start(sfn, create(sfn, command(machine, "sleep 600")))
    until(lambda: "TaskSubmitted" in types(history(sfn, execution)))
    sent = json.loads(details(history(sfn, execution), "TaskSubmitted")["output"])["Command"]["CommandId"]
    sfn.stop_execution(executionArn=execution)
    ssm = server.client("ssm")
    until(lambda: ssm.list_commands(CommandId=sent)["Commands"][0]["Status"] == "Cancelled", 30)
    assert ended(sfn, execution)["status"] == "ABORTED"


def test_power_and_backup(server, sfn, machine):
    """A machine is stopped, backed up and started by one state machine; each state ends when that is so."""
    states = {"A": {**task("ec2:stopInstances", InstanceIds=[machine])["A"], "ResultPath": "$.stopped", "Next": "B"},
              "B": {**task("backup:startBackupJob", BackupVaultName="Default", ResourceArn=ARN + machine, IamRoleArn=ROLE)["A"], "ResultPath": "$.job", "Next": "C"},
              "C": {**task("ec2:startInstances", InstanceIds=[machine])["A"], "ResultPath": "$.started"}}
    for name in "AB":
        del states[name]["End"]
    shown = ended(sfn, start(sfn, create(sfn, states)), 120)
    assert shown["status"] == "SUCCEEDED", shown
    told = json.loads(shown["output"])
    assert told["stopped"] == {"Instances": [{"InstanceId": machine, "State": {"Name": "stopped"}}]}
    assert told["started"] == {"Instances": [{"InstanceId": machine, "State": {"Name": "running"}}]}
    job = told["job"]
    assert (job["State"], job["BackupVaultName"], job["ResourceArn"]) == ("COMPLETED", "Default", ARN + machine)
    kept = server.client("backup").describe_recovery_point(BackupVaultName="Default", RecoveryPointArn=job["RecoveryPointArn"])
    assert kept["Status"] == "COMPLETED" and kept["ResourceArn"] == ARN + machine
    online(server, [machine])


def test_two_tasks_that_wait_for_one_job(server, sfn, machine):
    """One IdempotencyToken is one job: both end with it, and it is stopped with the last of them."""
    backup = server.client("backup")

    def both(token, **more):
        waits = create(sfn, task("backup:startBackupJob", BackupVaultName="Default", ResourceArn=ARN + machine, IamRoleArn=ROLE, IdempotencyToken=token, **more))
        executions = [start(sfn, waits) for _ in range(2)]
        until(lambda: all("TaskSubmitted" in types(history(sfn, each)) for each in executions))
        ids = {json.loads(details(history(sfn, each), "TaskSubmitted")["output"])["BackupJobId"] for each in executions}
        assert len(ids) == 1
        return executions, ids.pop()

    executions, job = both("to its end")
    for each in executions:
        shown = ended(sfn, each, 120)
        assert shown["status"] == "SUCCEEDED" and json.loads(shown["output"])["BackupJobId"] == job
    folder = server.data / "machines" / machine / "root" / "srv" / "endless"
    folder.mkdir(parents=True)
    with open(folder / "hole", "wb") as file:
        file.truncate(400 << 30)
    (first, second), job = both("stopped", BackupOptions={"Paths": "/srv/endless"})
    state = lambda: backup.describe_backup_job(BackupJobId=job)["State"]
    until(lambda: state() == "RUNNING", 40)
    sfn.stop_execution(executionArn=second)
    assert ended(sfn, second)["status"] == "ABORTED"
    assert state() == "RUNNING" and sfn.describe_execution(executionArn=first)["status"] == "RUNNING"
    sfn.stop_execution(executionArn=first)
    until(lambda: state() == "ABORTED", 60)
    (folder / "hole").unlink()


def test_kill_while_a_command_runs(fresh_server):
    """What ends while the server is away ends the task once it is back."""
    machine = launch(fresh_server)[0]
    sfn = fresh_server.client("stepfunctions")
    execution = start(sfn, create(sfn, command(machine, "touch /var/tmp/began; until test -e /var/tmp/go; do sleep 0.1; done")))
    root = fresh_server.data / "machines" / machine / "root" / "var" / "tmp"
    until(lambda: (root / "began").exists(), 30)
    fresh_server.kill()
    (root / "go").touch()
    fresh_server.start()
    shown = ended(fresh_server.client("stepfunctions"), execution, 60)
    assert shown["status"] == "SUCCEEDED" and json.loads(shown["output"])["CommandInvocations"][0]["Status"] == "Success"

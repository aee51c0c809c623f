"""Stillpoint's own operations (docs/api/stillpoint.md)."""
import json

import botocore.exceptions
import pytest

from tests.support.own_model import stillpoint
from tests.support.until import until

MACHINE = "arn:aws:states:us-east-1:000000000000:stateMachine:PrePostBackup"


def code(call):
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        call()
    return refused.value.response["Error"]["Code"]


def test_describe_run_of_a_refused_input(server):
    states = server.client("stepfunctions")
    arn = states.start_execution(stateMachineArn=MACHINE, input=json.dumps({"Targets": "all"}))["executionArn"]
    until(lambda: states.describe_execution(executionArn=arn)["status"] != "RUNNING", 10)
    run = stillpoint(server).describe_run(ExecutionArn=arn)
    assert (run["Status"], run["Result"], run["Error"]) == ("FAILED", "FAILED", "Stillpoint.InvalidInput")
    assert run["Lanes"] == []
    assert run["FailureMessage"] == json.loads(states.describe_execution(executionArn=arn)["cause"])["message"]


def test_export_vault_keys(server):
    server.client("backup").create_backup_vault(BackupVaultName="keys-none")
    assert stillpoint(server).export_vault_keys(BackupVaultName="keys-none")["Keys"] == []


def test_nothing_is_owed(server):
    own = stillpoint(server)
    instance = server.client("ec2").run_instances(ImageId="ami-bare", MinCount=1, MaxCount=1)["Instances"][0]["InstanceId"]
    assert own.list_owed()["Debts"] == []
    assert own.list_owed(InstanceId=instance)["Debts"] == []
    assert own.thaw(InstanceId=instance)["Debts"] == []
    assert own.start(InstanceId=instance)["Debts"] == []


def test_unknown_names(server):
    own = stillpoint(server)
    assert code(lambda: own.describe_run(ExecutionArn="arn:aws:states:us-east-1:000000000000:execution:PrePostBackup:none")) == "ResourceNotFoundException"
    assert code(lambda: own.thaw(InstanceId="i-00000000000000000")) == "ResourceNotFoundException"
    assert code(lambda: own.start(InstanceId="i-00000000000000000")) == "ResourceNotFoundException"
    assert code(lambda: own.export_vault_keys(BackupVaultName="there-is-none")) == "ResourceNotFoundException"
    assert code(lambda: own.list_repositories(BackupVaultName="there-is-none")) == "ResourceNotFoundException"


def test_missing_names(server):
    own = stillpoint(server)
    assert code(lambda: own.describe_run()) == "ValidationException"
    assert code(lambda: own.thaw()) == "ValidationException"
    assert code(lambda: own.start()) == "ValidationException"

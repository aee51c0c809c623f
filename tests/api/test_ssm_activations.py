"""Hybrid activations by boto3 and the CLI: the tokens, and real agents that enrol by them."""
import datetime
import json

import pytest

from tests.support import enrolled_agents as agents
from tests.support.machines import refused
from tests.support.own_model import stillpoint
from tests.support.runs import launch, shell
from tests.support.until import until

ROLE = "service-role/hybrid"
TRUST = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "ssm.amazonaws.com"}, "Action": "sts:AssumeRole",
                                                 "Condition": {"StringEquals": {"aws:SourceAccount": "000000000000"}}}]}


@pytest.fixture(scope="module")
def role(server):
    server.client("iam").create_role(RoleName="hybrid", Path="/service-role/", AssumeRolePolicyDocument=json.dumps(TRUST))
    return ROLE


@pytest.fixture
def host(server, tmp_path):
    made = []

    def make(name, activation):
        agent = agents.Agent(tmp_path / name, server.agents, f"{activation['ActivationId']}:{activation['ActivationCode']}")
        made.append(agent)
        return agent.start()

    yield make
    for agent in made:
        agent.close()


def activate(server, role, **more):
    return server.client("ssm").create_activation(IamRole=role, **more)


def described(server, **more):
    pages = server.client("ssm").get_paginator("describe_activations").paginate(**more)
    return [one for page in pages for one in page["ActivationList"]]


def one(server, activation):
    return described(server, Filters=[{"FilterKey": "ActivationIds", "FilterValues": [activation["ActivationId"]]}])[0]


def information(server, instance):
    return server.client("ssm").describe_instance_information(Filters=[{"Key": "InstanceIds", "Values": [instance]}])["InstanceInformationList"][0]


def test_create_activation(server, role):
    made = activate(server, role, Description="ours", DefaultInstanceName="node", RegistrationLimit=5, Tags=[{"Key": "role", "Value": "hybrid"}])
    assert 20 <= len(made["ActivationCode"]) <= 250
    shown = one(server, made)
    assert (shown["Description"], shown["DefaultInstanceName"], shown["IamRole"], shown["RegistrationLimit"], shown["RegistrationsCount"],
            shown["Expired"]) == ("ours", "node", role, 5, 0, False)
    assert shown["Tags"] == [{"Key": "role", "Value": "hybrid"}]
    day = shown["ExpirationDate"] - shown["CreatedDate"]
    assert abs(day - datetime.timedelta(hours=24)) < datetime.timedelta(seconds=1)
    assert "ActivationCode" not in shown


def test_create_activation_refusals(server, role):
    ssm = server.client("ssm", parameter_validation=False)
    assert "Not existing role" in refused("ValidationException", ssm.create_activation, IamRole="no-such-role")
    server.client("iam").create_role(RoleName="other", AssumeRolePolicyDocument=json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]}))
    refused("ValidationException", ssm.create_activation, IamRole="other")
    refused("ValidationException", ssm.create_activation, IamRole="x" * 65)
    for wrong in ({"RegistrationLimit": 0}, {"RegistrationLimit": 1001}, {"Description": "x" * 257}, {"DefaultInstanceName": "x" * 257}):
        refused("ValidationException", ssm.create_activation, IamRole=role, **wrong)
    now = datetime.datetime.now(datetime.timezone.utc)
    for when in (now - datetime.timedelta(hours=1), now + datetime.timedelta(days=31)):
        refused("InvalidParameters", ssm.create_activation, IamRole=role, ExpirationDate=when)
    for tags in ([{"Key": "aws:x", "Value": "y"}], [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}], [{"Key": f"k{i}", "Value": "v"} for i in range(51)]):
        refused("InvalidParameters", ssm.create_activation, IamRole=role, Tags=tags)


def test_describe_activations(server, role):
    ids = {activate(server, role, DefaultInstanceName="paged")["ActivationId"] for _ in range(5)}
    # Tokens of Stillpoint's own are not activations.
    token = agents.token_of(server, Name="paged")["TokenId"]
    named = described(server, Filters=[{"FilterKey": "DefaultInstanceName", "FilterValues": ["paged"]}], PaginationConfig={"PageSize": 2})
    assert {each["ActivationId"] for each in named} == ids and token not in ids
    first = server.client("ssm").describe_activations(MaxResults=1)
    assert len(first["ActivationList"]) == 1 and first["NextToken"]
    assert described(server, Filters=[{"FilterKey": "IamRole", "FilterValues": ["nobody"]}]) == []


def test_describe_activations_refusals(server):
    ssm = server.client("ssm", parameter_validation=False)
    refused("InvalidFilter", ssm.describe_activations, Filters=[{"FilterKey": "Colour", "FilterValues": ["red"]}])
    refused("InvalidFilter", ssm.describe_activations, Filters=[{"FilterKey": "IamRole", "FilterValues": []}])
    refused("InvalidNextToken", ssm.describe_activations, NextToken="nonsense")


def test_a_machine_is_activated(server, role, host):
    made = activate(server, role, DefaultInstanceName="hybrid-1", Tags=[{"Key": "team", "Value": "backup"}])
    agent = host("hybrid", made)
    agents.pinged(server, agent.id, "Online")
    shown = information(server, agent.id)
    assert (shown["ActivationId"], shown["IamRole"], shown["ResourceType"], shown["Name"], shown["SourceType"]) == (
        made["ActivationId"], role, "ManagedInstance", "hybrid-1", "AWS::SSM::ManagedInstance")
    assert shown["PlatformType"] == "Linux" and shown["PlatformName"] and shown["IPAddress"] == "127.0.0.1"
    assert abs(shown["RegistrationDate"] - datetime.datetime.now(datetime.timezone.utc)) < datetime.timedelta(minutes=5)
    assert one(server, made)["RegistrationsCount"] == 1 and one(server, made)["Expired"]
    ssm = server.client("ssm")
    for key, value in (("ActivationIds", made["ActivationId"]), ("tag:team", "backup"), ("tag-key", "team"), ("SourceIds", agent.id)):
        found = ssm.describe_instance_information(Filters=[{"Key": key, "Values": [value]}])["InstanceInformationList"]
        assert [each["InstanceId"] for each in found] == [agent.id], key
    found = ssm.describe_instance_information(InstanceInformationFilterList=[{"key": "ResourceType", "valueSet": ["ManagedInstance"]},
                                                                              {"key": "SourceTypes", "valueSet": ["AWS::SSM::ManagedInstance"]},
                                                                              {"key": "ActivationIds", "valueSet": [made["ActivationId"]]}])
    assert [each["InstanceId"] for each in found["InstanceInformationList"]] == [agent.id]
    assert shell(server, agent.id, "echo activated").strip() == "activated"
    # More machines than the limit do not come in.
    late = host("late", made)
    assert late.wait() == 5 and "was used by 1 of 1 machines" in late.log()


def test_delete_activation(server, role, host):
    made = activate(server, role, RegistrationLimit=2)
    agent = host("stays", made)
    agents.pinged(server, agent.id, "Online")
    server.client("ssm").delete_activation(ActivationId=made["ActivationId"])
    assert one_or_none(server, made) is None
    # Who has registered stays; nobody new comes.
    assert shell(server, agent.id, "echo here").strip() == "here"
    late = host("late", made)
    assert late.wait() == 5 and "none of this server's" in late.log()


def one_or_none(server, activation):
    found = described(server, Filters=[{"FilterKey": "ActivationIds", "FilterValues": [activation["ActivationId"]]}])
    return found[0] if found else None


def test_delete_activation_refusals(server):
    ssm = server.client("ssm", parameter_validation=False)
    refused("InvalidActivationId", ssm.delete_activation, ActivationId="nonsense")
    refused("InvalidActivation", ssm.delete_activation, ActivationId="5743558d-563b-4457-8682-d16c3e3f6f1e")
    token = agents.token_of(server)["TokenId"]
    refused("InvalidActivationId", ssm.delete_activation, ActivationId=token)


def test_deregister(server, role, host):
    agent = host("leaves", activate(server, role))
    agents.pinged(server, agent.id, "Online")
    command = server.client("ssm").send_command(InstanceIds=[agent.id], DocumentName="AWS-RunShellScript", Parameters={"commands": ["true"]})["Command"]["CommandId"]
    until(lambda: server.client("ssm").list_commands(CommandId=command)["Commands"][0]["Status"] == "Success")
    server.client("ssm").deregister_managed_instance(InstanceId="m" + agent.id)
    assert agent.id not in agents.pings(server)
    agent.logged("the server refuses this agent")
    # Its history stays.
    assert server.client("ssm").list_commands(CommandId=command)["Commands"][0]["Status"] == "Success"


def test_deregister_refusals(server):
    ssm = server.client("ssm", parameter_validation=False)
    for wrong in ("mi-0123456789abcdef0", "i-0123456789abcdef0", "nonsense"):
        refused("InvalidInstanceId", ssm.deregister_managed_instance, InstanceId=wrong)
    machine = launch(server, 1)[0]
    # One that the server made has not enrolled.
    refused("InvalidInstanceId", ssm.deregister_managed_instance, InstanceId=machine)


def test_update_managed_instance_role(server, role, host):
    agent = host("promoted", activate(server, role))
    agents.pinged(server, agent.id, "Online")
    server.client("iam").create_role(RoleName="other-hybrid", AssumeRolePolicyDocument=json.dumps(TRUST))
    server.client("ssm").update_managed_instance_role(InstanceId="m" + agent.id, IamRole="other-hybrid")
    assert information(server, agent.id)["IamRole"] == "other-hybrid"


def test_update_managed_instance_role_refusals(server, role, host):
    ssm = server.client("ssm", parameter_validation=False)
    refused("InvalidInstanceId", ssm.update_managed_instance_role, InstanceId="mi-0123456789abcdef0", IamRole=role)
    agent = host("unpromoted", activate(server, role))
    refused("ValidationException", ssm.update_managed_instance_role, InstanceId=agent.id, IamRole="no-such-role")


def test_by_the_cli(server, role):
    made = server.aws(["ssm", "create-activation", "--iam-role", role, "--default-instance-name", "by-cli", "--registration-limit", "2"])
    shown = server.aws(["ssm", "describe-activations", "--filters", f"FilterKey=ActivationIds,FilterValues={made['ActivationId']}"])["ActivationList"]
    assert [each["DefaultInstanceName"] for each in shown] == ["by-cli"]
    server.aws(["ssm", "delete-activation", "--activation-id", made["ActivationId"]])
    assert stillpoint(server).list_enrolment_tokens()["Tokens"] is not None
    assert one_or_none(server, made) is None

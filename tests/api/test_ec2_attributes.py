"""Attributes of instances, and the protection that people switch on."""
import json

import pytest
from botocore.exceptions import ClientError

from tests.support import runs
from tests.support.own_model import stillpoint
from tests.support.until import until

NONE = "i-0123456789abcdef0"
HOLD = '#!/bin/sh\necho "pre $SSM_COMMAND_ID" >> /var/tmp/steps\nuntil [ -e /var/tmp/go ]; do sleep 0.1; done\n'


@pytest.fixture(scope="module")
def ec2(server):
    return server.client("ec2")


@pytest.fixture(scope="module")
def machine(server):
    return runs.launch(server)[0]


@pytest.fixture
def unprotected(server, machine):
    """The machine; protection that the test switches on ends with it."""
    yield machine
    for name in ("disableApiStop", "disableApiTermination"):
        server.client("ec2").modify_instance_attribute(InstanceId=machine, Attribute=name, Value="false")


def refused(code, call, **arguments):
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    assert caught.value.response["Error"]["Code"] == code, caught.value
    return caught.value.response["Error"]["Message"]


def attribute(ec2, instance, name):
    answer = ec2.describe_instance_attribute(InstanceId=instance, Attribute=name)
    assert answer.pop("InstanceId") == instance
    answer.pop("ResponseMetadata")
    return answer


def test_stop_protection(ec2, unprotected):
    ec2.modify_instance_attribute(InstanceId=unprotected, DisableApiStop={"Value": True})
    assert attribute(ec2, unprotected, "disableApiStop") == {"DisableApiStop": {"Value": True}}
    assert attribute(ec2, unprotected, "disableApiTermination") == {"DisableApiTermination": {"Value": False}}
    words = f"The instance '{unprotected}' may not be {{}}. Modify its 'disableApiStop' instance attribute and try again."
    for more in ({}, {"Force": True}, {"DryRun": True}):
        assert refused("OperationNotPermitted", ec2.stop_instances, InstanceIds=[unprotected], **more) == words.format("stopped")
    assert refused("OperationNotPermitted", ec2.terminate_instances, InstanceIds=[unprotected]) == words.format("terminated")
    assert attribute(ec2, unprotected, "disableApiStop") == {"DisableApiStop": {"Value": True}}
    ec2.modify_instance_attribute(InstanceId=unprotected, Attribute="disableApiStop", Value="false")
    assert attribute(ec2, unprotected, "disableApiStop") == {"DisableApiStop": {"Value": False}}
    assert refused("DryRunOperation", ec2.stop_instances, InstanceIds=[unprotected], DryRun=True)


def test_termination_protection(ec2, unprotected):
    ec2.modify_instance_attribute(InstanceId=unprotected, Attribute="disableApiTermination", Value="true")
    assert attribute(ec2, unprotected, "disableApiTermination") == {"DisableApiTermination": {"Value": True}}
    message = refused("OperationNotPermitted", ec2.terminate_instances, InstanceIds=[unprotected])
    assert message == f"The instance '{unprotected}' may not be terminated. Modify its 'disableApiTermination' instance attribute and try again."
    assert refused("DryRunOperation", ec2.stop_instances, InstanceIds=[unprotected], DryRun=True), "it may be stopped"
    ec2.modify_instance_attribute(InstanceId=unprotected, DisableApiTermination={"Value": False})
    assert refused("DryRunOperation", ec2.terminate_instances, InstanceIds=[unprotected], DryRun=True)


def test_one_protected_machine_keeps_the_others(server, ec2, unprotected):
    other = runs.launch(server, tags={"also": "there"})[0]
    ec2.modify_instance_attribute(InstanceId=unprotected, DisableApiStop={"Value": True})
    for call in (ec2.stop_instances, ec2.terminate_instances):
        assert unprotected in refused("OperationNotPermitted", call, InstanceIds=[other, unprotected])
    assert runs.state_of(server, other) == "running"
    ec2.terminate_instances(InstanceIds=[other])


def test_protection_by_the_cli(server, ec2, unprotected):
    server.aws(["ec2", "modify-instance-attribute", "--instance-id", unprotected, "--disable-api-stop"])
    words = ["ec2", "describe-instance-attribute", "--instance-id", unprotected, "--attribute", "disableApiStop"]
    assert server.aws(words) == {"InstanceId": unprotected, "DisableApiStop": {"Value": True}}
    done = server.aws(["ec2", "stop-instances", "--instance-ids", unprotected], check=False)
    assert done.returncode != 0 and "(OperationNotPermitted)" in done.stderr and "'disableApiStop'" in done.stderr
    server.aws(["ec2", "modify-instance-attribute", "--instance-id", unprotected, "--no-disable-api-stop"])
    assert server.aws(words) == {"InstanceId": unprotected, "DisableApiStop": {"Value": False}}


def test_machines_are_launched_with_protection(ec2):
    instance = ec2.run_instances(ImageId="ami-bare", MinCount=1, MaxCount=1, DisableApiStop=True, DisableApiTermination=True,
                                 InstanceInitiatedShutdownBehavior="stop")["Instances"][0]["InstanceId"]
    assert attribute(ec2, instance, "disableApiStop")["DisableApiStop"]["Value"] is True
    assert attribute(ec2, instance, "disableApiTermination")["DisableApiTermination"]["Value"] is True
    refused("OperationNotPermitted", ec2.terminate_instances, InstanceIds=[instance])
    ec2.modify_instance_attribute(InstanceId=instance, DisableApiTermination={"Value": False})
    ec2.modify_instance_attribute(InstanceId=instance, DisableApiStop={"Value": False})
    ec2.terminate_instances(InstanceIds=[instance])
    until(lambda: ec2.describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"][0]["State"]["Name"] == "terminated", 60)
    refused("IncorrectInstanceState", ec2.modify_instance_attribute, InstanceId=instance, DisableApiStop={"Value": True})
    refused("UnsupportedOperation", ec2.run_instances, ImageId="ami-bare", MinCount=1, MaxCount=1, InstanceInitiatedShutdownBehavior="terminate")


def test_protection_of_an_added_machine_keeps_its_record(server, ec2):
    own = stillpoint(server)
    instance = own.add_instance(Driver="none", HostName="kept")["InstanceId"]
    ec2.modify_instance_attribute(InstanceId=instance, DisableApiTermination={"Value": True})
    assert "'disableApiTermination'" in refused("ResourceInUseException", own.remove_instance, InstanceId=instance)
    refused("OperationNotPermitted", ec2.terminate_instances, InstanceIds=[instance])
    ec2.modify_instance_attribute(InstanceId=instance, DisableApiTermination={"Value": False})
    assert own.remove_instance(InstanceId=instance)["State"] == "terminated"


def test_what_cannot_be_modified(ec2, machine):
    modify = ec2.modify_instance_attribute
    message = refused("UnsupportedOperation", modify, InstanceId=machine, InstanceType={"Value": "t3.micro"})
    assert message == f"Modifying 'instanceType' is not supported for instance '{machine}'."
    for change in ({"SourceDestCheck": {"Value": False}}, {"EbsOptimized": {"Value": True}}, {"UserData": {"Value": b"x"}}, {"Groups": ["sg-1"]},
                   {"Attribute": "kernel", "Value": "aki-1"}, {"BlockDeviceMappings": [{"DeviceName": "/", "Ebs": {"DeleteOnTermination": False}}]},
                   {"InstanceInitiatedShutdownBehavior": {"Value": "terminate"}}):
        refused("UnsupportedOperation", modify, InstanceId=machine, **change)
    assert "Unknown attribute" in refused("InvalidParameterValue", modify, InstanceId=machine, Attribute="colour", Value="red")
    refused("InvalidParameterValue", modify, InstanceId=machine, Attribute="disableApiStop", Value="maybe")
    assert refused("InvalidParameterCombination", modify, InstanceId=machine) == "No attributes specified."
    both = {"DisableApiStop": {"Value": True}, "DisableApiTermination": {"Value": True}}
    assert "disableApiStop, disableApiTermination" in refused("InvalidParameterCombination", modify, InstanceId=machine, **both)
    refused("MissingParameter", modify, InstanceId=machine, Attribute="disableApiStop")
    refused("InvalidInstanceID.NotFound", modify, InstanceId=NONE, DisableApiStop={"Value": True})
    refused("InvalidInstanceID.Malformed", modify, InstanceId="x", DisableApiStop={"Value": True})
    refused("DryRunOperation", modify, InstanceId=machine, DisableApiStop={"Value": True}, DryRun=True)
    assert attribute(ec2, machine, "disableApiStop") == {"DisableApiStop": {"Value": False}}
    modify(InstanceId=machine, InstanceInitiatedShutdownBehavior={"Value": "stop"})


def test_each_attribute_is_told(ec2, machine):
    told = {}
    for name in ("instanceType", "instanceInitiatedShutdownBehavior", "rootDeviceName", "ebsOptimized", "enclaveOptions", "groupSet", "productCodes",
                 "kernel", "ramdisk", "sourceDestCheck", "sriovNetSupport", "userData"):
        told.update(attribute(ec2, machine, name))
    assert told == {"InstanceType": {"Value": "stillpoint.sandbox"}, "InstanceInitiatedShutdownBehavior": {"Value": "stop"},
                    "RootDeviceName": {"Value": "/"}, "EbsOptimized": {"Value": False}, "EnclaveOptions": {"Enabled": False}, "Groups": [],
                    "ProductCodes": [], "KernelId": {}, "RamdiskId": {}, "SourceDestCheck": {}, "SriovNetSupport": {}, "UserData": {}}
    described = ec2.describe_instances(InstanceIds=[machine])["Reservations"][0]["Instances"][0]
    mapping = attribute(ec2, machine, "blockDeviceMapping")["BlockDeviceMappings"]
    assert mapping == described["BlockDeviceMappings"] and [each["DeviceName"] for each in mapping] == ["/"]
    assert described["EbsOptimized"] is False and described["RootDeviceName"] == "/"


def test_attributes_that_are_not_there(ec2, machine):
    describe = ec2.describe_instance_attribute
    for name in ("colour", "enaSupport"):
        message = refused("InvalidParameterValue", describe, InstanceId=machine, Attribute=name)
        assert message == f"Value ({name}) for parameter attribute is invalid. Unknown attribute."
    refused("MissingParameter", describe, InstanceId=machine, Attribute="")
    refused("InvalidInstanceID.NotFound", describe, InstanceId=NONE, Attribute="userData")
    refused("InvalidInstanceID.Malformed", describe, InstanceId="x", Attribute="userData")
    refused("DryRunOperation", describe, InstanceId=machine, Attribute="userData", DryRun=True)


def test_a_run_that_would_stop_a_protected_machine_touches_nothing(server, ec2, unprotected):
    runs.upload_scripts(server)
    ec2.modify_instance_attribute(InstanceId=unprotected, DisableApiStop={"Value": True})
    before = server.client("ssm").list_command_invocations(InstanceId=unprotected)["CommandInvocations"]
    done = runs.finished(server, runs.start(server, "protected", runs.run_input(1, ids=[unprotected])))
    assert done["status"] == "FAILED" and done["error"] == "Stillpoint.StopFailed", done
    target = json.loads(done["cause"])["targets"][0]
    assert target["phase"] == "preflight" and "(attribute disableApiStop)" in target["message"] and "nothing was touched" in target["message"]
    assert f"aws ec2 modify-instance-attribute --instance-id {unprotected} --no-disable-api-stop" in target["message"]
    assert server.client("ssm").list_command_invocations(InstanceId=unprotected)["CommandInvocations"] == before
    assert runs.state_of(server, unprotected) == "running"


def test_a_run_that_stops_nothing_does_not_mind(server, ec2, unprotected):
    runs.upload_scripts(server)
    ec2.modify_instance_attribute(InstanceId=unprotected, DisableApiStop={"Value": True})
    done = runs.finished(server, runs.start(server, "protected-live", runs.run_input(5, ids=[unprotected])), 120)
    assert done["status"] == "SUCCEEDED", done


def test_a_protected_machine_that_is_off_is_read_as_it_is(server, ec2, unprotected):
    ec2.stop_instances(InstanceIds=[unprotected])
    until(lambda: runs.state_of(server, unprotected) == "stopped", 60, "it is off")
    ec2.modify_instance_attribute(InstanceId=unprotected, DisableApiStop={"Value": True})
    done = runs.finished(server, runs.start(server, "protected-off", runs.run_input(4, ids=[unprotected])), 120)
    assert done["status"] == "SUCCEEDED" and runs.state_of(server, unprotected) == "stopped", done
    ec2.start_instances(InstanceIds=[unprotected])
    runs.online(server, [unprotected])


def test_a_run_that_has_begun_stops_its_machine_all_the_same(server, ec2, unprotected):
    runs.upload_scripts(server, pre=HOLD)
    arn = runs.start(server, "protected-late", runs.run_input(1, ids=[unprotected]))
    until(lambda: runs.own(server, "DescribeRun", {"ExecutionArn": arn})["Lanes"][0]["PreBackupScriptStatus"] == "InProgress", 60, "the pre-script")
    ec2.modify_instance_attribute(InstanceId=unprotected, DisableApiStop={"Value": True})
    runs.shell(server, unprotected, "touch /var/tmp/go")
    done = runs.finished(server, arn, 120)
    assert done["status"] == "SUCCEEDED", done
    assert runs.statuses(server, arn)[unprotected]["StopEc2InstanceStatus"] == "stopped"
    runs.settled(server, unprotected)
    refused("OperationNotPermitted", ec2.stop_instances, InstanceIds=[unprotected])


def test_protection_outlives_a_killed_server(server, ec2, unprotected):
    ec2.modify_instance_attribute(InstanceId=unprotected, DisableApiStop={"Value": True})
    server.kill()
    server.start()
    runs.online(server, [unprotected])
    assert attribute(server.client("ec2"), unprotected, "disableApiStop") == {"DisableApiStop": {"Value": True}}
    refused("OperationNotPermitted", server.client("ec2").stop_instances, InstanceIds=[unprotected])

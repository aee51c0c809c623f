"""EC2's operations over real machines (`ami-bare`: they boot in a fraction of a second)."""
import pytest
from botocore.exceptions import ClientError

from tests.support import runs
from tests.support.until import until


@pytest.fixture(scope="module")
def ec2(server):
    return server.client("ec2")


@pytest.fixture(scope="module")
def machine(server):
    return runs.launch(server, tags={"Name": "one", "team": "a*b"})[0]


def code(call, **arguments):
    with pytest.raises(ClientError) as refused:
        call(**arguments)
    return refused.value.response["Error"]["Code"]


def state(ec2, instance):
    return ec2.describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"][0]["State"]["Name"]


def reaches(ec2, instance, wanted):
    until(lambda: state(ec2, instance) == wanted, 60, f"{instance} {wanted}")


def test_run_instances_makes_machines_that_run(server, ec2):
    answer = ec2.run_instances(ImageId="ami-bare", MinCount=1, MaxCount=2, TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "k", "Value": "v"}]}])
    ids = [i["InstanceId"] for i in answer["Instances"]]
    assert len(ids) == 2 and all(i["State"]["Name"] == "pending" for i in answer["Instances"])
    runs.online(server, ids)
    found = ec2.describe_instances(InstanceIds=ids)["Reservations"]
    assert [len(r["Instances"]) for r in found] == [1, 1], "one machine a reservation"
    assert {r["Instances"][0]["State"]["Name"] for r in found} == {"running"}
    ec2.terminate_instances(InstanceIds=ids)


def test_run_instances_with_a_client_token_makes_them_once(ec2):
    arguments = {"ImageId": "ami-bare", "MinCount": 1, "MaxCount": 1, "ClientToken": "token-1"}
    first = ec2.run_instances(**arguments)["Instances"][0]["InstanceId"]
    assert ec2.run_instances(**arguments)["Instances"][0]["InstanceId"] == first
    assert code(ec2.run_instances, **{**arguments, "ImageId": "ami-demo"}) == "IdempotentParameterMismatch"
    ec2.terminate_instances(InstanceIds=[first])


def test_run_instances_refuses_unknown_images_and_bad_counts(ec2):
    assert code(ec2.run_instances, ImageId="ami-none", MinCount=1, MaxCount=1) in ("InvalidAMIID.NotFound", "InvalidAMIID.Malformed")
    assert code(ec2.run_instances, ImageId="ami-bare", MinCount=2, MaxCount=1) == "InvalidParameterValue"


def test_describe_instances_by_filters(ec2, machine):
    def ids(*filters):
        return [r["Instances"][0]["InstanceId"] for r in ec2.describe_instances(Filters=[{"Name": n, "Values": v} for n, v in filters])["Reservations"]]

    assert ids(("tag:Name", ["one", "two"]), ("instance-state-name", ["running"])) == [machine]
    assert ids(("tag:Name", ["o?e"])) == [machine] and ids(("tag:team", ["a\\*b"])) == [machine]
    assert ids(("tag:Name", ["ONE"])) == [] and ids(("tag:Name", ["one"]), ("instance-state-name", ["stopped"])) == []
    assert machine in ids(("tag-key", ["team"])) and ids(("instance-id", [machine])) == [machine]


def test_describe_instances_refuses_what_aws_refuses(ec2, machine):
    assert code(ec2.describe_instances, Filters=[{"Name": "colour", "Values": ["red"]}]) == "InvalidParameterValue"
    assert code(ec2.describe_instances, InstanceIds=[machine], MaxResults=5) == "InvalidParameterCombination"
    assert code(ec2.describe_instances, InstanceIds=["i-0123456789abcdef0"]) == "InvalidInstanceID.NotFound"
    assert code(ec2.describe_instances, InstanceIds=["x"]) == "InvalidInstanceID.Malformed"


def test_describe_instances_pages(ec2, machine):
    made = [i["InstanceId"] for i in ec2.run_instances(ImageId="ami-bare", MinCount=6, MaxCount=6)["Instances"]]
    seen, token = [], None
    while True:
        page = ec2.describe_instances(MaxResults=5, **({"NextToken": token} if token else {}))
        seen += [r["Instances"][0]["InstanceId"] for r in page["Reservations"]]
        token = page.get("NextToken")
        if not token:
            break
    assert len(seen) == len(set(seen)) and set(made) | {machine} <= set(seen)
    ec2.terminate_instances(InstanceIds=made)


def test_describe_instances_by_the_cli(server, machine):
    words = ["ec2", "describe-instances", "--filters", "Name=tag:Name,Values=one", "--query", "Reservations[].Instances[].InstanceId"]
    assert server.aws(words) == [machine]


def test_stop_and_start_instances(server, ec2, machine):
    stopping = ec2.stop_instances(InstanceIds=[machine])["StoppingInstances"][0]
    assert stopping["PreviousState"]["Name"] == "running" and stopping["CurrentState"]["Name"] == "stopping"
    assert state(ec2, machine) != "running", "never the old state after a stop was accepted"
    reaches(ec2, machine, "stopped")
    again = ec2.stop_instances(InstanceIds=[machine])["StoppingInstances"][0]
    assert again["CurrentState"]["Name"] == again["PreviousState"]["Name"] == "stopped"
    starting = ec2.start_instances(InstanceIds=[machine])["StartingInstances"][0]
    assert starting["PreviousState"]["Name"] == "stopped" and starting["CurrentState"]["Name"] == "pending"
    runs.online(server, [machine])
    assert ec2.start_instances(InstanceIds=[machine])["StartingInstances"][0]["CurrentState"]["Name"] == "running"


def test_one_bad_id_changes_nothing(ec2, machine):
    for call in (ec2.stop_instances, ec2.start_instances, ec2.reboot_instances, ec2.terminate_instances):
        assert code(call, InstanceIds=[machine, "i-0123456789abcdef0"]) == "InvalidInstanceID.NotFound"
        assert code(call, InstanceIds=[machine, "nonsense"]) == "InvalidInstanceID.Malformed"
    assert state(ec2, machine) == "running"


def test_dry_run_changes_nothing(ec2, machine):
    for call in (ec2.stop_instances, ec2.start_instances, ec2.reboot_instances, ec2.terminate_instances):
        with pytest.raises(ClientError) as refused:
            call(InstanceIds=[machine], DryRun=True)
        assert refused.value.response["Error"]["Code"] == "DryRunOperation"
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 412
    assert state(ec2, machine) == "running"


def test_terminated_machines_are_told_and_cannot_be_used(ec2):
    instance = ec2.run_instances(ImageId="ami-bare", MinCount=1, MaxCount=1)["Instances"][0]["InstanceId"]
    reaches(ec2, instance, "running")
    assert ec2.terminate_instances(InstanceIds=[instance])["TerminatingInstances"][0]["CurrentState"]["Name"] == "shutting-down"
    reaches(ec2, instance, "terminated")
    assert code(ec2.start_instances, InstanceIds=[instance]) == "IncorrectInstanceState"
    assert code(ec2.stop_instances, InstanceIds=[instance]) == "IncorrectInstanceState"
    assert ec2.terminate_instances(InstanceIds=[instance])["TerminatingInstances"][0]["CurrentState"]["Name"] == "terminated"


def test_reboot_instances_boots_anew(server, ec2, machine):
    def pid_1():
        """When the machine's pid 1 was started; None when the reboot ended the script that asks."""
        asked = runs.invoke(server, machine, "cut -d' ' -f22 /proc/1/stat")
        return int(asked["StandardOutputContent"]) if asked["Status"] == "Success" else None

    before = pid_1()
    assert before
    ec2.reboot_instances(InstanceIds=[machine])
    assert until(lambda: (pid_1() or before) != before, 60, "a new boot", every=0.2)
    assert state(ec2, machine) == "running"


def test_describe_instance_status(ec2, machine):
    found = ec2.describe_instance_status(InstanceIds=[machine])["InstanceStatuses"]
    assert [(s["InstanceId"], s["InstanceState"]["Name"], s["InstanceStatus"]["Status"]) for s in found] == [(machine, "running", "ok")]
    assert code(ec2.describe_instance_status, InstanceIds=["i-0123456789abcdef0"]) == "InvalidInstanceID.NotFound"


def test_describe_images_tells_what_machines_are_made_of(ec2):
    assert {"ami-demo", "ami-bare"} <= {i["ImageId"] for i in ec2.describe_images()["Images"]}


def test_tags_are_set_listed_and_deleted(ec2, machine):
    ec2.create_tags(Resources=[machine], Tags=[{"Key": "colour", "Value": "red"}, {"Key": "empty", "Value": ""}])
    ec2.create_tags(Resources=[machine], Tags=[{"Key": "colour", "Value": "blue"}])

    def tags():
        found = ec2.describe_tags(Filters=[{"Name": "resource-id", "Values": [machine]}])["Tags"]
        return {t["Key"]: t["Value"] for t in found}

    assert tags()["colour"] == "blue" and tags()["empty"] == ""
    ec2.delete_tags(Resources=[machine], Tags=[{"Key": "colour", "Value": "red"}])
    assert tags()["colour"] == "blue", "a value that differs deletes nothing"
    ec2.delete_tags(Resources=[machine], Tags=[{"Key": "colour", "Value": "blue"}, {"Key": "empty"}])
    assert "colour" not in tags() and "empty" not in tags()


def test_tags_have_limits(ec2, machine):
    assert code(ec2.create_tags, Resources=[machine], Tags=[{"Key": "aws:mine", "Value": "x"}]) == "InvalidParameterValue"
    assert code(ec2.create_tags, Resources=[machine], Tags=[{"Key": "k" * 200, "Value": "x"}]) == "InvalidParameterValue"
    assert code(ec2.create_tags, Resources=["i-0123456789abcdef0"], Tags=[{"Key": "k", "Value": "x"}]) == "InvalidInstanceID.NotFound"
    assert code(ec2.create_tags, Resources=[machine], Tags=[{"Key": f"k{i}", "Value": "x"} for i in range(60)]) == "TagLimitExceeded"


def test_describe_regions_and_zones(ec2):
    assert [r["RegionName"] for r in ec2.describe_regions()["Regions"]] == ["us-east-1"]
    assert ec2.describe_availability_zones()["AvailabilityZones"][0]["ZoneName"].startswith("us-east-1")


def test_machines_outlive_a_killed_server(server, ec2, machine):
    pid_one = runs.shell(server, machine, "cut -d' ' -f22 /proc/1/stat")
    server.kill()
    server.start()
    runs.online(server, [machine])
    assert runs.state_of(server, machine) == "running"
    assert runs.shell(server, machine, "cut -d' ' -f22 /proc/1/stat") == pid_one, "the same boot"

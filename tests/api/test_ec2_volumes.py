"""Volumes, as far as there are any, and that nothing is a snapshot."""
import pytest
from botocore.exceptions import ClientError

from tests.support import runs
from tests.support.own_model import stillpoint


@pytest.fixture(scope="module")
def ec2(server):
    return server.client("ec2")


@pytest.fixture(scope="module")
def machine(server):
    return runs.launch(server)[0]


def refused(code, call, **arguments):
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    assert caught.value.response["Error"]["Code"] == code, caught.value
    return caught.value.response["Error"]["Message"]


def test_volumes_are_what_is_read(server, ec2, machine):
    paths = ["/srv/images/a.img", "/srv/images/b.img"]
    instance = stillpoint(server).add_instance(Driver="none", HostName="disks", Volumes=paths)["InstanceId"]
    found = ec2.describe_volumes(Filters=[{"Name": "attachment.instance-id", "Values": [instance]}])["Volumes"]
    assert sorted(v["Attachments"][0]["Device"] for v in found) == paths and {v["State"] for v in found} == {"in-use"}
    assert not any(v["Attachments"][0]["DeleteOnTermination"] for v in found) and not any("Size" in v for v in found)
    root = ec2.describe_volumes(Filters=[{"Name": "attachment.instance-id", "Values": [machine]}])["Volumes"]
    assert [(v["Attachments"][0]["Device"], v["Attachments"][0]["DeleteOnTermination"], v["Encrypted"]) for v in root] == [("/", True, False)]
    # As DescribeInstances tells them, for all machines.
    mapped = {m["Ebs"]["VolumeId"] for r in ec2.describe_instances()["Reservations"] for m in r["Instances"][0]["BlockDeviceMappings"]}
    assert {v["VolumeId"] for v in ec2.describe_volumes()["Volumes"]} == mapped and len(mapped) >= 3
    one = ec2.describe_volumes(VolumeIds=[found[0]["VolumeId"]])["Volumes"]
    assert one == found[:1]
    by_volume = ec2.describe_instances(Filters=[{"Name": "block-device-mapping.volume-id", "Values": [found[0]["VolumeId"]]}])["Reservations"]
    assert [r["Instances"][0]["InstanceId"] for r in by_volume] == [instance]
    ec2.terminate_instances(InstanceIds=[instance])
    assert "does not exist" in refused("InvalidVolume.NotFound", ec2.describe_volumes, VolumeIds=[found[0]["VolumeId"]])


def test_pages_of_volumes(server, ec2):
    instance = stillpoint(server).add_instance(Driver="none", HostName="many", Volumes=[f"/srv/{n}.img" for n in range(12)])["InstanceId"]
    where = [{"Name": "attachment.instance-id", "Values": [instance]}]
    pages = list(ec2.get_paginator("describe_volumes").paginate(Filters=where, PaginationConfig={"PageSize": 5}))
    seen = [v["VolumeId"] for page in pages for v in page["Volumes"]]
    assert [len(page["Volumes"]) for page in pages] == [5, 5, 2] and len(set(seen)) == 12
    assert len(ec2.describe_volumes(Filters=where, MaxResults=9999)["Volumes"]) == 12
    stillpoint(server).remove_instance(InstanceId=instance)


def test_volumes_by_the_cli(server, machine):
    words = ["ec2", "describe-volumes", "--filters", f"Name=attachment.instance-id,Values={machine}", "--query", "Volumes[].Attachments[].InstanceId"]
    assert server.aws(words) == [machine]


def test_volumes_that_are_not_there(ec2):
    describe = ec2.describe_volumes
    assert refused("InvalidVolume.NotFound", describe, VolumeIds=["vol-0123456789abcdef0"]) == "The volume 'vol-0123456789abcdef0' does not exist."
    refused("InvalidVolumeID.Malformed", describe, VolumeIds=["vol-x"])
    assert "Expected: 'vol-...'" in refused("InvalidParameterValue", describe, VolumeIds=["x"])
    refused("InvalidParameterValue", describe, Filters=[{"Name": "colour", "Values": ["red"]}])
    refused("InvalidParameterValue", describe, MaxResults=2)
    refused("InvalidParameterCombination", describe, VolumeIds=["vol-0123456789abcdef0"], MaxResults=5)
    refused("DryRunOperation", describe, DryRun=True)


def test_nothing_is_a_snapshot(server, ec2, machine):
    volume = ec2.describe_instances(InstanceIds=[machine])["Reservations"][0]["Instances"][0]["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]
    assert ec2.describe_snapshots(OwnerIds=["self"], Filters=[{"Name": "volume-id", "Values": [volume]}, {"Name": "tag:a", "Values": ["b"]}])["Snapshots"] == []
    assert server.aws(["ec2", "describe-snapshots", "--owner-ids", "self"]) == {"Snapshots": []}


def test_snapshots_that_are_not_there(ec2):
    describe = ec2.describe_snapshots
    assert refused("InvalidSnapshot.NotFound", describe, SnapshotIds=["snap-0123456789abcdef0"]) == "The snapshot 'snap-0123456789abcdef0' does not exist."
    refused("InvalidSnapshotID.Malformed", describe, SnapshotIds=["snap-x"])
    refused("InvalidParameterValue", describe, SnapshotIds=["x"])
    refused("InvalidParameterValue", describe, Filters=[{"Name": "colour", "Values": ["red"]}])
    refused("InvalidParameterCombination", describe, SnapshotIds=["snap-0123456789abcdef0"], MaxResults=5)
    refused("InvalidUserID.Malformed", describe, OwnerIds=["me"])
    refused("DryRunOperation", describe, DryRun=True)

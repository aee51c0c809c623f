"""Nothing acknowledged is lost: kill -9 under load at random moments, and a disk that is full."""
import hashlib
import itertools
import json
import os
import random
import subprocess
import threading
import time

import pytest
from botocore.exceptions import ClientError

from tests.support.server import DummyServer, Server
from tests.support.until import until

ROUNDS = 3


def seed_of_round():
    """STILLPOINT_SEED repeats a round; else each has a new seed, which is printed."""
    given = os.environ.get("STILLPOINT_SEED")
    return int(given) if given else random.SystemRandom().getrandbits(32)


def content(key, version, size):
    """Bytes that only this version of this object has."""
    block = hashlib.sha256(f"{key}/{version}".encode()).digest()
    return (block * (size // len(block) + 1))[:size]


class Writer(threading.Thread):
    """Writes until the server is gone, remembering of each key the last version acknowledged and the last one tried."""

    def __init__(self, server, service, seed, over):
        super().__init__(daemon=True)
        self.service = service
        self.client = server.client(service, retries={"max_attempts": 0}, read_timeout=20)
        self.random = random.Random(seed)
        self.over = over
        self.acknowledged, self.tried = {}, {}
        self.count = 0

    def run(self):
        for version in itertools.count(1):
            if self.over.is_set():
                return
            key = f"{self.name}-{self.random.randrange(40)}"
            self.tried[key] = version
            try:
                self.write(key, version)
            except Exception:  # the server is gone: what was not answered may be there or not
                return
            self.acknowledged[key] = version
            self.count += 1

    def wrong(self, server):
        """What is not as it was acknowledged."""
        wrong = []
        client = server.client(self.service)
        for key, version in self.acknowledged.items():
            found = self.read(client, key)
            if found is None or not version <= found <= self.tried[key]:
                wrong.append(f"{key}: version {version} was acknowledged, {found} is there")
        return wrong


class Items(Writer):
    """Puts and now and then deletes: a deletion is a version too, and an item that is back after it is a lost acknowledgement."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.deletions = {}

    def write(self, key, version):
        if self.random.random() < 0.2:
            self.deletions.setdefault(key, []).append(version)
            self.client.delete_item(TableName="load", Key={"id": {"S": key}})
        else:
            self.client.put_item(TableName="load", Item={"id": {"S": key}, "version": {"N": str(version)}, "filler": {"S": "x" * self.random.randrange(2000)}})

    def read(self, client, key):
        item = client.get_item(TableName="load", Key={"id": {"S": key}}).get("Item")
        if item is not None:
            return int(item["version"]["N"])
        return max(self.deletions.get(key, [0]))


class Objects(Writer):
    def write(self, key, version):
        self.client.put_object(Bucket="load", Key=key, Body=content(key, version, self.random.choice((10, 3000, 200_000))), Metadata={"version": str(version)})

    def read(self, client, key):
        found = client.get_object(Bucket="load", Key=key)
        body = found["Body"].read()
        version = int(found["Metadata"]["version"])
        return version if body == content(key, version, len(body)) else None


class Executions(Writer):
    machine = None

    def write(self, key, version):
        name = f"{key}-{version}"
        self.client.start_execution(stateMachineArn=self.machine, name=name, input=json.dumps({"version": version}))

    def read(self, client, key):
        version = self.acknowledged[key]
        arn = self.machine.replace(":stateMachine:", ":execution:") + f":{key}-{version}"
        until(lambda: client.describe_execution(executionArn=arn)["status"] == "SUCCEEDED", 20, f"the end of {arn}")
        return json.loads(client.describe_execution(executionArn=arn)["output"])["version"]


def prepare(server):
    server.client("dynamodb").create_table(TableName="load", BillingMode="PAY_PER_REQUEST", AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
                                           KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}])
    server.client("s3").create_bucket(Bucket="load")
    machine = server.client("stepfunctions").create_state_machine(
        name="load", roleArn="arn:aws:iam::000000000000:role/load", definition=json.dumps({"StartAt": "P", "States": {"P": {"Type": "Pass", "End": True}}}))
    return machine["stateMachineArn"]


@pytest.mark.parametrize("number", range(ROUNDS))
def test_kill_under_load(fresh_server, number):
    seed = seed_of_round()
    print(f"STILLPOINT_SEED={seed}")
    chance = random.Random(seed)
    machine = prepare(fresh_server)
    for life in range(2):
        over = threading.Event()
        writers = [kind(fresh_server, service, chance.getrandbits(32), over)
                   for kind, service, many in ((Items, "dynamodb", 3), (Objects, "s3", 2), (Executions, "stepfunctions", 2)) for _ in range(many)]
        for number, writer in enumerate(writers):
            writer.name = f"{life}-{number}"
            writer.machine = machine
            writer.start()
        try:
            until(lambda: all(writer.count > 5 for writer in writers), 30, "writes of every kind")
            time.sleep(chance.uniform(0, 0.7))  # the moment of death is the point of the test
            fresh_server.kill()
        finally:
            over.set()
            for writer in writers:
                writer.join(30)
        fresh_server.start()
        wrong = [line for writer in writers for line in writer.wrong(fresh_server)]
        assert not wrong, f"seed {seed}, life {life}:\n" + "\n".join(wrong)


@pytest.fixture
def small_disk(tmp_path):
    """A server on a file system of 48 MiB of its own."""
    if os.environ.get("STILLPOINT_DUMMY"):
        yield DummyServer()
        return
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(disk)], capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"a small file system needs the right to mount: {mounted.stderr.strip()}")
    server = Server(disk / "server")
    (disk / "server").mkdir()
    server.log_path = tmp_path / "server.log"
    try:
        yield server.start()
    finally:
        server.close()
        subprocess.run(["umount", str(disk)], check=True)


def fill(server):
    """Takes what is left of the server's disk."""
    filler = server.directory / f"filler{len(list(server.directory.glob('filler*')))}"
    with open(filler, "wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1 << 9):
            try:
                while True:
                    file.write(b"\0" * size)
            except OSError:
                pass
    return filler


def test_a_full_disk_refuses_new_work_and_harms_nothing(small_disk):
    ddb, s3 = small_disk.client("dynamodb"), small_disk.client("s3")
    ddb.create_table(TableName="full", BillingMode="PAY_PER_REQUEST", AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
                     KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}])
    s3.create_bucket(Bucket="full")
    s3.put_object(Bucket="full", Key="before", Body=content("before", 1, 300_000))
    written = []

    def put(number):
        ddb.put_item(TableName="full", Item={"id": {"S": str(number)}, "x": {"S": "x" * 100_000}})
        written.append(number)

    def everything_is_there():
        found = ddb.get_paginator("scan").paginate(TableName="full", ProjectionExpression="id")
        missing = set(map(str, written)) - {item["id"]["S"] for page in found for item in page["Items"]}
        assert not missing, f"acknowledged and gone: {sorted(missing)}"
        assert s3.get_object(Bucket="full", Key="before")["Body"].read() == content("before", 1, 300_000)

    for number in range(5):
        put(number)
    filler = fill(small_disk)
    with pytest.raises(ClientError) as refused:
        for number in range(5, 1000):
            put(number)
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] in (500, 503, 507)
    assert "disk" in refused.value.response["Error"]["Message"] and "full" in refused.value.response["Error"]["Message"]
    with pytest.raises(ClientError) as refused:
        s3.put_object(Bucket="full", Key="after", Body=b"x" * 3_000_000)
    assert "full" in refused.value.response["Error"]["Message"]
    everything_is_there()
    small_disk.kill()
    filler.unlink()
    small_disk.start()
    ddb, s3 = small_disk.client("dynamodb"), small_disk.client("s3")
    everything_is_there()
    put(2000)
    s3.put_object(Bucket="full", Key="after", Body=b"y")
    everything_is_there()
    filler = fill(small_disk)
    with pytest.raises(ClientError):
        for number in range(3000, 4000):
            put(number)
    filler.unlink()
    until(lambda: put(5000) is None, 10, "work after space was freed, without a restart")
    everything_is_there()


def test_what_makes_room_works_on_a_full_disk(small_disk):
    """Deletions have the room that is kept for a start: 507 for them would leave only a restart."""
    ddb, s3 = small_disk.client("dynamodb"), small_disk.client("s3")
    ddb.create_table(TableName="full", BillingMode="PAY_PER_REQUEST", AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
                     KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}])
    s3.create_bucket(Bucket="full")
    for number in range(12):
        s3.put_object(Bucket="full", Key=str(number), Body=content(str(number), 1, 1 << 20))
    reserve = small_disk.data / "reserve"
    filler = fill(small_disk)
    with pytest.raises(ClientError):
        for number in range(1000):
            ddb.put_item(TableName="full", Item={"id": {"S": str(number)}, "x": {"S": "x" * 100_000}})
    fill(small_disk)
    assert reserve.exists()
    s3.delete_object(Bucket="full", Key="0")
    s3.delete_objects(Bucket="full", Delete={"Objects": [{"Key": str(number)} for number in range(1, 12)]})
    assert "Contents" not in s3.list_objects_v2(Bucket="full")
    assert any("is given up" in line for line in small_disk.log_path.read_text().splitlines())
    filler.unlink()
    until(reserve.exists, 30, "the room for the next start kept")


@pytest.mark.parametrize("ending", ["kill", "stop"])
def test_the_server_starts_on_a_full_disk(small_disk, ending):
    """Whatever it owes to machines is paid by a server that runs: it keeps room for its start, and takes it again when there is some."""
    ddb = small_disk.client("dynamodb")
    ddb.create_table(TableName="full", BillingMode="PAY_PER_REQUEST", AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
                     KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}])
    ddb.put_item(TableName="full", Item={"id": {"S": "before"}})
    reserve = small_disk.data / "reserve"
    assert reserve.stat().st_blocks * 512 >= 4 << 20
    filler = fill(small_disk)
    getattr(small_disk, ending)()
    # What the end itself gave back is taken too.
    fill(small_disk)
    small_disk.start()
    assert not reserve.exists()
    ddb = small_disk.client("dynamodb")
    assert ddb.get_item(TableName="full", Key={"id": {"S": "before"}})["Item"]
    ddb.put_item(TableName="full", Item={"id": {"S": "small"}})
    for file in filler.parent.glob("filler*"):
        file.unlink()
    # And again, without a restart between.
    until(reserve.exists, 30, "the room for the next start kept")
    fill(small_disk)
    getattr(small_disk, ending)()
    fill(small_disk)
    small_disk.start()
    assert not reserve.exists() and small_disk.client("dynamodb").get_item(TableName="full", Key={"id": {"S": "small"}})["Item"]

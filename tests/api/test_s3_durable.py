"""What S3 has acknowledged is there byte for byte after kill -9, nothing else is left on the disk, and a full disk harms nothing."""
import os
import random
import subprocess
import threading

import pytest

from tests.api.test_s3 import keys_of, refused
from tests.api.test_s3_multipart import FIVE, Upload
from tests.api.test_s3_objects import body_of
from tests.support.server import Server
from tests.support.until import until


def blobs(server):
    return [path for path in (server.data / "blobs").rglob("*") if path.is_file()]


class Writer(threading.Thread):
    """Puts, replaces and deletes until the server dies; `sure` holds what was acknowledged, `open` what may be either way."""

    def __init__(self, server, number):
        super().__init__()
        self.client = server.client("s3", retries={"max_attempts": 0}, read_timeout=10)
        self.random = random.Random(number)
        self.number, self.sure, self.open = number, {}, {}

    def run(self):
        for turn in range(100_000):
            key = f"{self.number}/{self.random.randrange(8)}"
            data = None if turn % 7 == 6 else self.random.randbytes(self.random.choice([0, 10, 5000, 300_000]))
            self.open = {key: data}
            try:
                if data is None:
                    self.client.delete_object(Bucket="durable", Key=key)
                else:
                    self.client.put_object(Bucket="durable", Key=key, Body=data)
            except Exception:  # noqa: BLE001 (the server is gone, whichever way that shows)
                return
            self.sure[key] = data


def test_acknowledged_objects_survive_kill_9(fresh_server):
    server = fresh_server
    server.client("s3").create_bucket(Bucket="durable")
    for cycle in range(4):
        writers = [Writer(server, 10 * cycle + i) for i in range(3)]
        for writer in writers:
            writer.start()
        until(lambda: all(len(writer.sure) >= 6 for writer in writers), 60, "some objects of each writer")
        server.kill()
        for writer in writers:
            writer.join(30)
        server.start()
        s3 = server.client("s3")
        for writer in writers:
            for key, data in writer.sure.items():
                allowed = [data, writer.open[key]] if key in writer.open else [data]
                found = keys_of(s3.list_objects_v2(Bucket="durable", Prefix=key))
                assert (body_of(s3, "durable", key) if found else None) in allowed, key
    # One file for each object that has bytes, none besides.
    sizes = [entry["Size"] for page in s3.get_paginator("list_objects_v2").paginate(Bucket="durable") for entry in page.get("Contents", [])]
    until(lambda: len(blobs(server)) == sum(size > 0 for size in sizes), 10, "no orphan blob")
    assert sum(size > 0 for size in sizes) > 10


def test_uploads_survive_and_leave_nothing(fresh_server):
    server = fresh_server
    s3 = server.client("s3")
    s3.create_bucket(Bucket="durable")
    upload, aborted = Upload(s3, "durable"), Upload(s3, "durable", "other")
    data = os.urandom(FIVE)
    upload.part(1, data)
    aborted.part(1, b"x")
    server.kill()
    server.start()
    upload.s3 = s3 = server.client("s3")
    upload.part(2, b"tail")
    done = upload.complete()
    server.kill()
    server.start()
    upload.s3 = s3 = server.client("s3")
    assert upload.complete()["ETag"] == done["ETag"]
    assert body_of(s3, "durable", "big") == data + b"tail"
    assert len(blobs(server)) == 3
    s3.abort_multipart_upload(**aborted.at, UploadId=aborted.id)
    s3.delete_object(Bucket="durable", Key="big")
    until(lambda: not blobs(server), 10, "no blob")


def agent_there(server):
    def connected():
        assert server.process.poll() is None, "the server died"
        return "agent connected agent=host" in server.log_of_this_start()

    until(connected, 20, "the host's agent")


def put_new(server):
    """Whether the PUT was answered."""
    try:
        server.client("s3", retries={"max_attempts": 0}).put_object(Bucket="durable", Key="k", Body=b"new")
    except Exception:  # noqa: BLE001 - the connection breaks in one way or another
        return False
    return True


@pytest.mark.parametrize("point, stored", [("blob.write", False), ("blob.written", False), ("blob.durable", False), ("store.before_commit", False),
                                           ("store.after_commit", True), ("s3.replaced", True)])
def test_a_kill_at_each_point(tmp_path, point, stored):
    """The object is the old or the new one, and the blob of the other is gone after the next start."""
    server = Server(tmp_path).start()
    s3 = server.client("s3")
    s3.create_bucket(Bucket="durable")
    s3.put_object(Bucket="durable", Key="k", Body=b"old")
    server.stop()
    plan = tmp_path / "points"
    plan.write_text(f"{point} count\n")
    server.args = ["--failpoints", str(plan)]
    server.start()
    # Commits of the start itself, the host's agent included, are counted away: the point is armed for the one of the PUT.
    agent_there(server)
    hits = tmp_path / "points.hits"
    before = len(hits.read_text().splitlines()) if hits.exists() else 0
    server.kill()
    # How many commits a start makes differs by what it finds, and the host's agent may make one at any time: where the start
    # dies, or the PUT fares otherwise than the point says, it was not the PUT's turn.
    number = before + 1
    for _ in range(30):
        plan.write_text(f"{point} kill {number}\n")
        try:
            server.start()
            agent_there(server)
        except AssertionError:
            assert server.process.poll() is not None, "it lives and its agent does not come"
            number += 1
            continue
        answered = put_new(server)
        # A point behind the commit may let the answer out before it ends the server.
        if answered and not stored:
            server.kill()
        else:
            server.process.wait(20)
        server.args = []
        server.start()
        s3 = server.client("s3")
        body = body_of(s3, "durable", "k")
        assert body in (b"old", b"new")
        assert body == b"new" or not answered, "what was acknowledged is there"
        assert len(blobs(server)) == 1
        if body == (b"new" if stored else b"old"):
            break
        # Stored ahead of the point's turn, or lost to the commit of another.
        number += -1 if body == b"new" else 1
        s3.put_object(Bucket="durable", Key="k", Body=b"old")
        server.stop()
        server.args = ["--failpoints", str(plan)]
    else:
        pytest.fail(f"{point} was never hit by the PUT")
    server.close()


@pytest.fixture
def small_disk(tmp_path):
    """A server whose data lies on a file system of 24 MiB."""
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(tmp_path)], capture_output=True, text=True, check=False)
    if made.returncode != 0:
        pytest.skip(f"no small file system: {made.stderr.strip()}")
    server = Server(tmp_path).start()
    yield server
    # The host's agent lives on the small disk too: close() ends it, so that the disk can go.
    server.close()
    subprocess.run(["umount", "-l", str(tmp_path)], check=True)


def test_a_full_disk_is_told_and_harms_nothing(small_disk):
    s3 = small_disk.client("s3", retries={"max_attempts": 0})
    s3.create_bucket(Bucket="durable")
    s3.put_object(Bucket="durable", Key="kept", Body=b"kept")
    data = os.urandom(4 << 20)
    stored = []
    for i in range(8):
        try:
            s3.put_object(Bucket="durable", Key=f"k{i}", Body=data)
            stored.append(f"k{i}")
        except s3.exceptions.ClientError as error:
            assert error.response["Error"]["Code"] == "InsufficientStorage" and error.response["ResponseMetadata"]["HTTPStatusCode"] == 507
            assert "disk" in error.response["Error"]["Message"] and "full" in error.response["Error"]["Message"]
    assert 2 <= len(stored) < 8
    refused("InsufficientStorage", s3.put_object, Bucket="durable", Key="kept", Body=data)
    assert body_of(s3, "durable", "kept") == b"kept" and body_of(s3, "durable", stored[0]) == data
    small_disk.kill()
    small_disk.start()
    s3 = small_disk.client("s3")
    assert keys_of(s3.list_objects_v2(Bucket="durable")) == sorted(["kept", *stored])
    s3.delete_object(Bucket="durable", Key=stored[0])
    until(lambda: s3.put_object(Bucket="durable", Key="again", Body=data)["ETag"], 10, "room again")

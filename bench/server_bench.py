#!/usr/bin/env python3
"""Start to ready on an empty data directory, and the memory of an idle server and of an idle machine's agent.

Memory is Pss_Anon + Pss_Shmem of smaps_rollup (what the process costs the machine), RSS beside it.
"""
import pathlib
import statistics
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from tests.support.server import Server  # noqa: E402
from tests.support.until import until  # noqa: E402


def memory_kib(pid):
    fields = {}
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, value, *_ = line.split()
        fields[name.rstrip(":")] = int(value)
    return fields["Pss_Anon"] + fields["Pss_Shmem"], fields["Rss"]


def start_to_ready(runs):
    times = []
    for _ in range(runs):
        with tempfile.TemporaryDirectory() as directory:
            server = Server(directory)
            begin = time.monotonic()
            server.start()
            times.append(time.monotonic() - begin)
            server.close()
    return times


def main():
    times = start_to_ready(5)
    print(f"start to ready, empty directory   median {statistics.median(times) * 1000:.0f} ms, worst {max(times) * 1000:.0f} ms   goal < 500 ms")
    with tempfile.TemporaryDirectory() as directory:
        server = Server(directory).start()
        ec2, ssm = server.client("ec2"), server.client("ssm")
        instance = ec2.run_instances(ImageId="ami-bare", MinCount=1, MaxCount=1)["Instances"][0]["InstanceId"]
        until(lambda: ssm.describe_instance_information()["InstanceInformationList"], 30, "the agent's connection")
        anon, rss = memory_kib(server.process.pid)
        print(f"memory, idle server               {anon / 1024:.1f} MiB (RSS {rss / 1024:.1f})   goal ≤ 40 MiB")
        agents = [pid for pid in server.processes() if b"\0agent\0" in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()]
        for pid in agents:
            anon, rss = memory_kib(pid)
            print(f"memory, idle agent (pid {pid})      {anon / 1024:.1f} MiB (RSS {rss / 1024:.1f})   goal ≤ 8 MiB")
        ec2.terminate_instances(InstanceIds=[instance])
        server.close()


if __name__ == "__main__":
    main()

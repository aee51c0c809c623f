#!/usr/bin/env python3
"""Start to ready on an empty data directory, and what an idle server and the agent of an idle machine take of memory and processor.

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

# Long enough for a ping, which comes every 20 s.
IDLE_SECONDS = 40


def memory_kib(pid):
    fields = {}
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, value, *_ = line.split()
        fields[name.rstrip(":")] = int(value)
    return fields["Pss_Anon"] + fields["Pss_Shmem"], fields["Rss"]


def processor_seconds(pid):
    """Of all threads, by the scheduler's own clock: the usual one counts hundredths of a second."""
    return sum(int(task.read_text().split()[0]) for task in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


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


def machine_agents(server):
    """Agents inside its machines: children of the machines' first processes, their command lines do not name the data directory."""
    return [int(pid) for first in server.machines() for pid in pathlib.Path(f"/proc/{first}/task/{first}/children").read_text().split()]


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
        agents = [pid for pid in server.processes() + machine_agents(server) if b"\0agent\0" in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()]
        before = {pid: processor_seconds(pid) for pid in [server.process.pid, *agents]}
        time.sleep(IDLE_SECONDS)
        share = {pid: (processor_seconds(pid) - before[pid]) / IDLE_SECONDS * 100 for pid in before}
        print(f"processor, idle server            {share[server.process.pid]:.3f} % of one core")
        for pid in agents:
            anon, rss = memory_kib(pid)
            print(f"idle agent (pid {pid})      {anon / 1024:.1f} MiB (RSS {rss / 1024:.1f}), {share[pid]:.3f} % of one core   goal ≤ 8 MiB, < 0.1 %")
        ec2.terminate_instances(InstanceIds=[instance])
        server.close()


if __name__ == "__main__":
    main()

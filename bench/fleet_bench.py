#!/usr/bin/env python3
"""10,000 agents on one server: memory and processor time while they idle, one command to all of them, and their return after a kill -9.

The agents are `bench/fleet_agents.cc`: true to the protocol, each with its own certificate and connection, one process. Client and server
share the machine. Memory is Pss_Anon + Pss_Shmem of smaps_rollup, RSS beside it.
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from bench.command_bench import call  # noqa: E402
from bench.server_bench import memory_kib  # noqa: E402
from tests.support.server import BINARY, Server  # noqa: E402
from tests.support.until import until  # noqa: E402
from tests.support.wire import Raw  # noqa: E402

AGENTS = pathlib.Path(BINARY).resolve().parent.parent / "bench" / "fleet_agents"
IDLE_SECONDS = 10
ROUNDS = 3
# 10,000 machines one after the other, as measured on a machine like this one: 64 ms each cold (16 at once), 8.5 ms over open masters.
SSH_COLD, SSH_MASTER = 640, 85


class Swarm:
    def __init__(self, server, count):
        host, port = server.agents.rsplit(":", 1)
        self.process = subprocess.Popen([AGENTS, "run", server.data, str(count), host, port], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.process.stdout.readline()  # all certificates are made
        self.count = count

    def status(self):
        self.process.stdin.write("status\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def connected(self, seconds=120):
        return until(lambda: self.status()["welcomed"] == self.count, seconds, "the welcome of all agents", every=0.05)

    def close(self):
        self.process.stdin.close()
        self.process.wait(20)


def processor_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def shown(keys, raw, command):
    return call(keys, raw, "ListCommands", {"CommandId": command})["Commands"][0]


def send(keys, raw, **more):
    return call(keys, raw, "SendCommand", {"Targets": [{"Key": "tag:bench", "Values": ["1"]}], "DocumentName": "AWS-RunShellScript",
                                           "Parameters": {"commands": ["true"]}, **more})["Command"]["CommandId"]


def finished(keys, raw, command, seconds=120):
    def look():
        told = shown(keys, raw, command)
        return told if told["Status"] not in ("Pending", "InProgress") else None
    return until(look, seconds, "the command's end", every=0.01)


def fan_out(server, swarm, **more):
    """Seconds until SendCommand answered and until the command ended, and the server's processor time."""
    keys = server.credentials
    with Raw(server, 120) as raw:
        before, cpu = swarm.status(), processor_seconds(server.process.pid)
        begin = time.monotonic()
        command = send(keys, raw, **more)
        sent = time.monotonic() - begin
        told = finished(keys, raw, command)
        whole = time.monotonic() - begin
        cpu = processor_seconds(server.process.pid) - cpu
    if told["Status"] != "Success" or told["CompletedCount"] != swarm.count:
        raise SystemExit(f"the command ended as {told['Status']} after {told['CompletedCount']} of {swarm.count}")
    until(lambda: swarm.status()["settled"] - before["settled"] == swarm.count, 60, "the settling of all results")
    return sent, whole, cpu, swarm.status()["cpu"] - before["cpu"]


def storm(server, swarm):
    """A command to all, kill -9 while results come in, a new server: seconds until all are welcome, and until the command ended."""
    keys = server.credentials
    before = swarm.status()
    with Raw(server, 120) as raw:
        command = send(keys, raw, MaxConcurrency="100%")
        until(lambda: shown(keys, raw, command)["CompletedCount"] > swarm.count // 4, 60, "a quarter of the results", every=0.002)
    server.kill()
    until(lambda: swarm.status()["welcomed"] == 0, 20, "the end of all connections")
    server.start()
    begin = time.monotonic()
    cpu = processor_seconds(server.process.pid)
    swarm.connected()
    back = time.monotonic() - begin
    with Raw(server, 120) as raw:
        told = finished(keys, raw, command)
    whole = time.monotonic() - begin
    cpu = processor_seconds(server.process.pid) - cpu
    until(lambda: swarm.status()["held"] == 0, 60, "the settling of all results")
    after = swarm.status()
    if told["Status"] != "Success" or told["CompletedCount"] != swarm.count or after["runs"] - before["runs"] != swarm.count or after["rerun"]:
        raise SystemExit(f"after the restart: {told}, {after}")
    return back, whole, cpu, after["failures"] - before["failures"], after["doubled"]


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory(dir=os.environ.get("STILLPOINT_BENCH_DIR")) as directory:
        server = Server(directory).start()
        server.stop()
        subprocess.run([AGENTS, "make", server.data, str(count)], check=True)
        server.start()
        # What belongs to the machines' records and to the store's cache is not the connections'.
        for _ in server.client("ec2").get_paginator("describe_instances").paginate(PaginationConfig={"PageSize": 100}):
            pass
        empty, _ = memory_kib(server.process.pid)
        swarm = Swarm(server, count)
        try:
            begin = time.monotonic()
            swarm.connected()
            print(f"{count} agents, first connection   {time.monotonic() - begin:.1f} s, {processor_seconds(server.process.pid):.1f} CPU-s of the server")
            time.sleep(5)  # until the server has given back what the handshakes took
            anon, rss = memory_kib(server.process.pid)
            print(f"server memory per agent          {(anon - empty) / count:.1f} KiB ({anon / 1024:.0f} MiB in all, RSS {rss / 1024:.0f})   goal <= 24 KiB, limit 14")
            cpu = processor_seconds(server.process.pid)
            time.sleep(IDLE_SECONDS)
            print(f"server, {count} idle agents      {(processor_seconds(server.process.pid) - cpu) / IDLE_SECONDS * 100:.1f} % of one core")
            for _ in range(ROUNDS):
                sent, whole, cpu, client = fan_out(server, swarm, MaxConcurrency="100%")
                print(f"SendCommand to {count}, all ended  {whole:.2f} s (answered after {sent:.2f} s; CPU-s: server {cpu:.2f}, agents {client:.2f})   "
                      f"goal <= 1 s, limit 0.4; ssh {SSH_COLD} s cold, {SSH_MASTER} s over ControlMaster")
            sent, whole, cpu, client = fan_out(server, swarm)
            print(f"the same, MaxConcurrency 50      {whole:.2f} s (CPU-s: server {cpu:.2f}, agents {client:.2f})")
            anon, rss = memory_kib(server.process.pid)
            print(f"server memory per agent, after   {(anon - empty) / count:.1f} KiB (RSS {rss / 1024:.0f} MiB)")
            back, whole, cpu, failures, doubled = storm(server, swarm)
            print(f"return of {count} after kill -9    {back:.1f} s from ready to the last welcome, command ended after {whole:.1f} s, none lost "
                  f"({cpu:.1f} CPU-s of the server, {failures} connections given up, {doubled} requests sent twice)   goal <= 14 s")
        finally:
            swarm.close()
            server.close()


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Holds the CPU of one execution against a bare floor (bench/floor.cc) that writes the same and does nothing else.

    guard.py [--record | --wall]     --record: writes the ratios to guard.json; --wall: the floor's own latency and rate instead

Both run in turn, in pairs; a row's figure is the median of the pairs' ratios. The times are those of the processors, never of the
clock, so that a busy machine changes them little, and it changes both. A row that is above the limit is measured once more: it fails if it
is above again.
"""
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.support.server import BINARY, Server  # noqa: E402

BENCH = pathlib.Path(BINARY).resolve().parent.parent / "bench"
RECORDED = ROOT / "bench" / "guard.json"
PAIRS = 7
# How many times the recorded ratio is too much.
SLACK = 1.5
STARTS = 2000
PASS = {"StartAt": "P", "States": {"P": {"Type": "Pass", "End": True}}}


def ratio(pairs):
    return statistics.median(ours / floor for ours, floor in pairs)


def judge(measure, recorded):
    """Every run of pairs that was needed, and whether the row failed: two runs in a row above the limit, and only those."""
    runs = []
    while len(runs) < 2:
        runs.append(measure())
        if ratio(runs[-1]) <= SLACK * recorded:
            return runs, False
    return runs, True


def output(*words):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, words))}: exit {done.returncode}: {done.stderr}")
    return done.stdout


def in_process(size):
    """Pairs of the µs of CPU of one execution, of the engine and of the floor."""
    with tempfile.TemporaryDirectory(prefix="guard-", dir=ROOT / "build") as directory:
        return [tuple(float(output(BENCH / program, "--cpu", size, f"{directory}/{program}")) for program in ("engine_bench", "floor"))
                for _ in range(PAIRS)]


def cpu_of(pid):
    """Seconds of user and system time of a process: the clock behind its getrusage, which /proc/PID/stat rounds to 10 ms."""
    return time.clock_gettime(~pid << 3 | 2)


class Floor:
    def __init__(self, directory):
        self.process = subprocess.Popen([BENCH / "floor", "--serve", f"{directory}/store.db"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.address = self.process.stdout.readline().strip()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(30)


def load(address, credentials, arn, connections, length):
    return json.loads(output(BENCH / "http_bench", address, *credentials, f"start:{arn}", connections, length))


def over_the_wire():
    """Pairs of the µs of CPU that one StartExecution costs the server, and the bare server."""
    server = Server(tempfile.mkdtemp(prefix="guard-", dir=ROOT / "build")).start()
    try:
        with tempfile.TemporaryDirectory(prefix="guard-", dir=ROOT / "build") as directory, Floor(directory) as floor:
            arn = server.client("stepfunctions").create_state_machine(
                name="bench", definition=json.dumps(PASS), roleArn="arn:aws:iam::000000000000:role/bench")["stateMachineArn"]

            def cost(address, pid):
                begin = cpu_of(pid)
                load(address, server.credentials, arn, 1, f"{STARTS}x")
                return (cpu_of(pid) - begin) * 1e6 / STARTS

            return [(cost(server.api.removeprefix("http://"), server.process.pid), cost(floor.address, floor.process.pid)) for _ in range(PAIRS)]
    finally:
        server.close()


ROWS = {
    "10 Pass, 300 B, 1,000 at once": lambda: in_process(300),
    "StartExecution, 1 connection, 1 KB": over_the_wire,
    "10 Pass, 64 KB": lambda: in_process(64 << 10),
    "10 Pass, 200 KB": lambda: in_process(200 << 10),
}


def describe(name, pairs, rest):
    ours, floor = (statistics.median(side) for side in zip(*pairs))
    print(f"{name:36} ours {ours:8.1f} µs   floor {floor:7.1f} µs   ratio {ratio(pairs):5.2f}   {rest}", flush=True)


def guard():
    known = json.loads(RECORDED.read_text())["ratios"]
    failed = []
    for name, measure in ROWS.items():
        runs, bad = judge(measure, known[name])
        for pairs in runs:
            limit = SLACK * known[name]
            describe(name, pairs, f"recorded {known[name]:5.2f}   limit {limit:5.2f}{'' if ratio(pairs) <= limit else '   ABOVE'}")
        failed += [name] if bad else []
    for name in failed:
        print(f"{name}: two runs in a row took more than {SLACK} times the recorded ratio: find what made it slower, or record anew with the reason "
              "(./x bench --guard --record)", file=sys.stderr)
    return 1 if failed else 0


def record():
    ratios = {}
    for name, measure in ROWS.items():
        pairs = measure()
        describe(name, pairs, "")
        ratios[name] = round(ratio(pairs), 2)
    how = f"CPU of one, ours / bench/floor.cc; median of {PAIRS} pairs in turn; written by ./x bench --guard --record on a quiet machine"
    RECORDED.write_text(json.dumps({"how": how, "ratios": ratios}, indent=2) + "\n")
    return 0


def wall():
    for connections in (1, 64):
        with tempfile.TemporaryDirectory(prefix="guard-", dir=ROOT / "build") as directory, Floor(directory) as floor:
            row = load(floor.address, ("AKIDFLOOR", "secret"), "arn:aws:states:us-east-1:000000000000:stateMachine:bench", connections, "4")
            print(f"floor, {connections:2} connections   p50 {row['p50_us'] / 1000:.2f} ms   p99 {row['p99_us'] / 1000:.2f} ms   {row['per_second']:,}/s")
    return 0


def main():
    (ROOT / "build").mkdir(exist_ok=True)
    actions = {(): guard, ("--record",): record, ("--wall",): wall}
    action = actions.get(tuple(sys.argv[1:]))
    if action is None:
        raise SystemExit(__doc__)
    return action()


if __name__ == "__main__":
    sys.exit(main())

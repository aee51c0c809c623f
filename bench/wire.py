"""Requests per second of the API port: a signed GetCallerIdentity and a signed, durable 1 KiB PutItem."""
import json
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.support.server import BINARY, Server  # noqa: E402

LOAD = pathlib.Path(BINARY).resolve().parent.parent / "bench" / "http_bench"
# Goals stand for 16 connections. Peers were measured on a machine like this one: an unsigned 1 KB POST through Beast's
# coroutine server, and StartExecution's commit through SQLite alone.
ROWS = [
    ("GetCallerIdentity", "identity", 1, None, "13,500 (Beast, unsigned)"),
    ("GetCallerIdentity", "identity", 16, 25000, "60,000 (Beast, unsigned)"),
    ("PutItem 1 KiB", "put:bench", 1, None, "3,500 (SQLite alone)"),
    ("PutItem 1 KiB", "put:bench", 16, 12000, "22,000 (SQLite alone)"),
]


def main():
    seconds = sys.argv[1] if len(sys.argv) > 1 else "3"
    server = Server(tempfile.mkdtemp(prefix="stillpoint-bench-")).start()
    try:
        key, secret = server.credentials
        server.client("dynamodb").create_table(
            TableName="bench", BillingMode="PAY_PER_REQUEST", AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}])
        print(f"{'signed request':20} {'conns':>5} {'per second':>11} {'p50 ms':>8} {'p99 ms':>8} {'goal':>8}  peer")
        missed = 0
        for name, workload, connections, goal, peer in ROWS:
            done = subprocess.run([LOAD, server.api.removeprefix("http://"), key, secret, workload, str(connections), seconds],
                                  capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise SystemExit(f"{name}: {done.stderr}")
            row = json.loads(done.stdout)
            met = goal is None or row["per_second"] >= goal
            missed += not met
            print(f"{name:20} {connections:5} {row['per_second']:11,.0f} {row['p50_us'] / 1000:8.2f} {row['p99_us'] / 1000:8.2f} "
                  f"{goal or '-':>8}  {peer}{'' if met else '  GOAL MISSED'}")
    finally:
        server.close()
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/python3
"""A backup job of a machine against plain `restic backup` of the same files, the repository there in both cases.

Prints wall and CPU seconds of each (CPU of the whole host, so run it on a quiet one) and the difference. Goals: at most
0.3 s and 5 % CPU more. `--mib N` and `--files N` change the data; `--rounds N`, the median counts.
"""
import argparse
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from tests.support.server import Server  # noqa: E402
from tests.support.until import until  # noqa: E402

ROLE = "arn:aws:iam::000000000000:role/backup"


def cpu_seconds():
    """Busy CPU time of this host since its boot."""
    with open("/proc/stat", encoding="ascii") as file:
        user, nice, system, _idle, _iowait, irq, softirq = (int(word) for word in file.readline().split()[1:8])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def measure(work):
    os.sync()
    wall, cpu = time.monotonic(), cpu_seconds()
    work()
    return time.monotonic() - wall, cpu_seconds() - cpu


def fill(folder, mib, files):
    folder.mkdir(parents=True)
    for number in range(files):
        (folder / f"file-{number}").write_bytes(os.urandom((mib << 20) // files))


def run_job(backup, arn, path):
    job = backup.start_backup_job(BackupVaultName="Default", ResourceArn=arn, IamRoleArn=ROLE, BackupOptions={"Paths": path})["BackupJobId"]

    def ended():
        answer = backup.describe_backup_job(BackupJobId=job)
        return answer if answer["State"] not in ("CREATED", "RUNNING") else None
    answer = until(ended, 300, f"the end of job {job}", every=0.01)
    assert answer["State"] == "COMPLETED", answer


def plain(folder, repository, cache):
    subprocess.run(["restic", "-r", repository, "--json", "--cache-dir", cache, "backup", str(folder)], check=True, stdout=subprocess.DEVNULL,
                   env={"PATH": os.environ["PATH"], "RESTIC_PASSWORD": "bench"})


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--mib", type=int, default=256)
    parser.add_argument("--files", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    ask = parser.parse_args()
    directory = pathlib.Path(tempfile.mkdtemp(prefix="stillpoint-bench-"))
    server = Server(directory / "server")
    server.directory.mkdir()
    server.start()
    try:
        ec2, backup = server.client("ec2"), server.client("backup")
        machine = ec2.run_instances(ImageId="ami-bare", MinCount=1, MaxCount=1)["Instances"][0]["InstanceId"]
        arn = f"arn:aws:ec2:us-east-1:000000000000:instance/{machine}"
        until(lambda: ec2.describe_instances(InstanceIds=[machine])["Reservations"][0]["Instances"][0]["State"]["Name"] == "running", 40, "running")
        run_job(backup, arn, "/etc/hostname")
        repository, cache = str(directory / "plain"), str(directory / "cache")
        subprocess.run(["restic", "-r", repository, "init"], check=True, stdout=subprocess.DEVNULL, env={"PATH": os.environ["PATH"], "RESTIC_PASSWORD": "bench"})
        ours, theirs = [], []
        for number in range(ask.rounds):
            folder = server.data / "machines" / machine / "root/srv" / f"round-{number}"
            fill(folder, ask.mib, ask.files)
            theirs.append(measure(lambda: plain(folder, repository, cache)))
            ours.append(measure(lambda: run_job(backup, arn, f"/srv/round-{number}")))
        wall, cpu = (statistics.median(row[i] for row in ours) for i in (0, 1))
        plain_wall, plain_cpu = (statistics.median(row[i] for row in theirs) for i in (0, 1))
        print(f"backup of {ask.mib} MiB in {ask.files} files, median of {ask.rounds}")
        print(f"  restic alone   {plain_wall:6.2f} s   CPU {plain_cpu:6.2f} s")
        print(f"  backup job     {wall:6.2f} s   CPU {cpu:6.2f} s")
        print(f"  more           {wall - plain_wall:6.2f} s   CPU {100 * (cpu / plain_cpu - 1):6.1f} %   (goals 0.3 s, 5 %)")
    finally:
        server.close()
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()

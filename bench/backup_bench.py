#!/usr/bin/python3
"""A backup job of a machine against plain `restic backup` of the same files, the repository there in both cases.

Prints wall and CPU seconds of each and the difference. Goals: at most 0.3 s and 5 % CPU more. A job lasts from its creation
to its completion, as the server tells them. CPU is that of the processes at work: restic alone; or the server, the agents
and their restic; what this program uses itself to ask whether the job has ended is in neither. restic's own repository opens
with the key derivation that `restic init` calibrates, ours with the quick one of a random key. `--mib N` and `--files N`
change the data; `--rounds N`, the median counts. Rounds alternate which of the two comes first.
"""
import argparse
import os
import pathlib
import resource
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


def cpu_of(pid):
    """CPU seconds of a process and of its children that have ended."""
    words = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return sum(int(word) for word in words[11:15]) / os.sysconf("SC_CLK_TCK")


def pids_of(server, machine):
    """The server, its host's agent, and every process in the machine's tree."""
    found = set(server.processes())
    here = os.stat(server.data / "machines" / machine / "root")
    for entry in pathlib.Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and os.path.samestat(os.stat(entry / "root/."), here):
                found.add(int(entry.name))
        except OSError:
            continue
    return found


def fill(folder, mib, files):
    folder.mkdir(parents=True)
    for number in range(files):
        (folder / f"file-{number}").write_bytes(os.urandom((mib << 20) // files))
    os.sync()


def run_job(backup, arn, path):
    """Wall seconds of one job."""
    job = backup.start_backup_job(BackupVaultName="Default", ResourceArn=arn, IamRoleArn=ROLE, BackupOptions={"Paths": path})["BackupJobId"]

    def ended():
        answer = backup.describe_backup_job(BackupJobId=job)
        return answer if answer["State"] not in ("CREATED", "RUNNING") else None
    answer = until(ended, 300, f"the end of job {job}", every=0.1)
    assert answer["State"] == "COMPLETED", answer
    return (answer["CompletionDate"] - answer["CreationDate"]).total_seconds()


def measure_job(server, backup, machine, path):
    os.sync()
    pids = pids_of(server, machine)
    before = {pid: cpu_of(pid) for pid in pids}
    wall = run_job(backup, f"arn:aws:ec2:us-east-1:000000000000:instance/{machine}", path)
    return wall, sum(cpu_of(pid) - before[pid] for pid in pids)


def plain(folder, repository, cache):
    subprocess.run(["restic", "-r", repository, "--json", "--cache-dir", cache, "backup", str(folder)], check=True, stdout=subprocess.DEVNULL,
                   env={"PATH": os.environ["PATH"], "RESTIC_PASSWORD": "bench"})


def measure_plain(folder, repository, cache):
    os.sync()
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    plain(folder, repository, cache)
    wall, after = time.monotonic() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--mib", type=int, default=256)
    parser.add_argument("--files", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    ask = parser.parse_args()
    directory = pathlib.Path(tempfile.mkdtemp(prefix="stillpoint-bench-"))
    server = Server(directory / "server")
    server.directory.mkdir()
    server.start()
    try:
        ec2, backup = server.client("ec2"), server.client("backup")
        machine = ec2.run_instances(ImageId="ami-bare", MinCount=1, MaxCount=1)["Instances"][0]["InstanceId"]
        until(lambda: ec2.describe_instances(InstanceIds=[machine])["Reservations"][0]["Instances"][0]["State"]["Name"] == "running", 40, "running")
        run_job(backup, f"arn:aws:ec2:us-east-1:000000000000:instance/{machine}", "/etc/hostname")
        repository, cache = str(directory / "plain"), str(directory / "cache")
        subprocess.run(["restic", "-r", repository, "init"], check=True, stdout=subprocess.DEVNULL, env={"PATH": os.environ["PATH"], "RESTIC_PASSWORD": "bench"})
        plain("/etc/hostname", repository, cache)
        ours, theirs = [], []
        for number in range(ask.rounds):
            folder = server.data / "machines" / machine / "root/srv" / f"round-{number}"
            fill(folder, ask.mib, ask.files)
            rounds = [lambda: theirs.append(measure_plain(folder, repository, cache)),
                      lambda: ours.append(measure_job(server, backup, machine, f"/srv/round-{number}"))]
            for measure in rounds if number % 2 == 0 else reversed(rounds):
                measure()
            shutil.rmtree(folder)
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

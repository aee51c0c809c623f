#!/usr/bin/env python3
"""The long checks. soak.py [PART…] [FUZZ_SECONDS]: all parts, or those named; a name like path_fuzz is that fuzz target alone.

Parts: lint (all files), asan and tsan (unit and simulation tests), asan-api and tsan-api (the API and end-to-end tests with
the program built so: server, host's agent, agents in machines, demo), fuzz (each target for FUZZ_SECONDS of CPU, default
600), fresh-demo (the demo in a new Debian root), guest (the packaged agent in a virtual machine). Prints a line a part or target; logs and findings lie in build/soak. The
rows of what ran are replaced in bench/SOAK.md. SOAK_WITH holds words to put before each fuzz program, such as "nice -n 15".
"""
import concurrent.futures
import datetime
import importlib.util
import os
import pathlib
import re
import shutil
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
OUT = ROOT / "build" / "soak"
SUMMARY = ROOT / "bench" / "SOAK.md"
PYTEST = ["/usr/bin/python3", "-m", "pytest", "-q", "-p", "no:cacheprovider",
          *(["-n", str(os.cpu_count() or 1), "--dist", "loadgroup"] if importlib.util.find_spec("xdist") else [])]
FROM_OUTSIDE = ["tests/api", "tests/e2e"]
HEAD = """# Soak

The long checks (`./x soak`): the newest run of each part and fuzz target, with the commit it ran on.

| part | result | what | commit | day | time |
| --- | --- | --- | --- | --- | --- |
"""


class Failed(Exception):
    """Why, in one line."""


def run(log, words, **environment):
    """Runs a command, its output added to the log; the output is returned too."""
    done = subprocess.run(words, cwd=ROOT, env={**os.environ, **environment}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace", check=False)
    with open(log, "a", encoding="utf-8") as file:
        file.write(done.stdout)
    if done.returncode != 0:
        raise Failed(f"{pathlib.Path(words[0]).name} {' '.join(words[1:3])} ended with {done.returncode}, see {log.relative_to(ROOT)}")
    return done.stdout


def last(pattern, text, otherwise=""):
    found = re.findall(pattern, text)
    return found[-1] if found else otherwise


def lint(log):
    return last(r"clang-tidy: .*", run(log, ["./x", "check", "--all"]))


def sanitize(preset):
    return lambda log: last(r"\d+% tests passed, .*", run(log, ["./x", "sanitize", preset]))


def api(preset, options, tests):
    """The program's own reports count, whatever the tests say: each process writes its to `reports`, and the tests copy there
    what agents in machines wrote to their consoles."""

    def part(log):
        run(log, ["cmake", "--preset", preset])
        run(log, ["ninja", "-C", f"build/{preset}", "stillpoint"])
        reports = OUT / f"{preset}-reports"
        shutil.rmtree(reports, ignore_errors=True)
        reports.mkdir(parents=True)
        where = f"log_path={reports}/report"
        try:
            program = ROOT / "build" / preset / "src" / "stillpoint"
            text = run(log, [*PYTEST, *tests], STILLPOINT_BIN=str(program), STILLPOINT_REPORTS=str(reports),
                       **{name: f"{value}:{where}" for name, value in options.items()})
        finally:
            found = sorted(reports.iterdir())
            if found:
                raise Failed(f"{len(found)} reports in {reports.relative_to(ROOT)}")
        return last(r"\d+ passed.*", text)

    return part


def starved(name, findings):
    """Whether all that was found is inputs that took long by the clock and no more than a second of CPU when run again: the machine was
    busy with other work. Those are removed."""
    slow = sorted(findings.glob(f"{name}-timeout-*"))
    if not slow or any(findings.glob(f"{name}-[!ts]*")):
        return False
    for path in slow:
        process = subprocess.Popen([ROOT / "build" / "fuzz" / "fuzzers" / name, path], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0 or usage.ru_utime + usage.ru_stime > 1:
            return False
        path.unlink()
    return True


def fuzz_target(name, seconds):
    """In rounds of half a minute, each with what the earlier ones found worth keeping: a leak has no hours to hide in."""
    log = OUT / f"{name}.log"
    corpus = ROOT / "build" / "fuzz" / "corpus" / name
    findings = OUT / "findings"
    for folder in (corpus, findings):
        folder.mkdir(parents=True, exist_ok=True)
    words = [*os.environ.get("SOAK_WITH", "").split(), f"build/fuzz/fuzzers/{name}", "-max_total_time=30", "-timeout=10",
             "-rss_limit_mb=2048", "-print_final_stats=1", f"-artifact_prefix={findings}/{name}-", str(corpus), f"tests/corpus/{name}"]
    spent = 0.0
    with open(log, "w", encoding="utf-8") as file:
        while spent < seconds:
            process = subprocess.Popen(words, cwd=ROOT, stdout=file, stderr=subprocess.STDOUT)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            spent += usage.ru_utime + usage.ru_stime
            if process.returncode != 0 and not starved(name, findings):
                raise Failed(f"a finding in {findings.relative_to(ROOT)}, see {log.relative_to(ROOT)}")
    inputs = sum(int(count) for count in re.findall(r"number_of_executed_units: (\d+)", log.read_text(errors="replace")))
    return f"{spent:.0f} s of CPU, {inputs / 1e6:.2f} million inputs"


def fuzz_targets():
    return sorted(path.name.removesuffix(".cc") for path in (ROOT / "src").rglob("*_fuzz.cc"))


def fresh_demo(log):
    return last(r"== build: .*", run(log, ["./x", "fresh", "build/fresh", "./x", "demo"]), "the demo ran to its end")


def guest(log):
    run(log, ["./x", "guest"])
    run(log, ["./x", "package"])
    begin = time.monotonic()
    text = run(log, ["/usr/bin/python3", "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/guest"], STILLPOINT_GUEST="1")
    return f"{last(r'[0-9]+ passed', text)}, {time.monotonic() - begin:.0f} s after the image was there"


PARTS = {
    "lint": lint,
    "asan": sanitize("asan"),
    "asan-api": api("asan", {"ASAN_OPTIONS": "detect_leaks=1", "UBSAN_OPTIONS": "print_stacktrace=1"}, FROM_OUTSIDE),
    "tsan": sanitize("tsan"),
    "tsan-api": api("tsan", {"TSAN_OPTIONS": "second_deadlock_stack=1"}, FROM_OUTSIDE),
    "fresh-demo": fresh_demo,
    "guest": guest,
}


# In the order of the summary; the fuzz targets come last.
NAMES = [*PARTS, *fuzz_targets()]


def rows():
    """Name → its row in the summary."""
    text = SUMMARY.read_text() if SUMMARY.exists() else ""
    return {row.group(1): row.group(0) for row in re.finditer(r"^\| ([\w-]+) \|.*$", text, re.M) if row.group(1) in NAMES}


def git(*words):
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


def one(name, seconds, commit):
    """Runs a part or fuzz target; its row and whether it passed."""
    begin = time.monotonic()
    try:
        if name in PARTS:
            log = OUT / f"{name}.log"
            log.write_text("")
            what = PARTS[name](log)
        else:
            what = fuzz_target(name, seconds)
        result = "passed"
    except Failed as why:
        what, result = str(why), "FAILED"
    return f"| {name} | {result} | {what} | {commit} | {datetime.date.today()} | {time.monotonic() - begin:.0f} s |", result == "passed"


def main():
    words = sys.argv[1:]
    seconds = int(words.pop()) if words and words[-1].isdigit() else 600
    unknown = [w for w in words if w not in NAMES and w != "fuzz"]
    if unknown:
        print(f"soak: no part '{unknown[0]}' ({', '.join(PARTS)}, fuzz, or a fuzz target)", file=sys.stderr)
        return 2
    targets = [n for n in fuzz_targets() if not words or "fuzz" in words or n in words]
    OUT.mkdir(parents=True, exist_ok=True)
    changed = git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!bench/SOAK.md")
    commit = git("rev-parse", "--short", "HEAD") + (" and changes" if changed else "")
    writing, good = threading.Lock(), []

    def run_one(name):
        row, passed = one(name, seconds, commit)
        with writing:
            print(row, flush=True)
            good.append(passed)
            kept = {**rows(), name: row}
            SUMMARY.write_text(HEAD + "".join(kept[n] + "\n" for n in NAMES if n in kept))

    for part in PARTS:
        if not words or part in words:
            run_one(part)
    if targets:
        try:
            run(OUT / "fuzz.log", ["cmake", "--preset", "fuzz"])
            run(OUT / "fuzz.log", ["ninja", "-C", "build/fuzz", *targets])
        except Failed as why:
            print(f"soak: {why}", file=sys.stderr)
            return 1
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            list(pool.map(run_one, targets))
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())

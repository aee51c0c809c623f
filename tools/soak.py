#!/usr/bin/env python3
"""The long checks. soak.py [PART…] [FUZZ_SECONDS]: all parts, or those named; a name like path_fuzz is that fuzz target alone.

Parts: lint (all files), asan and tsan (unit and simulation tests), asan-api and tsan-api (the API tests against a server
built so), fuzz (FUZZ_SECONDS for each target, default 600), fresh-demo (the demo in a new Debian root). Prints a line a part;
logs and findings lie in build/soak. The rows of the parts that ran are replaced in bench/SOAK.md.
"""
import concurrent.futures
import datetime
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
OUT = ROOT / "build" / "soak"
SUMMARY = ROOT / "bench" / "SOAK.md"
PYTEST = ["/usr/bin/python3", "-m", "pytest", "-q", "-p", "no:cacheprovider"]
HEAD = """# Soak

The long checks (`./x soak`): the newest run of each part, with the commit it ran on.

| part | result | what | commit | day | time |
| --- | --- | --- | --- | --- | --- |
"""


class Failed(Exception):
    """Why, in one line."""


def run(log, words, **environment):
    """Runs a command with its output behind what is in the log; the output is returned too."""
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
    """The server's own reports count, whatever the tests say."""

    def part(log):
        run(log, ["cmake", "--preset", preset])
        run(log, ["ninja", "-C", f"build/{preset}", "stillpoint"])
        reports = OUT / f"{preset}-reports"
        shutil.rmtree(reports, ignore_errors=True)
        reports.mkdir(parents=True)
        where = f"log_path={reports}/report"
        try:
            text = run(log, [*PYTEST, *tests], STILLPOINT_BIN=str(ROOT / "build" / preset / "src" / "stillpoint"),
                       **{name: f"{value}:{where}" for name, value in options.items()})
        finally:
            found = sorted(reports.iterdir())
            if found:
                raise Failed(f"{len(found)} reports in {reports.relative_to(ROOT)}")
        return last(r"\d+ passed.*", text)

    return part


def fuzz(log, seconds, only=None):
    run(log, ["cmake", "--preset", "fuzz"])
    run(log, ["ninja", "-C", "build/fuzz", *(only or ["fuzzers"])])
    programs = sorted((ROOT / "build" / "fuzz" / "fuzzers").glob("*_fuzz"))
    names = [p.name for p in programs if not only or p.name in only]
    findings = OUT / "findings"
    findings.mkdir(parents=True, exist_ok=True)

    def one(name):
        corpus = ROOT / "build" / "fuzz" / "corpus" / name
        corpus.mkdir(parents=True, exist_ok=True)
        try:
            text = run(OUT / f"{name}.log", [f"build/fuzz/fuzzers/{name}", f"-max_total_time={seconds}", "-timeout=10", "-rss_limit_mb=2048",
                                              "-print_final_stats=1", "-verbosity=1", f"-artifact_prefix={findings}/{name}-", str(corpus),
                                              f"tests/corpus/{name}"])
            return name, int(last(r"number_of_executed_units: (\d+)", text, "0"))
        except Failed:
            return name, None

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        done = list(pool.map(one, names))
    bad = [name for name, count in done if count is None]
    if bad:
        raise Failed(f"findings of {', '.join(bad)} in {findings.relative_to(ROOT)}")
    return f"{len(names)} targets, {seconds} s each, {sum(count for _, count in done) / 1e6:.1f} million inputs"


def fresh_demo(log):
    return last(r"== build: .*", run(log, ["./x", "fresh", "build/fresh", "./x", "demo"]), "the demo ran to its end")


PARTS = {
    "lint": lint,
    "asan": sanitize("asan"),
    "asan-api": api("asan", {"ASAN_OPTIONS": "detect_leaks=1", "UBSAN_OPTIONS": "print_stacktrace=1"}, ["tests/api"]),
    "tsan": sanitize("tsan"),
    "tsan-api": api("tsan", {"TSAN_OPTIONS": "second_deadlock_stack=1"}, ["tests/api"]),
    "fuzz": fuzz,
    "fresh-demo": fresh_demo,
}


def rows():
    """Part → its row in the summary."""
    if not SUMMARY.exists():
        return {}
    lines = re.findall(r"^\| ([\w-]+) \|.*$", SUMMARY.read_text(), re.M)
    return {name: re.search(rf"^\| {name} \|.*$", SUMMARY.read_text(), re.M).group(0) for name in lines if name in PARTS}


def main():
    words = sys.argv[1:]
    seconds = 600
    if words and words[-1].isdigit():
        seconds = int(words.pop())
    targets = [w for w in words if w.endswith("_fuzz")]
    unknown = [w for w in words if w not in PARTS and w not in targets]
    if unknown:
        print(f"soak: no part '{unknown[0]}' ({', '.join(PARTS)}, or a fuzz target)", file=sys.stderr)
        return 2
    wanted = [p for p in PARTS if p in words] or ([] if targets else list(PARTS))
    OUT.mkdir(parents=True, exist_ok=True)
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    kept, failed = rows(), False
    for part in [*wanted, *(["targets"] if targets else [])]:
        log = OUT / f"{part}.log"
        log.write_text("")
        begin = time.monotonic()
        try:
            if part == "fuzz":
                what, result = fuzz(log, seconds), "passed"
            elif part == "targets":
                what, result = fuzz(log, seconds, targets), "passed"
            else:
                what, result = PARTS[part](log), "passed"
        except Failed as why:
            what, result, failed = str(why), "FAILED", True
        row = f"| {part} | {result} | {what} | {commit} | {datetime.date.today()} | {time.monotonic() - begin:.0f} s |"
        print(row, flush=True)
        if part in PARTS:
            kept[part] = row
            SUMMARY.write_text(HEAD + "".join(kept[p] + "\n" for p in PARTS if p in kept))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

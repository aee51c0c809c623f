#!/usr/bin/env python3
"""clang-tidy over the changed files and a seventh of the others (which seventh: by hash of name and the last commit's
day, so that a week of runs covers all); --all takes every file; names of files take those alone.

A fault in a changed file fails the check; faults of the others are listed, to be mended with the next change there. With --all or
names every fault fails."""
import concurrent.futures
import datetime
import hashlib
import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def run(*words):
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)


def database():
    """The release tree's commands with the precompiled header read as text: clang-tidy need not be the same build of clang."""
    folder = ROOT / "build" / "tidy"
    folder.mkdir(parents=True, exist_ok=True)
    text = (ROOT / "build" / "release" / "compile_commands.json").read_text()
    commands = json.loads(text)
    for command in commands:
        command["command"] = re.sub(r"-Xclang -include-pch -Xclang \S+", "", command["command"]).replace("-Winvalid-pch", "").replace("ccache ", "", 1)
    (folder / "compile_commands.json").write_text(json.dumps(commands))
    return str(folder)


def main():
    named = [word for word in sys.argv[1:] if not word.startswith("-")]
    unknown = [word for word in sys.argv[1:] if word.startswith("-") and word != "--all"] + [name for name in named if not (ROOT / name).is_file()]
    if unknown:
        print(f"{__doc__}\n\nNeither a file nor an option: {' '.join(unknown)}" if "--help" not in unknown else __doc__, file=sys.stderr)
        return 0 if "--help" in unknown else 2
    folder = database()
    files = [f for f in run("git", "ls-files", "src/*.cc").stdout.split() if not f.endswith("_fuzz.cc")]
    changed = set(run("git", "diff", "--name-only", "HEAD~1").stdout.split()) | set(run("git", "diff", "--name-only").stdout.split())
    # A landing of a whole tree changes everything: then there is nothing that the last change is to answer for.
    if len(set(files) & changed) > 40:
        changed = set()
    day = run("git", "log", "-1", "--format=%ct").stdout.strip() or "0"
    turn = datetime.date.fromtimestamp(int(day)).toordinal() % 7
    if named:
        files = named
    elif "--all" not in sys.argv:
        share = [f for f in files if hashlib.sha256(f.encode()).digest()[0] % 7 == turn]
        picked = set(share) | (set(files) & changed)
        files = sorted(picked)
    failed = False
    everything = "--all" in sys.argv or bool(named)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for name, result in zip(files, pool.map(lambda f: run("clang-tidy-19", "-quiet", "-p", folder, f), files)):
            if result.returncode != 0 or "warning:" in result.stdout:
                failed = failed or everything or name in changed
                print(f"{name}:\n{result.stdout}{result.stderr[-500:]}")
    print(f"clang-tidy: {len(files)} files, {'faults' if failed else 'no fault that fails'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

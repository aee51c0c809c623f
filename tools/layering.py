#!/usr/bin/env python3
"""The arrows between folders go down only: every #include of ours is checked against the folder's CMake link list.

Public headers of a permitted folder may be used transitively; tests may also include what TEST_INCLUDES names.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent / "src"
# Programs of their own that include nothing of ours.
ALONE = {"supervise"}
RANKS = {
    "base": 0, "json": 1, "model": 1, "asl": 2, "aws": 2, "quiesce": 2, "schedule": 2, "agentwire": 2, "os": 3, "net": 3,
    "engine": 3, "store": 3, "runtime": 4, "fleet": 5, "services": 5, "agent": 5, "tasks": 6, "console": 6, "cli": 6, "daemon": 7,
}


def links():
    found = {}
    for name in RANKS:
        file = ROOT / name / "CMakeLists.txt"
        if not file.exists():
            continue
        text = file.read_text()
        wanted = re.search(r"sp_folder\((\w+)(.*?)\)", text, re.S)
        if wanted is None:
            sys.exit(f"{file}: no sp_folder(...) line")
        groups = {"INCLUDES": [], "TEST_INCLUDES": [], "LIBRARIES": []}
        current = None
        for word in wanted.group(2).split():
            if word in groups:
                current = word
            elif current:
                groups[current].append(word)
        found[name] = groups
    return found


def closure(name, direct):
    seen, todo = set(), [name]
    while todo:
        for below in direct[todo.pop()]["INCLUDES"]:
            if below not in seen:
                seen.add(below)
                todo.append(below)
    return seen


def main():
    direct, faults = links(), []
    for name, groups in direct.items():
        for below in groups["INCLUDES"]:
            # store stands on os though both are edges of rank 3: it alone writes files beside the database.
            if RANKS[below] > RANKS[name] or (RANKS[below] == RANKS[name] and (name, below) not in {("model", "json"), ("store", "os")}):
                faults.append(f"src/{name}/CMakeLists.txt: may not link {below} (rank {RANKS[below]} ≥ {RANKS[name]})")
        allowed = closure(name, direct) | {name}
        for file in sorted((ROOT / name).rglob("*")):
            if file.suffix not in {".h", ".cc"}:
                continue
            permitted = set(allowed)
            if file.stem.endswith(("_test", "_fuzz")):
                for extra in groups["TEST_INCLUDES"]:
                    permitted |= {extra} | closure(extra, direct)
            for number, line in enumerate(file.read_text().splitlines(), 1):
                include = re.match(r'\s*#include "(\w+)/', line)
                if include and include.group(1) in RANKS and include.group(1) not in permitted:
                    faults.append(f"{file.relative_to(ROOT.parent)}:{number}: src/{name} may not include {include.group(1)}/"
                                  f" (its CMakeLists.txt does not link it; see docs/architecture.md, Folders)")
    for name in ALONE:
        for file in sorted((ROOT / name).rglob("*.cc")):
            if re.search(r'^\s*#include "', file.read_text(), re.M):
                faults.append(f"{file.relative_to(ROOT.parent)}: src/{name} includes nothing of ours")
    for folder in ROOT.iterdir():
        if folder.is_dir() and folder.name not in RANKS and folder.name not in ALONE:
            faults.append(f"src/{folder.name}: not in the list of folders (docs/architecture.md)")
    print("\n".join(faults) or "layering: every include goes down")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())

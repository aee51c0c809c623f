#!/usr/bin/env python3
"""House rules that neither the compiler nor clang-tidy knows. Each message says how to repair."""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
# (pattern, where it is allowed, what to do instead)
BANNED = [
    (r"\bsystem_clock::now\b|\btime\(nullptr\)", r"src/(base/(clock|log)\.cc|os/|net/|daemon/|cli/|agent/)|bench/|_test\.cc", "take the time from the event or the Clock"),
    # Allowed: the retry of a journal on a full disk (no event tells that there is room), the tests of timeouts themselves, and
    # bounded looks at a process or folder in tests (a for loop on the same line).
    (r"^(?!\s*for \().*(\bsleep_for\b|\busleep\(|\bnanosleep\()", r"src/agent/requests\.cc|src/net/http_server_test\.cc", "wait for the event with a deadline"),
    (r"\brandom_device\b|\brand\(\)", r"$^", "use the Random that is passed in"),
    (r"\bgetenv\(", r"src/(base|os|net|daemon|cli|agent)/|bench/|_test\.cc|tests/", "read the environment in daemon or cli and pass the value"),
    (r"#include <boost/(asio|beast)", r"src/net/|bench/", "sockets are net's: use its headers"),
    (r"#include <(spdlog|CLI|toml\+\+)/", r"src/(base/log|cli/\w+|daemon/config)\.cc", "these headers are expensive: one file each"),
    (r"\b(getpw(nam|uid)|getgr(nam|gid)|localtime|gmtime|asctime|ctime|strtok|strerror)\(", r"src/supervise/|bench/",
     "it answers in memory that all threads share: os/user.h, base/time_format.h, strerrordesc_np, the _r function"),
    (r"\bstd::regex\b", r"$^", "std::regex recurses on its input: write a scanner"),
    (r"\b(TODO|FIXME|XXX|HACK)\b", r"$^", "do it, or say in the documentation what is not there"),
]
LINES_MAX = 800


def main():
    faults = []
    files = subprocess.run(["git", "ls-files", "src", "bench", "tests"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    for name in files:
        if not name.endswith((".h", ".cc")):
            continue
        path = ROOT / name
        lines = path.read_text().splitlines()
        if len(lines) > LINES_MAX:
            faults.append(f"{name}: {len(lines)} lines; is it one thing? Split it (limit {LINES_MAX})")
        if name.endswith(".h") and "#pragma once" not in lines[: 60]:
            faults.append(f"{name}: no #pragma once")
        for number, line in enumerate(lines, 1):
            code = line.split("//")[0]
            for pattern, allowed, advice in BANNED:
                text = line if "TODO" in pattern else code
                if re.search(pattern, text) and not re.search(allowed, name):
                    faults.append(f"{name}:{number}: {line.strip()[:80]}: {advice}")
    print("\n".join(faults) or "house rules: kept")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Reads and completes the pages of docs/api (their form: docs/api/README.md).

    /usr/bin/python3 tests/api/api_pages.py --complete docs/api/dynamodb.md   # writes the section "Not yet" anew
    /usr/bin/python3 tests/api/api_pages.py --check                           # all pages against botocore's models
"""

import dataclasses
import pathlib
import re
import sys
import textwrap

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGES = ROOT / "docs" / "api"
SERVICES = ("sts", "iam", "s3", "dynamodb", "ec2", "ssm", "backup", "stepfunctions", "events", "scheduler")
HEAD = ["operation", "state", "errors", "tests"]
NOT_YET = "## Not yet"


class PageError(Exception):
    """A page is not in the form that docs/api/README.md describes."""


@dataclasses.dataclass
class Row:
    operation: str
    state: str
    errors: dict  # code -> [test, …]
    tests: list


@dataclasses.dataclass
class Page:
    service: str
    rows: list
    not_yet: list

    def works(self):
        return [row.operation for row in self.rows if row.state == "works"]

    def named_tests(self):
        """Every test the page names -> where it is named."""
        named = {}
        for row in self.rows:
            for test in row.tests:
                named.setdefault(test, f"{self.service} {row.operation}")
            for code, tests in row.errors.items():
                for test in tests:
                    named.setdefault(test, f"{self.service} {row.operation}, {code}")
        return named


def _names(cell):
    return [name.strip().strip("`") for name in cell.split(",") if name.strip()]


def _errors(cell, where):
    errors = {}
    for part in filter(None, (part.strip() for part in cell.split(";"))):
        code, colon, tests = part.partition(": ")
        if not colon:
            raise PageError(f"{where}: an error is written 'Code: test', not {part!r}")
        errors.setdefault(code.strip("` "), []).extend(_names(tests))
    return errors


def parse(text, service):
    """Page of one service; raises PageError naming the line."""
    rows, heads = [], 0
    body, _, rest = text.partition(NOT_YET + "\n")
    for number, line in enumerate(body.splitlines(), 1):
        if not line.startswith("|"):
            continue
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        where = f"docs/api/{service}.md:{number}"
        if cells == HEAD:
            heads += 1
        elif heads and not set("".join(cells)) <= set("-: "):
            if len(cells) != len(HEAD):
                raise PageError(f"{where}: {len(cells)} cells, {len(HEAD)} are wanted")
            if cells[1] not in ("works", "not yet"):
                raise PageError(f"{where}: state is 'works' or 'not yet', not {cells[1]!r}")
            rows.append(Row(cells[0].strip("`"), cells[1], _errors(cells[2], where), _names(cells[3])))
    if heads != 1:
        raise PageError(f"docs/api/{service}.md: {heads} tables with the head {HEAD}, one is wanted")
    listed = re.findall(r"[A-Za-z0-9]+", rest)
    return Page(service, rows, listed)


def read(service):
    path = PAGES / f"{service}.md"
    if not path.exists():
        raise PageError(f"docs/api/{service}.md is missing")
    return parse(path.read_text(), service)


def model(service):
    import botocore.session

    return botocore.session.get_session().get_service_model(service)


def problems(page, operations):
    """What keeps the page from listing each operation of the model exactly once, with its tests."""
    found = []
    listed = [row.operation for row in page.rows] + page.not_yet
    for name in sorted(set(listed)):
        if listed.count(name) > 1:
            found.append(f"{page.service}: {name} is listed {listed.count(name)} times")
        if name not in operations:
            found.append(f"{page.service}: {name} is no operation of botocore's model")
    found += [f"{page.service}: {name} is not listed" for name in operations if name not in listed]
    for row in page.rows:
        if row.state != "works":
            continue
        if not row.tests:
            found.append(f"{page.service}: {row.operation} works but names no test")
        found += [f"{page.service}: {row.operation} names no test for {code}" for code, tests in row.errors.items() if not tests]
    return found


def complete(path):
    service = path.stem
    text = path.read_text()
    page = parse(text, service)
    listed = {row.operation for row in page.rows}
    left = sorted(name for name in model(service).operation_names if name not in listed)
    body = text.partition(NOT_YET + "\n")[0].rstrip()
    section = "\n".join(textwrap.wrap(", ".join(left), 140)) if left else "–"
    path.write_text(f"{body}\n\n{NOT_YET}\n\n{section}\n")


def main(arguments):
    if len(arguments) == 2 and arguments[0] == "--complete":
        complete(pathlib.Path(arguments[1]))
        return 0
    if arguments == ["--check"]:
        found = []
        for service in SERVICES:
            try:
                found += problems(read(service), model(service).operation_names)
            except PageError as error:
                found.append(str(error))
        print("\n".join(found) or "docs/api: every operation is listed")
        return 1 if found else 0
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

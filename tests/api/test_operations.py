"""What docs/api says is what the server does: every operation of botocore's models, and every test that the pages name."""
import datetime
import os
import pathlib
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import pytest
from botocore.exceptions import ClientError

from tests.api import api_pages, test_states_language

ROOT = pathlib.Path(__file__).resolve().parents[2]
UNKNOWN = {"json": "UnknownOperationException", "rest-json": "UnknownOperationException", "query": "InvalidAction", "ec2": "InvalidAction", "rest-xml": "NotImplemented"}


def least(shape, depth=0):
    """The smallest value that botocore can send for this shape: required members alone."""
    kind = shape.type_name
    if kind == "structure":
        return {name: least(member, depth + 1) for name, member in shape.members.items() if name in shape.required_members} if depth < 8 else {}
    if kind == "list":
        return [least(shape.member, depth + 1)] * max(1, shape.metadata.get("min", 1))
    if kind == "map":
        return {}
    if kind == "string":
        # Three letters where they fit: the shortest name of a bucket, which is looked at before the operation.
        return shape.enum[0] if shape.enum else "x" * max(shape.metadata.get("min", 1), min(3, shape.metadata.get("max", 3)))
    if kind == "blob":
        return b"x"
    if kind == "boolean":
        return True
    if kind == "timestamp":
        return datetime.datetime(2024, 1, 1)
    return max(1, shape.metadata.get("min", 1))


def answer_of(client, operation):
    """The error code of a minimal signed call, or "" if it was done."""
    shape = operation.input_shape
    arguments = least(shape) if shape is not None else {}
    try:
        client._make_api_call(operation.name, arguments)
    except ClientError as error:
        # An answer in another protocol's form (an operation that is signed for a service of its own) is known by its header.
        return error.response["ResponseMetadata"]["HTTPHeaders"].get("x-amzn-errortype") or error.response["Error"]["Code"]
    return ""


def signing_client(server, service):
    """Sends anything, never twice, and signs what the SDK would leave unsigned too (AssumeRoleWithSAML)."""
    client = server.client(service, parameter_validation=False, inject_host_prefix=False, retries={"max_attempts": 0}, read_timeout=20)
    if service == "sts":
        client.meta.events.register_first("choose-signer.sts.*", lambda **_: "v4")
    return client


@pytest.mark.parametrize("service", api_pages.SERVICES)
def test_each_operation_stands_on_its_page(service):
    problems = api_pages.problems(api_pages.read(service), api_pages.model(service).operation_names)
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize("service", api_pages.SERVICES)
def test_what_works_is_known_and_nothing_else(server, service):
    model = api_pages.model(service)
    works = set(api_pages.read(service).works())
    unknown = (UNKNOWN[model.protocol], "UnknownOperationException")
    client = signing_client(server, service)
    wrong = []
    for name in model.operation_names:
        code = answer_of(client, model.operation_model(name))
        if (code in unknown) == (name in works):
            wrong.append(f"{name} answers {code or 'success'}" + (" though it works" if name in works else f", not {unknown[0]}"))
    assert not wrong, "\n".join(wrong)


def pytest_run(arguments, **more):
    return subprocess.Popen([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--no-header", *arguments], cwd=ROOT, text=True, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, **more)


@pytest.fixture(scope="module")
def named():
    """Every test that any page names -> where."""
    tests = {}
    for service in api_pages.SERVICES:
        if (api_pages.PAGES / f"{service}.md").exists():
            tests.update(api_pages.read(service).named_tests())
    tests.update({test: f"states-language {what}" for what, _, names in test_states_language.rows() for test in names if "::" in test})
    assert tests
    return tests


@pytest.fixture(scope="module")
def collected(named):
    """Ids that pytest collects for the named files, below tests/api."""
    files = sorted({test.partition("::")[0] for test in named})
    present = [f"tests/api/{file}" for file in files if (ROOT / "tests" / "api" / file).exists()]
    run = pytest_run(["--collect-only", *present])
    output, _ = run.communicate()
    ids = [line.removeprefix("tests/api/") for line in output.splitlines() if line.startswith("tests/api/") and "::" in line]
    assert ids, output
    return ids


def matching(name, ids):
    return [one for one in ids if one == name or one.partition("[")[0] == name]


def test_every_named_test_is_collected(named, collected):
    missing = [f"{test} ({where})" for test, where in named.items() if not matching(test, collected)]
    assert not missing, "named in docs/api but not collected:\n" + "\n".join(missing)


def test_no_named_test_passes_against_a_server_that_answers_nothing(named, collected, tmp_path):
    wanted = sorted({one for test in named for one in matching(test, collected)})
    # A few processes side by side: most of the time goes into waiting for each other's locks, not into the processor.
    parts = 4
    runs = []
    for part in range(parts):
        ids = [f"tests/api/{one}" for one in wanted[part::parts]]
        if ids:
            report = tmp_path / f"{part}.xml"
            runs.append((report, pytest_run(["--tb=no", f"--junitxml={report}", *ids], env={**os.environ, "STILLPOINT_DUMMY": "1"})))
    passed, seen = [], 0
    for report, run in runs:
        output, _ = run.communicate(timeout=300)
        assert report.exists(), output
        for case in ElementTree.parse(report).iter("testcase"):
            seen += 1
            if not any(child.tag in ("failure", "error", "skipped") for child in case):
                passed.append(f"{case.get('classname')}::{case.get('name')}")
    assert seen >= len(wanted), f"{len(wanted)} tests are named, {seen} were run"
    assert not passed, "these pass against a server that answers {} to everything:\n" + "\n".join(passed)

"""Debian's AWS CLI in tests: how it tells a refusal, and whether a file has all that a page of docs/api names."""
import re

from botocore import xform_name

from tests.api import api_pages


def refused(server, service, operation, code, *words):
    """The CLI ends with a status of its own for an error of the service, and names code and operation; what it says."""
    done = server.aws([service, operation, *words], check=False)
    assert done.returncode == 254, (done.returncode, done.stdout, done.stderr)
    # The CLI tries again what looks to it like throttling, LimitExceededException too, and says so.
    told = re.search(r"An error occurred \((\w+)\) when calling the (\w+) operation(?: \(reached max retries: \d\))?: .", done.stderr)
    assert told and (told[1], told[2].lower()) == (code, operation.replace("-", "")), done.stderr
    return done.stderr


def missing(service, called, provoked, wanted=lambda operation: True):
    """What the page of the service names and the tests do not: operations that are not `called(NAME)`, errors that are not among `provoked`, of (NAME, code)."""
    rows = [(xform_name(row.operation, "-"), row.errors) for row in api_pages.read(service).rows if row.state == "works" and wanted(row.operation)]
    assert rows
    return [name for name, _ in rows if not called(name)] + [(name, code) for name, errors in rows for code in errors if (name, code) not in provoked]

#!/usr/bin/env python3
"""Writes src/tasks/members.cc: the members that the input of each served operation has, and those of the structures in it, as Step Functions spells them.

From the public models that botocore brings, and for Stillpoint's own operations from packaging/botocore. Which operations are served
docs/api says. --check: says whether the file is as it would be written."""
import json
import pathlib
import re
import sys

import botocore.loaders

ROOT = pathlib.Path(__file__).resolve().parent.parent
FILE = ROOT / "src" / "tasks" / "members.cc"
# The page's name → botocore's, and the signing name.
SERVICES = {"sts": ("sts", "sts"), "iam": ("iam", "iam"), "dynamodb": ("dynamodb", "dynamodb"), "ec2": ("ec2", "ec2"), "ssm": ("ssm", "ssm"),
            "backup": ("backup", "backup"), "stepfunctions": ("stepfunctions", "states"), "events": ("events", "events"), "scheduler": ("scheduler", "scheduler"),
            "stillpoint": ("stillpoint", "stillpoint")}
# What an optimised integration takes of services that are not served here. https://docs.aws.amazon.com/step-functions/latest/dg/connect-lambda.html
OPTIMISED = {"lambda:Invoke": ["ClientContext", "FunctionName", "InvocationType", "LogType", "Payload", "Qualifier"]}
# What AWS's APIs have and this server acts on, though Debian's models are older.
NEWER = {
    "backup/BackupRuleInput": ["ScheduleExpressionTimezone"], "backup/Lifecycle": ["OptInToArchiveForSupportedResources"],
    "backup:DescribeBackupVault": ["BackupVaultAccountId"], "backup:DescribeRecoveryPoint": ["BackupVaultAccountId"],
    "backup:GetRecoveryPointRestoreMetadata": ["BackupVaultAccountId"], "backup:ListBackupJobs": ["ByMessageCategory"],
    "backup:ListRecoveryPointsByBackupVault": ["BackupVaultAccountId"], "backup:ListRestoreJobs": ["ByParentJobId", "ByResourceType"],
    "dynamodb:CreateTable": ["DeletionProtectionEnabled"], "dynamodb:DeleteItem": ["ReturnValuesOnConditionCheckFailure"],
    "dynamodb:PutItem": ["ReturnValuesOnConditionCheckFailure"], "dynamodb:UpdateItem": ["ReturnValuesOnConditionCheckFailure"],
    "dynamodb:UpdateTable": ["DeletionProtectionEnabled"], "ec2:TerminateInstances": ["Force"],
    "scheduler:CreateSchedule": ["ActionAfterCompletion"], "scheduler:UpdateSchedule": ["ActionAfterCompletion"],
    "states:CreateActivity": ["EncryptionConfiguration"], "states:CreateStateMachine": ["EncryptionConfiguration", "Publish", "VersionDescription"],
    "states:DescribeExecution": ["IncludedData"], "states:DescribeStateMachine": ["IncludedData"], "states:DescribeStateMachineForExecution": ["IncludedData"],
    "states:ListExecutions": ["RedriveFilter"], "states:UpdateStateMachine": ["EncryptionConfiguration", "Publish", "VersionDescription"]}
HEAD = """// Written by tools/members.py.
#include "tasks/members.h"

#include <algorithm>
#include <array>

namespace sp::tasks {
namespace {

struct Entry {
  /// "SERVICE:Operation", with the signing name, or "SERVICE/Structure".
  std::string_view name;
  /// Each with a space before and behind it; behind ":" the structure that it is or lists.
  std::string_view members;
};

constexpr std::array<Entry, COUNT> kEntries = {{
    // clang-format off
"""
TAIL = """    // clang-format on
}};

}  // namespace

std::string inputOf(std::string_view service, std::string_view operation) { return std::string(service) + ":" + std::string(operation); }

std::optional<std::string> memberOf(std::string_view structure, std::string_view member) {
  const auto* entry = std::ranges::lower_bound(kEntries, structure, {}, &Entry::name);
  if (entry == kEntries.end() || entry->name != structure) return std::string();
  if (member.empty() || member.find_first_of(" :") != std::string_view::npos) return std::nullopt;
  auto rest = entry->members;
  const auto at = rest.find(" " + std::string(member) + " ");
  if (at != std::string_view::npos) return std::string();
  const auto mark = " " + std::string(member) + ":";
  const auto marked = rest.find(mark);
  if (marked == std::string_view::npos) return std::nullopt;
  rest.remove_prefix(marked + mark.size());
  return std::string(structure.substr(0, structure.find_first_of(":/"))) + "/" + std::string(rest.substr(0, rest.find(' ')));
}

}  // namespace sp::tasks
"""


def operations(page):
    return re.findall(r"^\| (\w+) \| works", page.read_text(), re.M)


def capitalised(name):
    return name[0].upper() + name[1:]


def structure_of(shapes, shape):
    """The structure that a shape is or lists; None for all others: the keys of maps are whoever writes them's, and a union is asked for by its service."""
    seen = shapes[shape]
    while seen["type"] == "list":
        shape = seen["member"]["shape"]
        seen = shapes[shape]
    return shape if seen["type"] == "structure" and not seen.get("union") else None


def structures(signing, shapes, shape, name, found):
    """The entry of a structure, and those of the structures in it."""
    if name in found:
        return
    found[name] = []
    for member, of in shapes[shape].get("members", {}).items() if shape else ():
        inner = structure_of(shapes, of["shape"])
        found[name].append(capitalised(member) + (f":{capitalised(inner)}" if inner else ""))
        if inner:
            structures(signing, shapes, inner, f"{signing}/{capitalised(inner)}", found)
    found[name].sort()


def entries():
    loader = botocore.loaders.Loader(extra_search_paths=[str(ROOT / "packaging" / "botocore")])
    found = dict(OPTIMISED)
    for page, (model_name, signing) in SERVICES.items():
        model = loader.load_service_model(model_name, "service-2")
        for name in operations(ROOT / "docs" / "api" / f"{page}.md"):
            structures(signing, model["shapes"], model["operations"][name].get("input", {}).get("shape"), f"{signing}:{name}", found)
    for name, members in NEWER.items():
        known = {member.partition(":")[0] for member in found[name]}
        found[name] = sorted(found[name] + [member for member in members if member not in known])
    return dict(sorted(found.items()))


def lines(name, members):
    """At most 140 columns."""
    text, rows = f" {' '.join(members)} " if members else " ", []
    while len(text) > 110:
        cut = text.rindex(" ", 0, 110) + 1
        rows.append(text[:cut])
        text = text[cut:]
    rows.append(text)
    short = f'    Entry{{"{name}", "{text}"}},\n'
    if not rows[1:] and len(short) <= 141:
        return short
    quoted = "\n          ".join(f'"{row}"' for row in rows)
    return f'    Entry{{"{name}",\n          {quoted}}},\n'


def main():
    found = entries()
    text = HEAD.replace("COUNT", str(len(found))) + "".join(lines(name, members) for name, members in found.items()) + TAIL
    if "--check" in sys.argv:
        return 0 if FILE.read_text() == text else 1
    FILE.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())

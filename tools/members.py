#!/usr/bin/env python3
"""Writes src/tasks/members.cc: the members that the input of each served operation has, as Step Functions spells them.

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
HEAD = """// Written by tools/members.py.
#include "tasks/members.h"

#include <algorithm>
#include <array>

namespace sp::tasks {
namespace {

struct Entry {
  /// "SERVICE:Operation", with the signing name.
  std::string_view operation;
  /// Each with a space before and behind it.
  std::string_view members;
};

constexpr std::array kEntries = {
"""
TAIL = """};

}  // namespace

bool takesMember(std::string_view service, std::string_view operation, std::string_view member) {
  const auto name = std::string(service) + ":" + std::string(operation);
  const auto* entry = std::ranges::lower_bound(kEntries, name, {}, &Entry::operation);
  if (entry == kEntries.end() || entry->operation != name) return true;
  return !member.empty() && member.find(' ') == std::string_view::npos && entry->members.contains(" " + std::string(member) + " ");
}

}  // namespace sp::tasks
"""


def operations(page):
    return re.findall(r"^\| (\w+) \| works", page.read_text(), re.M)


def entries():
    loader = botocore.loaders.Loader(extra_search_paths=[str(ROOT / "packaging" / "botocore")])
    found = {}
    for page, (model_name, signing) in SERVICES.items():
        model = loader.load_service_model(model_name, "service-2")
        for name in operations(ROOT / "docs" / "api" / f"{page}.md"):
            shape = model["operations"][name].get("input", {}).get("shape")
            members = sorted(model["shapes"][shape].get("members", {})) if shape else []
            found[f"{signing}:{name}"] = sorted(member[0].upper() + member[1:] for member in members)
    return dict(sorted(found.items()))


def lines(name, members):
    """At most 140 columns."""
    text, rows = f" {' '.join(members)} " if members else " ", []
    while len(text) > 110:
        cut = text.rindex(" ", 0, 110) + 1
        rows.append(text[:cut])
        text = text[cut:]
    rows.append(text)
    quoted = "\n          ".join(f'"{row}"' for row in rows)
    return f'    Entry{{"{name}",\n          {quoted}}},\n'


def main():
    text = HEAD + "".join(lines(name, members) for name, members in entries().items()) + TAIL
    text = text.replace("kEntries = {\n", "kEntries = {\n    // clang-format off\n", 1).replace("\n};\n\n}  // namespace\n", "\n    // clang-format on\n};\n\n}  // namespace\n", 1)
    if "--check" in sys.argv:
        return 0 if FILE.read_text() == text else 1
    FILE.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())

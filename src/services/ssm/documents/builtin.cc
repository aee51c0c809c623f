#include "services/ssm/documents/builtin.h"

#include <algorithm>
#include <array>

namespace sp::services::ssm {
namespace {

// Parameters, steps and limits are those that AWS documents for each; the words are ours.
constexpr std::string_view kRunShellScript = R"json({
  "schemaVersion": "1.2",
  "description": "Runs a shell script, or the commands given, on Linux machines.",
  "parameters": {
    "commands": {"type": "StringList", "description": "(Required) The script's lines, or the commands to run.", "minItems": 1, "displayType": "textarea"},
    "workingDirectory": {"type": "String", "default": "", "description": "(Optional) The directory on the machine in which the script runs.", "maxChars": 4096},
    "runAsUser": {"type": "String", "default": "", "description": "(Optional) The user the script runs as; the machine's agent may allow some only. Stillpoint's own.",
      "allowedPattern": "([a-zA-Z_][a-zA-Z0-9_.-]{0,31})?"},
    "executionTimeout": {"type": "String", "default": "3600", "description": "(Optional) Seconds the script may run before it is ended: 5 to 172800 (48 hours).",
      "allowedPattern": "([1-9][0-9]{0,4})|(1[0-6][0-9]{4})|(17[0-1][0-9]{3})|(172[0-7][0-9]{2})|(172800)"}
  },
  "runtimeConfig": {
    "aws:runShellScript": {
      "properties": [{"id": "0.aws:runShellScript", "runCommand": "{{ commands }}", "workingDirectory": "{{ workingDirectory }}", "timeoutSeconds": "{{ executionTimeout }}",
        "runAsUser": "{{ runAsUser }}"}]
    }
  }
})json";

constexpr std::string_view kRunPowerShellScript = R"json({
  "schemaVersion": "1.2",
  "description": "Runs a PowerShell script, or the commands given, on Windows machines.",
  "parameters": {
    "commands": {"type": "StringList", "description": "(Required) The script's lines, or the commands to run.", "minItems": 1, "displayType": "textarea"},
    "workingDirectory": {"type": "String", "default": "", "description": "(Optional) The directory on the machine in which the script runs.", "maxChars": 4096},
    "executionTimeout": {"type": "String", "default": "3600", "description": "(Optional) Seconds the script may run before it is ended: 5 to 172800 (48 hours).",
      "allowedPattern": "([1-9][0-9]{0,4})|(1[0-6][0-9]{4})|(17[0-1][0-9]{3})|(172[0-7][0-9]{2})|(172800)"}
  },
  "runtimeConfig": {
    "aws:runPowerShellScript": {
      "properties": [{"id": "0.aws:runPowerShellScript", "runCommand": "{{ commands }}", "workingDirectory": "{{ workingDirectory }}", "timeoutSeconds": "{{ executionTimeout }}"}]
    }
  }
})json";

constexpr std::string_view kRunRemoteScript = R"json({
  "schemaVersion": "2.2",
  "description": "Fetches a script, or a folder of them, from a bucket and runs a command line beside it.",
  "parameters": {
    "sourceType": {"type": "String", "description": "(Required) Where the script lies. GitHub is known and refused here.", "allowedValues": ["GitHub", "S3"]},
    "sourceInfo": {"type": "StringMap", "description": "(Required) For S3: {\"path\": \"URL of the script, or of the folder\"}.", "displayType": "textarea"},
    "commandLine": {"type": "String", "description": "(Required) The command line: the script's file name and its arguments."},
    "workingDirectory": {"type": "String", "default": "", "description": "(Optional) The directory into which is fetched and in which the command line runs.", "maxChars": 4096},
    "runAsUser": {"type": "String", "default": "", "description": "(Optional) The user the script runs as; the machine's agent may allow some only. Stillpoint's own.",
      "allowedPattern": "([a-zA-Z_][a-zA-Z0-9_.-]{0,31})?"},
    "executionTimeout": {"type": "String", "default": "3600", "description": "(Optional) Seconds the command line may run before it is ended: 5 to 28800 (8 hours).",
      "allowedPattern": "([1-9][0-9]{0,3})|(1[0-9]{4})|(2[0-7][0-9]{3})|(28[0-7][0-9]{2})|(28800)"}
  },
  "mainSteps": [
    {"action": "aws:downloadContent", "name": "downloadContent",
      "inputs": {"sourceType": "{{ sourceType }}", "sourceInfo": "{{ sourceInfo }}", "destinationPath": "{{ workingDirectory }}"}},
    {"action": "aws:runPowerShellScript", "name": "runPowerShellScript", "precondition": {"StringEquals": ["platformType", "Windows"]},
      "inputs": {"runCommand": ["{{ commandLine }}"], "workingDirectory": "{{ workingDirectory }}", "timeoutSeconds": "{{ executionTimeout }}"}},
    {"action": "aws:runShellScript", "name": "runShellScript", "precondition": {"StringEquals": ["platformType", "Linux"]},
      "inputs": {"runCommand": ["directory=$(pwd)", "export PATH=$PATH:$directory", " {{ commandLine }} ", ""],
        "workingDirectory": "{{ workingDirectory }}", "timeoutSeconds": "{{ executionTimeout }}", "runAsUser": "{{ runAsUser }}"}}
  ]
})json";

constexpr std::string_view kRunDocument = R"json({
  "schemaVersion": "2.2",
  "description": "Fetches a document of type Command, in JSON or YAML, and runs it.",
  "parameters": {
    "sourceType": {"type": "String", "description": "(Required) Where the document lies. GitHub is known and refused here.", "allowedValues": ["GitHub", "S3", "SSMDocument"]},
    "sourceInfo": {"type": "StringMap", "default": {}, "description": "(Required) For S3: {\"path\": \"URL of the document\"}; for SSMDocument: {\"name\": \"NAME or NAME:VERSION\"}.", "displayType": "textarea"},
    "documentParameters": {"type": "StringMap", "default": {}, "description": "(Optional) The document's parameters by name.", "displayType": "textarea"}
  },
  "mainSteps": [
    {"action": "aws:downloadContent", "name": "downloadContent", "inputs": {"sourceType": "{{ sourceType }}", "sourceInfo": "{{ sourceInfo }}"}},
    {"action": "aws:runDocument", "name": "runDocument", "inputs": {"documentType": "LocalPath", "documentPath": "", "documentParameters": "{{ documentParameters }}"}}
  ]
})json";

struct Builtin {
  std::string_view name;
  std::string_view content;
};
constexpr std::array kAll = {Builtin{"AWS-RunDocument", kRunDocument}, Builtin{"AWS-RunPowerShellScript", kRunPowerShellScript},
                             Builtin{"AWS-RunRemoteScript", kRunRemoteScript}, Builtin{"AWS-RunShellScript", kRunShellScript}};

}  // namespace

const std::vector<std::string>& builtinDocuments() {
  static const auto names = [] {
    std::vector<std::string> list;
    for (const auto& each : kAll) list.emplace_back(each.name);
    return list;
  }();
  return names;
}

std::optional<std::string_view> builtinDocument(std::string_view name) {
  const auto found = std::ranges::find(kAll, name, &Builtin::name);
  if (found == kAll.end()) return std::nullopt;
  return found->content;
}

}  // namespace sp::services::ssm

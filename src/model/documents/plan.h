// A document with its parameters put in: what a machine is to do, in order. Made by the server when a command is sent, and by the
// agent for documents that lie on its machine.
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/documents/content.h"
#include "model/documents/parameters.h"
#include "model/documents/s3_url.h"

namespace sp::document {

/// How deep documents may run documents.
inline constexpr std::size_t kNestingMax = 3;

/// A step, ready to be sent.
struct PlannedStep {
  std::string name;
  std::string plugin;
  /// aws:runShellScript
  std::string script;
  std::int64_t timeout_seconds = 3600;
  /// aws:runShellScript: where it runs; aws:downloadContent: where to.
  std::string working_directory;
  /// aws:runShellScript: the user it runs as; empty: the agent's choice. Ours, AWS has none.
  std::string run_as_user;
  /// aws:downloadContent from S3.
  std::optional<S3Source> source;
  /// aws:downloadContent of a document: the file's name and text.
  std::string file_name;
  std::string file_text;
  /// aws:runDocument of a document that lies on the machine; empty: the only file that was downloaded.
  bool local_document = false;
  std::string document_path;
  json::Object document_parameters;
  /// aws:runDocument of one that is known, and plugins of schema 1.2 with several properties.
  std::vector<PlannedStep> steps;
  /// "", "exit" or "successAndExit"; "" or "exit".
  std::string on_failure;
  std::string on_success;
  bool finally_step = false;
  /// Not for this machine: what its output says. It runs nothing.
  std::string skipped;
  /// Why it can only fail.
  std::string error;

  json::Object encode() const;
  static PlannedStep decode(const json::Object& object);
};

struct Plan {
  std::vector<PlannedStep> steps;
  /// What all its scripts together may take at most.
  std::int64_t seconds() const;

  json::Array encode() const;
  static Plan decode(const json::Array& array);
};

/// What a plan is made for.
struct PlanFor {
  /// "Linux", "Windows" or "MacOS".
  std::string platform = "Linux";
  /// The text of the document with that name ("NAME", its ARN, either with ":VERSION"). Error "document.missing". Null: none can be had.
  std::function<Result<std::string>(std::string_view name)> lookup;
  /// Values that stand elsewhere and that these inputs name ("{{ssm:NAME}}"), by what stands in the braces. Error "document.parameters".
  /// Null: such names stay as they are.
  std::function<Result<Values>(const json::Value& inputs)> stored;
};

/// Errors: "document.parameters" (a value that a step cannot use), "document.missing", "document.content" (in a document that it runs).
Result<Plan> makePlan(const Content& content, const Values& values, const PlanFor& wanted, std::size_t depth = 0);

}  // namespace sp::document

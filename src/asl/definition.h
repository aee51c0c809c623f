// A compiled definition: everything that can be decided when it is created is decided then.
// https://states-language.net/spec.html
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "asl/choice.h"
#include "asl/jsonpath/path.h"
#include "asl/template.h"

namespace sp::asl {

enum class StateType { pass, task, choice, wait, succeed, fail, parallel, map };
/// "Pass", "Task" …: as in the definition and in the types of history events.
std::string_view typeName(StateType type);

/// InputPath and OutputPath: absent (the whole), null (an empty object) or a path.
struct Selection {
  enum class Kind { whole, nothing, path };
  Kind kind = Kind::whole;
  Path path;
};

/// ResultPath: absent or "$" (the result is all), null (the input stays), or a place in the input.
struct ResultTarget {
  enum class Kind { replace, discard, place };
  Kind kind = Kind::replace;
  Path path;
};

/// A whole number, given or named by the …Path twin.
struct NumberField {
  std::optional<std::int64_t> fixed;
  std::optional<Path> path;
  bool given() const { return fixed || path; }
};

/// The same with a fraction.
struct DecimalField {
  std::optional<double> fixed;
  std::optional<Path> path;
  bool given() const { return fixed || path; }
};

/// Error and Cause of Fail: given, or computed by the …Path twin (a path or an intrinsic).
struct TextField {
  std::optional<std::string> fixed;
  std::optional<Expression> computed;
};

struct Retrier {
  std::vector<std::string> errors;
  std::int64_t interval_seconds = 1;
  std::int64_t max_attempts = 3;
  double backoff_rate = 2;
  std::optional<std::int64_t> max_delay_seconds;
  bool jitter = false;
};

struct Catcher {
  std::vector<std::string> errors;
  ResultTarget result_path;
  int next = -1;
};

struct StateDef {
  std::string name;
  StateType type = StateType::pass;
  /// Index of the following state; -1: this one ends its scope.
  int next = -1;
  Selection input_path;
  Selection output_path;
  std::optional<Template> parameters;
  std::optional<Template> result_selector;
  ResultTarget result_path;
  std::vector<Retrier> retriers;
  std::vector<Catcher> catchers;
  /// Pass.
  std::optional<json::Value> result;
  /// Task.
  std::string resource;
  NumberField timeout;
  NumberField heartbeat;
  /// An object with RoleArn.
  std::optional<Template> credentials;
  /// Choice; -1: no Default.
  std::vector<ChoiceRule> rules;
  int otherwise = -1;
  /// Wait.
  NumberField seconds;
  std::optional<Instant> timestamp;
  std::optional<Path> timestamp_path;
  /// Fail.
  TextField error;
  TextField cause;
  /// Parallel: first state of each branch. Map: first state of the iterator, alone.
  std::vector<int> branches;
  /// Map.
  std::optional<Path> items_path;
  std::optional<Template> item_selector;
  NumberField max_concurrency;
  NumberField tolerated_count;
  DecimalField tolerated_percentage;
};

struct Definition {
  /// As given.
  std::string text;
  std::vector<StateDef> states;
  int start = -1;
  std::optional<std::int64_t> timeout_seconds;
};

/// What is wrong with a definition and where ("/States/A/Next").
struct Diagnostic {
  std::string code;
  std::string message;
  std::string location;
};

/// "arn:aws:iam::ACCOUNT:role/NAME".
bool isRoleArn(std::string_view text);

/// EXPRESS machines may not wait for what others do.
enum class MachineType { standard, express };

/// What a new definition is held against besides the language.
struct Surroundings {
  /// Whether a Task's Resource exists here; nullptr: every ARN does.
  std::function<bool(std::string_view resource)> knows = nullptr;
  /// What is wrong with the Parameters of a Task with that Resource, as they are written; null: it has none. nullptr: nothing is.
  std::function<std::vector<std::string>(std::string_view resource, const json::Object* parameters)> refuses = nullptr;
  MachineType type = MachineType::standard;
};

using Compiled = std::expected<std::shared_ptr<const Definition>, std::vector<Diagnostic>>;
/// A new definition, compiled, or all that is wrong with it at once.
Compiled compileNew(std::string_view text, const Surroundings& surroundings = {});
/// One that is stored: what later versions refuse of its text is let pass; every ARN is accepted, and of two states with one name in
/// one scope the last is taken. What its tasks make of their input is no part of it: that is held against the operation when they start.
Compiled compile(std::string_view text);

/// "Invalid State Machine Definition: 'CODE: message at location, …'".
std::string describe(const std::vector<Diagnostic>& diagnostics);

}  // namespace sp::asl

// Compiles definitions; used by definition.h's compile() and compileNew() alone.
#pragma once
#include <initializer_list>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "asl/definition.h"
#include "asl/fields.h"
#include "json/json.h"

namespace sp::asl {

class Compiler {
 public:
  /// `surroundings`: null of what is stored.
  Compiler(Definition& out, std::vector<Diagnostic>& problems, const Surroundings* surroundings)
      : out_(out), problems_(problems), surroundings_(surroundings) {}

  void whole(const json::Object& definition);

 private:
  using Names = std::map<std::string, int, std::less<>>;
  /// The names of one scope's states and where they stand.
  struct Graph {
    Names names;
    std::string location;
    /// Of what holds the states; empty: the whole machine.
    std::string scope;
  };

  // compiler.cc: scopes, fields all states share.
  int graph(const json::Object& scope, const std::string& location);
  void unsupported(std::string_view key, const std::string& location, bool in_map = false);
  /// Tells of each member that is none of the fields, or of another type than its field: what follows looks at those alone that
  /// typed() gives.
  void checkMembers(const json::Object& source, std::span<const Field> fields, const std::string& location, std::uint32_t types = ~0U,
                    bool in_map = false);
  void checkType(const Field& field, const json::Value& value, const std::string& location);
  void checkReach(const json::Object& states, const Graph& graph, int start);
  void queryLanguage(const json::Object& source, const std::string& location);
  void state(const json::Object& source, const Graph& graph, std::string_view name, int at);
  void transition(const json::Object& source, const Graph& graph, const std::string& location, StateDef& def);
  int target(const json::Value& value, const Graph& graph, const std::string& location);
  void selections(const json::Object& source, const std::string& location, StateDef& def);
  void retriers(const json::Object& source, const std::string& location, StateDef& def);
  void catchers(const json::Object& source, const Graph& graph, const std::string& location, StateDef& def);
  /// `last`: of the last retrier or catcher, where alone States.ALL may stand.
  std::vector<std::string> errorNames(const json::Object& source, const std::string& location, bool last);

  // compiler_states.cc: what only one type has.
  void task(const json::Object& source, const std::string& location, StateDef& def);
  void resource(const std::string& resource, const json::Object& source, const std::string& location);
  void credentials(const json::Object& source, const std::string& location, StateDef& def);
  void choice(const json::Object& source, const Graph& graph, const std::string& location, StateDef& def);
  ChoiceRule rule(const json::Object& source, const Graph& graph, const std::string& location, bool top);
  void test(const json::Object& source, const std::string& location, std::uint32_t types, ChoiceRule& made);
  void comparison(const Operator& of, const json::Value& expected, const std::string& location, ChoiceRule& made);
  void wait(const json::Object& source, const std::string& location, StateDef& def);
  void failure(const json::Object& source, const std::string& location, StateDef& def);
  void parallel(const json::Object& source, const std::string& location, StateDef& def);
  void processorConfig(const json::Object& processor, const std::string& location);
  void map(const json::Object& source, const std::string& location, StateDef& def);

  // Single members. The values are of the type of their field: typed() gives no others.
  std::optional<Path> path(const json::Value& value, const std::string& location);
  /// `of_context`: may start at "$$".
  std::optional<Path> referencePath(const json::Value& value, const std::string& location, bool of_context = true);
  Selection selection(const json::Object& source, std::string_view field, const std::string& location);
  ResultTarget resultTarget(const json::Object& source, const std::string& location);
  std::optional<Template> payload(const json::Object& source, std::string_view field, const std::string& location);
  NumberField number(const json::Object& source, std::string_view field, const std::string& location, std::int64_t least,
                     std::int64_t most);
  /// The path in the field's "…Path" twin.
  std::optional<Path> twin(const json::Object& source, std::string_view field, const std::string& location);
  TextField text(const json::Object& source, std::string_view field, const std::string& location);
  std::optional<double> decimal(const json::Object& source, std::string_view field, const std::string& location, double least, double most);

  void schema(std::string message, std::string location) { tell("SCHEMA_VALIDATION_FAILED", std::move(message), std::move(location)); }
  /// More than anybody reads is left out: each problem of a state within others repeats all their names.
  void tell(std::string code, std::string message, std::string location);

  void missing(std::string_view field, const std::string& location);
  void onlyOneOf(std::initializer_list<std::string_view> fields, const std::string& location);

  Definition& out_;
  std::vector<Diagnostic>& problems_;
  const Surroundings* surroundings_;
  /// Of what has been told.
  std::size_t bytes_ = 0;
  /// Of the states of all scopes: each name once in the whole machine.
  std::set<std::string, std::less<>> names_;
  /// Of the scope at work: where each state leads is known, so that it can be said what is reached.
  bool edges_known_ = true;
};

}  // namespace sp::asl

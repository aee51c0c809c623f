// Event patterns: which events a rule wants.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html
#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"
#include "json/json.h"

namespace sp::schedule {

/// A network of addresses of one family.
struct Network {
  std::array<std::uint8_t, 16> address{};
  /// 4 or 16 bytes of `address` count.
  std::size_t length = 4;
  unsigned bits = 0;

  /// "10.0.0.0/24", "2001:db8::/32". Error code "schedule.pattern".
  static Result<Network> parse(std::string_view text);
  /// Whether the text is an address in this network.
  bool contains(std::string_view text) const;
};

/// One thing that a field's value may be.
struct Matcher {
  enum class Kind {
    exact,
    prefix,
    suffix,
    ignore_case,
    prefix_ignore_case,
    suffix_ignore_case,
    wildcard,
    numeric,
    exists,
    cidr,
    anything_but
  };
  Kind kind = Kind::exact;
  /// exact: string, number, true, false or null.
  json::Value value;
  /// prefix, suffix, ignore_case (in lower case).
  std::string text;
  /// wildcard: what stands between its stars.
  std::vector<std::string> parts;
  /// exists: wanted there, or not.
  bool wanted = true;
  /// numeric: pairs of an operator and its operand; all must hold.
  std::vector<std::pair<std::string, double>> bounds;
  Network network;
  /// anything_but: none of these.
  std::vector<Matcher> but;

  bool matches(const json::Value& leaf) const;
};

/// A field that must hold one of these texts.
struct ExactField {
  /// Names from the top.
  std::vector<std::string> path;
  std::vector<std::string> texts;
};

class Pattern {
 public:
  /// At most 4,096 bytes are looked at by callers. Error code "schedule.pattern"; the message is EventBridge's reason, without its
  /// "Event pattern is not valid. Reason: ".
  static Result<Pattern> parse(std::string_view text);

  bool matches(const json::Object& event) const { return matches(root_, event); }

  /// All such fields, in their order. For finding patterns by index.
  std::vector<ExactField> exactFields() const;
  /// The strings that the event's top-level `key` must equal one of; empty: it may be something else too.
  std::vector<std::string> exactTexts(std::string_view key) const;

 private:
  struct Node;
  using Choice = std::vector<Matcher>;
  struct Field {
    std::string name;
    std::variant<Choice, std::unique_ptr<Node>> wanted;
  };
  struct Node {
    std::vector<Field> fields;
    /// $or: each a list of nodes of which one must match.
    std::vector<std::vector<Node>> either;
  };
  static Result<void> readNode(const json::Object& object, Node& out, int depth);
  static Result<void> readField(std::string_view name, const json::Value& value, Node& out, int depth);
  static void addExact(const Node& node, std::vector<std::string>& path, std::vector<ExactField>& out);
  static bool matches(const Node& node, const json::Object& object);
  static bool matchesField(const Field& field, const json::Value* value);

  Node root_;
};

}  // namespace sp::schedule

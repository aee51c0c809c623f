#include "asl/jsonpath/filter.h"

#include <fmt/format.h>

#include "base/strings.h"

namespace sp::asl {
namespace {

// Of parentheses, negations and filters within filters together.
constexpr std::size_t kMaxDepth = 32;

class FilterReader {
 public:
  FilterReader(std::string_view text, std::size_t depth) : rest_(text), depth_(depth) {}

  using Node = std::shared_ptr<const FilterNode>;

  Result<Node> whole() {
    SP_TRY(auto node, disjunction());
    skipBlanks();
    if (!rest_.empty()) return bad("unexpected text");
    return node;
  }

 private:
  std::unexpected<Error> bad(std::string_view why) const {
    return fail("asl.path", fmt::format("a filter of the JSONPath is not valid: {} at '{}'", why, rest_.substr(0, 40)));
  }

  Result<Node> disjunction() {
    return list("||", FilterNode::Kind::any, [this] { return conjunction(); });
  }
  Result<Node> conjunction() {
    return list("&&", FilterNode::Kind::all, [this] { return unary(); });
  }

  template <class Part>
  Result<Node> list(std::string_view separator, FilterNode::Kind kind, Part part) {
    SP_TRY(auto first, part());
    auto node = std::make_shared<FilterNode>();
    node->kind = kind;
    node->parts.push_back(std::move(first));
    while (take(separator)) {
      SP_TRY(auto next, part());
      node->parts.push_back(std::move(next));
    }
    return node->parts.size() == 1 ? node->parts.front() : Node(node);
  }

  Result<Node> unary() {
    if (++depth_ > kMaxDepth) return bad("it is nested too deep");
    skipBlanks();
    Result<Node> result = bad("nothing");
    if (rest_.starts_with("!") && !rest_.starts_with("!=")) {
      rest_.remove_prefix(1);
      SP_TRY(auto inner, unary());
      auto node = std::make_shared<FilterNode>();
      node->kind = FilterNode::Kind::no;
      node->parts.push_back(std::move(inner));
      result = Node(node);
    } else if (take("(")) {
      result = disjunction();
      if (result && !take(")")) return bad("')' is missing");
    } else {
      result = comparison();
    }
    --depth_;
    return result;
  }

  Result<Node> comparison() {
    auto node = std::make_shared<FilterNode>();
    SP_TRY(node->left, operand());
    constexpr std::array<std::pair<std::string_view, FilterNode::Compare>, 8> kOperators = {{{"==", FilterNode::Compare::eq},
                                                                                             {"!=", FilterNode::Compare::ne},
                                                                                             {"<=", FilterNode::Compare::le},
                                                                                             {">=", FilterNode::Compare::ge},
                                                                                             {"<", FilterNode::Compare::lt},
                                                                                             {">", FilterNode::Compare::gt},
                                                                                             {"nin ", FilterNode::Compare::nin},
                                                                                             {"in ", FilterNode::Compare::in}}};
    for (const auto& [text, compare] : kOperators) {
      if (!take(text)) continue;
      node->kind = FilterNode::Kind::compare;
      node->compare = compare;
      SP_TRY(node->right, operand());
      return node;
    }
    if (node->left.literal) return bad("a comparison is expected");
    return node;
  }

  Result<FilterOperand> operand() {
    skipBlanks();
    FilterOperand found;
    if (rest_.starts_with("@") || rest_.starts_with("$")) {
      found.literal = false;
      found.from_element = rest_.front() == '@';
      const auto end = pathEnd();
      SP_TRY(found.path, Path::parse("$" + std::string(rest_.substr(1, end - 1)), depth_));
      rest_.remove_prefix(end);
      return found;
    }
    const auto end = literalEnd();
    auto text = std::string(rest_.substr(0, end));
    if (text.starts_with("'")) {
      // The JSON form of a text in single quotes.
      std::string plain;
      for (std::size_t i = 1; i + 1 < text.size(); ++i) {
        if (text[i] == '\\' && i + 2 < text.size()) ++i;
        plain += text[i];
      }
      text = json::quote(plain);
    } else if (text.starts_with("[")) {
      std::ranges::replace(text, '\'', '"');
    }
    auto value = json::parse(text, 32);
    if (!value) return bad("a literal or a path is expected");
    found.value = std::move(*value);
    rest_.remove_prefix(end);
    return found;
  }

  // A path ends at a blank, an operator or a closing parenthesis outside of brackets.
  std::size_t pathEnd() const {
    int depth = 0;
    char quote = 0;
    for (std::size_t i = 1; i < rest_.size(); ++i) {
      const char c = rest_[i];
      if (quote != 0) {
        if (c == quote) quote = 0;
      } else if (depth > 0 && (c == '\'' || c == '"')) {
        quote = c;
      } else if (c == '[') {
        ++depth;
      } else if (c == ']') {
        --depth;
      } else if (depth == 0 && std::string_view(" =!<>&|)").find(c) != std::string_view::npos) {
        return i;
      }
    }
    return rest_.size();
  }

  std::size_t literalEnd() const {
    if (rest_.empty()) return 0;
    const char first = rest_.front();
    if (first == '\'' || first == '"') {
      for (std::size_t i = 1; i < rest_.size(); ++i) {
        if (rest_[i] == '\\') ++i;
        else if (rest_[i] == first) return i + 1;
      }
      return rest_.size();
    }
    if (first == '[') return std::min(rest_.find(']'), rest_.size() - 1) + 1;
    return std::min(rest_.find_first_of(" =!<>&|)"), rest_.size());
  }

  bool take(std::string_view text) {
    skipBlanks();
    if (!rest_.starts_with(text)) return false;
    rest_.remove_prefix(text.size());
    return true;
  }
  void skipBlanks() {
    while (!rest_.empty() && rest_.front() == ' ') rest_.remove_prefix(1);
  }

  std::string_view rest_;
  std::size_t depth_;
};

// nullptr: the path names nothing. `made` holds what stands nowhere in the document.
const json::Value* valueOf(const FilterOperand& operand, const json::Value& element, const json::Value& root, Work& work,
                           json::Value& made) {
  if (operand.literal) return &operand.value;
  const auto& from = operand.from_element ? element : root;
  if (operand.path.definite()) return operand.path.find(from);
  auto value = operand.path.read(from, &work);
  if (!value) return nullptr;
  made = std::move(*value);
  return &made;
}

bool within(const json::Value& value, const json::Value& list, Work& work) {
  return list.is_array() && std::ranges::any_of(list.get_array(), [&](const auto& one) { return work.spend(1) && sameValue(one, value); });
}

// What comparing it with another may take.
std::int64_t breadth(const json::Value& value) {
  if (value.is_array()) return static_cast<std::int64_t>(value.get_array().size());
  if (value.is_object()) return static_cast<std::int64_t>(value.get_object().size());
  return value.is_string() ? static_cast<std::int64_t>(value.get_string().size() / 16) : 1;
}

bool compareValues(FilterNode::Compare compare, const json::Value& a, const json::Value& b, Work& work) {
  if (!work.spend(1 + std::min(breadth(a), breadth(b)))) return false;
  using Compare = FilterNode::Compare;
  switch (compare) {
    case Compare::eq: return sameValue(a, b);
    case Compare::ne: return !sameValue(a, b);
    case Compare::in: return within(a, b, work);
    case Compare::nin: return !within(a, b, work);
    default: break;
  }
  int order = 0;
  if (a.is_number() && b.is_number()) order = compareNumbers(a, b);
  else if (a.is_string() && b.is_string()) order = json::toView(a.get_string()).compare(json::toView(b.get_string()));
  else return false;
  if (compare == Compare::lt) return order < 0;
  if (compare == Compare::le) return order <= 0;
  if (compare == Compare::gt) return order > 0;
  return order >= 0;
}

}  // namespace

Result<std::shared_ptr<const FilterNode>> parseFilter(std::string_view text, std::size_t depth) {
  return FilterReader(text, depth).whole();
}

bool matches(const FilterNode& node, const json::Value& element, const json::Value& root, Work& work) {
  if (!work.spend(1)) return false;
  const auto holds = [&](const auto& part) { return matches(*part, element, root, work); };
  switch (node.kind) {
    case FilterNode::Kind::all: return std::ranges::all_of(node.parts, holds);
    case FilterNode::Kind::any: return std::ranges::any_of(node.parts, holds);
    case FilterNode::Kind::no: return !holds(node.parts.front());
    case FilterNode::Kind::exists: {
      json::Value made;
      const auto* value = valueOf(node.left, element, root, work, made);
      return value != nullptr && (node.left.path.definite() || !value->get_array().empty());
    }
    case FilterNode::Kind::compare: break;
  }
  json::Value made_left;
  json::Value made_right;
  const auto* left = valueOf(node.left, element, root, work, made_left);
  const auto* right = valueOf(node.right, element, root, work, made_right);
  if (left == nullptr || right == nullptr) return node.compare == FilterNode::Compare::ne && (left == nullptr) != (right == nullptr);
  return compareValues(node.compare, *left, *right, work);
}

}  // namespace sp::asl

#include "asl/jsonpath/filter.h"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "asl/characters.h"
#include "json/big_integer.h"

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
    const auto compare = comparator();
    if (!compare) {
      if (node->left.literal) return bad("a comparison is expected");
      return node;
    }
    node->kind = FilterNode::Kind::compare;
    node->compare = *compare;
    if (*compare == FilterNode::Compare::matches) {
      SP_TRY(node->pattern, pattern());
    } else {
      SP_TRY(node->right, operand());
    }
    return node;
  }

  std::optional<FilterNode::Compare> comparator() {
    using Compare = FilterNode::Compare;
    constexpr std::array<std::pair<std::string_view, Compare>, 7> kSigns = {{{"==", Compare::eq},
                                                                             {"!=", Compare::ne},
                                                                             {"<=", Compare::le},
                                                                             {">=", Compare::ge},
                                                                             {"=~", Compare::matches},
                                                                             {"<", Compare::lt},
                                                                             {">", Compare::gt}}};
    constexpr std::array<std::pair<std::string_view, Compare>, 8> kWords = {{{"in", Compare::in},
                                                                             {"nin", Compare::nin},
                                                                             {"subsetof", Compare::subset_of},
                                                                             {"anyof", Compare::any_of},
                                                                             {"noneof", Compare::none_of},
                                                                             {"contains", Compare::contains},
                                                                             {"size", Compare::size},
                                                                             {"empty", Compare::empty}}};
    for (const auto& [sign, compare] : kSigns)
      if (take(sign)) return compare;
    const auto end = std::ranges::find_if(rest_, [](char c) { return c < 'a' || c > 'z'; });
    const auto word = rest_.substr(0, static_cast<std::size_t>(end - rest_.begin()));
    for (const auto& [known, compare] : kWords) {
      if (known != word) continue;
      rest_.remove_prefix(word.size());
      return compare;
    }
    return std::nullopt;
  }

  Result<std::shared_ptr<const Pattern>> pattern() {
    skipBlanks();
    if (!rest_.starts_with("/")) return bad("a regular expression in slashes is expected");
    std::size_t end = 1;
    for (; end < rest_.size() && rest_[end] != '/'; ++end)
      if (rest_[end] == '\\') ++end;
    if (end >= rest_.size()) return bad("a regular expression is not closed");
    const auto text = rest_.substr(1, end - 1);
    rest_.remove_prefix(end + 1);
    const auto flags_end = std::ranges::find_if(rest_, [](char c) { return c < 'a' || c > 'z'; });
    const auto flags = rest_.substr(0, static_cast<std::size_t>(flags_end - rest_.begin()));
    rest_.remove_prefix(flags.size());
    SP_TRY(auto made, Pattern::compile(text, flags));
    return std::make_shared<const Pattern>(std::move(made));
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
    SP_TRY(found.value, literal());
    return found;
  }

  Result<json::Value> literal() {
    skipBlanks();
    if (rest_.starts_with("[")) return list();
    if (rest_.starts_with("'") || rest_.starts_with("\"")) return quoted();
    const auto end = std::min(rest_.find_first_of(" =!<>&|),]"), rest_.size());
    auto value = json::parseExact(rest_.substr(0, end), 1);
    if (!value || value->is_structured()) return bad("a literal or a path is expected");
    rest_.remove_prefix(end);
    return std::move(*value);
  }

  Result<json::Value> list() {
    if (++depth_ > kMaxDepth) return bad("it is nested too deep");
    rest_.remove_prefix(1);
    json::Array made;
    while (!take("]")) {
      if (!made.empty() && !take(",")) return bad("',' or ']' is missing");
      SP_TRY(auto one, literal());
      made.push_back(std::move(one));
    }
    --depth_;
    return json::Value(std::move(made));
  }

  Result<json::Value> quoted() {
    const char quote = rest_.front();
    std::string plain;
    for (std::size_t i = 1; i < rest_.size(); ++i) {
      if (rest_[i] == quote) {
        const auto whole = rest_.substr(0, i + 1);
        rest_.remove_prefix(i + 1);
        // In double quotes it is what JSON has.
        if (quote == '"') return json::parse(whole, 1);
        return json::Value(json::String(plain));
      }
      if (rest_[i] == '\\' && i + 1 < rest_.size()) ++i;
      plain += rest_[i];
    }
    return bad("a quote is not closed");
  }

  // A path ends at a blank, an operator or a closing parenthesis outside of brackets.
  std::size_t pathEnd() const {
    int depth = 0;
    char quote = 0;
    for (std::size_t i = 1; i < rest_.size(); ++i) {
      const char c = rest_[i];
      if (quote != 0) {
        if (c == '\\') ++i;
        else if (c == quote) quote = 0;
      } else if (depth > 0 && (c == '\'' || c == '"' || (c == '/' && Path::beginsPattern(rest_.substr(0, i))))) {
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

// As sameValue(); all that it looks at is spent. False once `work` is used up.
bool same(const json::Value& a, const json::Value& b, Work& work) {
  if (!work.spend(1)) return false;
  if (a.is_array() && b.is_array())
    return a.get_array().size() == b.get_array().size() &&
           std::ranges::equal(a.get_array(), b.get_array(), [&](const auto& one, const auto& other) { return same(one, other, work); });
  if (a.is_object() && b.is_object()) {
    if (a.get_object().size() != b.get_object().size()) return false;
    return std::ranges::all_of(a.get_object(), [&](const auto& member) {
      const auto* other = b.get_object().if_contains(member.key());
      return other != nullptr && same(member.value(), *other, work);
    });
  }
  if (a.is_string() && b.is_string() && !work.spend(static_cast<std::int64_t>(std::min(a.get_string().size(), b.get_string().size()) / 16)))
    return false;
  return sameValue(a, b);
}

bool within(const json::Value& value, const json::Value& list, Work& work) {
  return list.is_array() && std::ranges::any_of(list.get_array(), [&](const auto& one) { return same(one, value, work); });
}

bool sizeIs(const json::Value& value, const json::Value& wanted) {
  if (!wanted.is_int64()) return false;
  const auto size = value.is_array()      ? value.get_array().size()
                    : json::isText(value) ? characterCount(json::toView(value.get_string()))
                                          : std::numeric_limits<std::size_t>::max();
  return std::cmp_equal(size, wanted.get_int64());
}

bool emptyIs(const json::Value& value, const json::Value& wanted) {
  if (!wanted.is_bool() || !(value.is_array() || json::isText(value))) return false;
  return (value.is_array() ? value.get_array().empty() : value.get_string().empty()) == wanted.get_bool();
}

bool contains(const json::Value& value, const json::Value& wanted, Work& work) {
  if (json::isText(value) && json::isText(wanted))
    // Where find() multiplies the lengths of its texts, this adds them.
    return work.spend(static_cast<std::int64_t>((value.get_string().size() + wanted.get_string().size()) / 16)) &&
           ::memmem(value.get_string().data(), value.get_string().size(), wanted.get_string().data(), wanted.get_string().size()) !=
               nullptr;
  return within(wanted, value, work);
}

// Of the members of `value`: whether each, or any, stands in `list`.
bool members(FilterNode::Compare compare, const json::Value& value, const json::Value& list, Work& work) {
  if (!value.is_array() || !list.is_array()) return false;
  const auto stands = [&](const auto& one) { return within(one, list, work); };
  if (compare == FilterNode::Compare::subset_of) return std::ranges::all_of(value.get_array(), stands);
  return std::ranges::any_of(value.get_array(), stands) == (compare == FilterNode::Compare::any_of);
}

std::int64_t textWork(const json::Value& value) {
  return value.is_string() ? static_cast<std::int64_t>(value.get_string().size() / 16) : 0;
}

bool compareValues(FilterNode::Compare compare, const json::Value& a, const json::Value& b, Work& work) {
  using Compare = FilterNode::Compare;
  if (!work.spend(1 + (compare == Compare::size ? textWork(a) : std::min(textWork(a), textWork(b))))) return false;
  switch (compare) {
    case Compare::eq: return same(a, b, work);
    case Compare::ne: return !same(a, b, work);
    case Compare::in: return within(a, b, work);
    case Compare::nin: return !within(a, b, work);
    case Compare::subset_of:
    case Compare::any_of:
    case Compare::none_of: return members(compare, a, b, work);
    case Compare::contains: return contains(a, b, work);
    case Compare::size: return sizeIs(a, b);
    case Compare::empty: return emptyIs(a, b);
    default: break;
  }
  auto order = std::strong_ordering::equal;
  if (json::isNumber(a) && json::isNumber(b)) order = json::compareNumbers(a, b);
  else if (json::isText(a) && json::isText(b)) order = json::toView(a.get_string()) <=> json::toView(b.get_string());
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
      return value != nullptr && (node.left.path.definite() || !value->is_array() || !value->get_array().empty());
    }
    case FilterNode::Kind::compare: break;
  }
  json::Value made_left;
  json::Value made_right;
  const auto* left = valueOf(node.left, element, root, work, made_left);
  if (node.compare == FilterNode::Compare::matches)
    return left != nullptr && left->is_primitive() && !left->is_null() &&
           node.pattern->matches(json::isText(*left) ? std::string(json::toView(left->get_string())) : json::toText(*left), work);
  const auto* right = valueOf(node.right, element, root, work, made_right);
  if (left == nullptr || right == nullptr) return node.compare == FilterNode::Compare::ne && (left == nullptr) != (right == nullptr);
  return compareValues(node.compare, *left, *right, work);
}

}  // namespace sp::asl

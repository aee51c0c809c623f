#include "asl/jsonpath/pattern.h"

#include <algorithm>

#include <fmt/format.h>

namespace sp::asl {
namespace {

constexpr std::size_t kMaxProgram = 2'000;
constexpr std::size_t kMaxDepth = 32;
constexpr std::uint32_t kMaxRepeat = 1'000;
constexpr char32_t kLast = 0x10ffff;

/// Takes the first character off; text that is no UTF-8 gives bytes.
char32_t takeCharacter(std::string_view& text) {
  const auto first = static_cast<unsigned char>(text.front());
  const std::size_t length = first < 0x80U ? 1 : first >= 0xf0U ? 4 : first >= 0xe0U ? 3 : 2;
  if (length == 1 || text.size() < length) {
    text.remove_prefix(1);
    return first;
  }
  char32_t c = first & (0x7fU >> length);
  for (std::size_t i = 1; i < length; ++i) c = (c << 6U) | (static_cast<unsigned char>(text[i]) & 0x3fU);
  text.remove_prefix(length);
  return c;
}

bool isWordCharacter(char32_t c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_'; }

}  // namespace

bool Pattern::Set::holds(char32_t c) const {
  return std::ranges::any_of(ranges, [c](const Range& one) { return one.from <= c && c <= one.to; }) != negated;
}

/// Reads the text into a tree and writes that out as a program.
class PatternReader {
 public:
  PatternReader(Pattern& out, std::string_view text, std::string_view flags)
      : out_(out), rest_(text), either_case_(flags.find('i') != std::string_view::npos), all_(flags.find('s') != std::string_view::npos) {}

  Result<void> read() {
    SP_TRY(const auto whole, alternatives());
    if (!rest_.empty()) return bad("')' without '('");
    SP_CHECK_OK(write(whole));
    return add(Pattern::Op::match);
  }

 private:
  struct Node {
    enum class Kind { one, sequence, alternatives, repeat };
    explicit Node(Kind k) : kind(k) {}
    Kind kind;
    /// Of `one`.
    Pattern::Step step;
    std::vector<Node> parts;
    std::uint32_t least = 0;
    std::uint32_t most = 0;
    bool endless = false;
  };

  std::unexpected<Error> bad(std::string_view why) const {
    return fail("asl.pattern", fmt::format("a regular expression is not valid: {} at '{}'", why, rest_.substr(0, 40)));
  }

  Result<Node> alternatives() {
    if (++depth_ > kMaxDepth) return bad("groups are nested too deep");
    Node made(Node::Kind::alternatives);
    do {
      SP_TRY(auto part, sequence());
      made.parts.push_back(std::move(part));
    } while (take("|"));
    --depth_;
    return made.parts.size() == 1 ? std::move(made.parts.front()) : std::move(made);
  }

  Result<Node> sequence() {
    Node made(Node::Kind::sequence);
    while (!rest_.empty() && rest_.front() != '|' && rest_.front() != ')') {
      SP_TRY(auto part, atom());
      SP_TRY(part, repeated(std::move(part)));
      made.parts.push_back(std::move(part));
    }
    return made;
  }

  Result<Node> atom() {
    if (take("(")) {
      if (rest_.starts_with("?") && !take("?:")) return bad("looking around is not supported");
      SP_TRY(auto inner, alternatives());
      if (!take(")")) return bad("')' is missing");
      return inner;
    }
    if (take("^")) return step(Pattern::Op::begin);
    if (take("$")) return step(Pattern::Op::end);
    if (take(".")) {
      if (all_) return set({{{0, kLast}}, false});
      return set({{{'\n', '\n'}, {'\r', '\r'}, {0x85, 0x85}, {0x2028, 0x2029}}, true});
    }
    if (take("[")) return bracket();
    if (take("\\b")) return step(Pattern::Op::boundary);
    if (take("\\B")) return step(Pattern::Op::inside);
    if (rest_.starts_with("\\")) {
      SP_TRY(auto made, escaped());
      return set(std::move(made));
    }
    if (std::string_view("*+?{").find(rest_.front()) != std::string_view::npos) return bad("nothing to repeat");
    const auto c = takeCharacter(rest_);
    return set({{{c, c}}, false});
  }

  Result<Node> repeated(Node part) {
    Node made(Node::Kind::repeat);
    if (take("*")) {
      made.endless = true;
    } else if (take("+")) {
      made.least = 1;
      made.endless = true;
    } else if (take("?")) {
      made.most = 1;
    } else if (take("{")) {
      SP_TRY(made.least, number());
      made.most = made.least;
      if (take(",")) {
        made.endless = rest_.starts_with("}");
        if (!made.endless) { SP_TRY(made.most, number()); }
      }
      if (!take("}") || (!made.endless && made.most < made.least)) return bad("a repetition is not valid");
    } else {
      return part;
    }
    // Of the whole text it is the same whether few or many are taken first.
    if (!take("?")) static_cast<void>(take("+"));
    made.parts.push_back(std::move(part));
    return made;
  }

  Result<std::uint32_t> number() {
    std::uint32_t made = 0;
    const auto before = rest_.size();
    for (; !rest_.empty() && rest_.front() >= '0' && rest_.front() <= '9'; rest_.remove_prefix(1)) {
      made = made * 10 + static_cast<std::uint32_t>(rest_.front() - '0');
      if (made > kMaxRepeat) return bad("more than 1000 repetitions");
    }
    if (rest_.size() == before) return bad("a number is expected");
    return made;
  }

  // After '['.
  Result<Node> bracket() {
    Pattern::Set made{{}, take("^")};
    bool first = true;
    while (first || !rest_.starts_with("]")) {
      first = false;
      SP_TRY(auto from, member());
      const bool single = from.ranges.size() == 1 && from.ranges[0].from == from.ranges[0].to;
      if (single && rest_.starts_with("-") && !rest_.starts_with("-]")) {
        rest_.remove_prefix(1);
        SP_TRY(const auto to, member());
        if (to.ranges.size() != 1 || to.ranges[0].from < from.ranges[0].from) return bad("a range is not valid");
        from.ranges[0].to = to.ranges[0].to;
      }
      made.ranges.insert(made.ranges.end(), from.ranges.begin(), from.ranges.end());
    }
    rest_.remove_prefix(1);
    return set(std::move(made));
  }

  Result<Pattern::Set> member() {
    if (rest_.empty()) return bad("']' is missing");
    if (rest_.starts_with("\\")) return escaped();
    const auto c = takeCharacter(rest_);
    return Pattern::Set{{{c, c}}, false};
  }

  // Never negated: what a class leaves out is written out.
  Result<Pattern::Set> escaped() {
    rest_.remove_prefix(1);
    if (rest_.empty()) return bad("'\\' at the end");
    const auto c = takeCharacter(rest_);
    const auto one = [](char32_t value) { return Pattern::Set{{{value, value}}, false}; };
    switch (c) {
      case 'd': return Pattern::Set{{{'0', '9'}}, false};
      case 'D': return Pattern::Set{{{0, '0' - 1}, {'9' + 1, kLast}}, false};
      case 'w': return Pattern::Set{{{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}}, false};
      case 'W': return Pattern::Set{{{0, '0' - 1}, {'9' + 1, 'A' - 1}, {'Z' + 1, '_' - 1}, {'_' + 1, 'a' - 1}, {'z' + 1, kLast}}, false};
      case 's': return Pattern::Set{{{'\t', '\r'}, {' ', ' '}}, false};
      case 'S': return Pattern::Set{{{0, '\t' - 1}, {'\r' + 1, ' ' - 1}, {' ' + 1, kLast}}, false};
      case 't': return one('\t');
      case 'n': return one('\n');
      case 'r': return one('\r');
      case 'f': return one('\f');
      case 'x': return code(2);
      case 'u': return code(4);
      default: break;
    }
    if (isWordCharacter(c)) return bad(fmt::format("'\\{}' is not supported", static_cast<char>(c)));
    return one(c);
  }

  Result<Pattern::Set> code(std::size_t digits) {
    if (rest_.size() < digits) return bad("a code is too short");
    char32_t made = 0;
    for (const char c : rest_.substr(0, digits)) {
      const auto at = std::string_view("0123456789abcdef0123456789ABCDEF").find(c);
      if (at == std::string_view::npos) return bad("a code is not valid");
      made = made * 16 + static_cast<char32_t>(at % 16);
    }
    rest_.remove_prefix(digits);
    return Pattern::Set{{{made, made}}, false};
  }

  static Node step(Pattern::Op op, std::uint32_t x = 0) {
    Node made(Node::Kind::one);
    made.step = {op, x, 0};
    return made;
  }

  Node set(Pattern::Set made) {
    if (either_case_)
      for (const auto& part : std::vector(made.ranges))
        for (const char32_t offset : {U'a', U'A'}) {
          // The letters of one case within the range, in the other case.
          const char32_t other = offset == U'a' ? U'A' : U'a';
          const auto from = std::max(part.from, offset);
          const auto to = std::min<char32_t>(part.to, offset + 25);
          if (from <= to) made.ranges.push_back({from - offset + other, to - offset + other});
        }
    out_.sets_.push_back(std::move(made));
    return step(Pattern::Op::set, static_cast<std::uint32_t>(out_.sets_.size() - 1));
  }

  Result<void> add(Pattern::Op op, std::uint32_t x = 0) {
    if (out_.program_.size() == kMaxProgram) return bad("it is too large");
    out_.program_.push_back({op, x, 0});
    return {};
  }
  std::uint32_t here() const { return static_cast<std::uint32_t>(out_.program_.size()); }

  Result<void> write(const Node& node) {
    switch (node.kind) {
      case Node::Kind::one: return add(node.step.op, node.step.x);
      case Node::Kind::sequence:
        for (const auto& part : node.parts) SP_CHECK_OK(write(part));
        return {};
      case Node::Kind::alternatives: {
        std::vector<std::uint32_t> ends;
        for (std::size_t i = 0; i < node.parts.size(); ++i) {
          const auto at = here();
          if (i + 1 < node.parts.size()) SP_CHECK_OK(add(Pattern::Op::split, at + 1));
          SP_CHECK_OK(write(node.parts[i]));
          if (i + 1 == node.parts.size()) break;
          ends.push_back(here());
          SP_CHECK_OK(add(Pattern::Op::jump));
          out_.program_[at].y = here();
        }
        for (const auto end : ends) out_.program_[end].x = here();
        return {};
      }
      case Node::Kind::repeat: break;
    }
    for (std::uint32_t i = 0; i < node.least; ++i) SP_CHECK_OK(write(node.parts.front()));
    std::vector<std::uint32_t> splits;
    for (auto i = node.least; node.endless ? i == node.least : i < node.most; ++i) {
      splits.push_back(here());
      SP_CHECK_OK(add(Pattern::Op::split, here() + 1));
      SP_CHECK_OK(write(node.parts.front()));
      if (node.endless) SP_CHECK_OK(add(Pattern::Op::jump, splits.front()));
    }
    for (const auto at : splits) out_.program_[at].y = here();
    return {};
  }

  bool take(std::string_view text) {
    if (!rest_.starts_with(text)) return false;
    rest_.remove_prefix(text.size());
    return true;
  }

  Pattern& out_;
  std::string_view rest_;
  bool either_case_;
  bool all_;
  std::size_t depth_ = 0;
};

Result<Pattern> Pattern::compile(std::string_view text, std::string_view flags) {
  if (flags.find_first_not_of("is") != std::string_view::npos)
    return fail("asl.pattern", fmt::format("a regular expression's flags '{}' are not supported: i and s are", flags.substr(0, 16)));
  Pattern made;
  SP_CHECK_OK(PatternReader(made, text, flags).read());
  return made;
}

/// The places in the program that one run stands at.
class PatternRun {
 public:
  explicit PatternRun(const Pattern& pattern) : pattern_(pattern), seen_(pattern.program_.size(), 0) {}

  bool run(std::string_view text, Work& work) {
    bool before = false;
    bool begins = true;
    std::vector<std::uint32_t> open = {0};
    while (true) {
      auto rest = text;
      const auto c = text.empty() ? 0 : takeCharacter(rest);
      const bool after = !text.empty() && isWordCharacter(c);
      settle(open, begins, text.empty(), before != after);
      if (text.empty()) return done_;
      if (at_.empty() || !work.spend(visited_ / 8 + 1)) return false;
      open.clear();
      for (const auto place : at_)
        if (pattern_.sets_[pattern_.program_[place].x].holds(c)) open.push_back(place + 1);
      before = after;
      begins = false;
      text = rest;
    }
  }

 private:
  // Goes on from `open` to all that wait for a character.
  void settle(std::vector<std::uint32_t>& open, bool begins, bool ends, bool boundary) {
    ++round_;
    visited_ = 0;
    at_.clear();
    done_ = false;
    while (!open.empty()) {
      const auto place = open.back();
      open.pop_back();
      if (seen_[place] == round_) continue;
      seen_[place] = round_;
      ++visited_;
      const auto& step = pattern_.program_[place];
      switch (step.op) {
        case Pattern::Op::set: at_.push_back(place); break;
        case Pattern::Op::split:
          open.push_back(step.x);
          open.push_back(step.y);
          break;
        case Pattern::Op::jump: open.push_back(step.x); break;
        case Pattern::Op::match: done_ = true; break;
        case Pattern::Op::begin:
        case Pattern::Op::end:
        case Pattern::Op::boundary:
        case Pattern::Op::inside: {
          const bool holds = step.op == Pattern::Op::begin ? begins
                             : step.op == Pattern::Op::end ? ends
                                                           : boundary == (step.op == Pattern::Op::boundary);
          if (holds) open.push_back(place + 1);
          break;
        }
      }
    }
  }

  const Pattern& pattern_;
  std::vector<std::uint64_t> seen_;
  std::uint64_t round_ = 0;
  std::int64_t visited_ = 0;
  std::vector<std::uint32_t> at_;
  bool done_ = false;
};

bool Pattern::matches(std::string_view text, Work& work) const { return PatternRun(*this).run(text, work); }

}  // namespace sp::asl

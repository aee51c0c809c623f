#include "json/explain.h"

#include "base/strings.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace sp::json {
namespace {

constexpr std::size_t kShown = 500;
constexpr std::string_view kValues = "JSON String, Number, Array, Object or token 'null', 'true' or 'false'";

bool isDigit(char c) { return c >= '0' && c <= '9'; }
bool isHex(char c) { return isDigit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
bool isWordPart(char c) {
  return isDigit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '$' ||
         (static_cast<unsigned char>(c) & 0x80U) != 0;
}

/// One walk over the text; stops at the first thing that is wrong. Not recursive: whatever comes, it takes a byte of memory a level.
class Walk {
 public:
  explicit Walk(std::string_view text) : text_(text) {}

  std::string explain() {
    if (skipBlanks(); atEnd()) return fmt::format("No content to map due to end-of-input{}", place(at_));
    while (wrong_.empty()) {
      if (!value()) continue;
      while (wrong_.empty() && !open_.empty() && after()) {}
      if (!wrong_.empty() || !open_.empty()) continue;
      // The document is over: anything more is too much.
      if (skipBlanks(); atEnd()) return "";
      const auto more = at_;
      static_cast<void>(value());
      if (wrong_.empty()) wrong_ = fmt::format("Trailing token found after value{}", place(more + 1));
    }
    return wrong_;
  }

 private:
  bool atEnd() const { return at_ >= text_.size(); }
  void skipBlanks() {
    while (!atEnd() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r')) ++at_;
  }

  /// Line and column as Jackson counts them: of what comes after the byte before `position`.
  std::string where(std::size_t position) const {
    const auto before = text_.substr(0, std::min(position, text_.size()));
    const auto line = std::ranges::count(before, '\n') + 1;
    const auto row = before.rfind('\n');
    const auto line_text = before.substr(row == std::string_view::npos ? 0 : row + 1);
    // In characters; past the end there are none.
    const auto characters = std::ranges::count_if(line_text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; });
    const auto column = static_cast<std::size_t>(characters) + (position - before.size()) + 1;
    auto shown = kShown;
    while (shown < text_.size() && (static_cast<unsigned char>(text_[shown]) & 0xC0U) == 0x80U) --shown;
    const auto cut = text_.size() > shown ? fmt::format("[truncated {} chars]", text_.size() - shown) : std::string();
    return fmt::format("[Source: (String)\"{}\"{}; line: {}, column: {}]", text_.substr(0, shown), cut, line, column);
  }
  std::string place(std::size_t position) const { return "\n at " + where(position); }

  std::string described() const {
    const auto c = static_cast<unsigned char>(text_[at_]);
    if (c < 0x20) return fmt::format("(CTRL-CHAR, code {})", c);
    std::size_t length = 1;
    std::uint32_t code = c;
    if (c >= 0xC0) {
      length = c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : 2;
      code = c & (0xFFU >> (length + 1));
      for (std::size_t i = 1; i < length && at_ + i < text_.size(); ++i)
        code = (code << 6U) | (static_cast<unsigned char>(text_[at_ + i]) & 0x3FU);
    }
    return fmt::format("'{}' (code {})", text_.substr(at_, length), code);
  }
  bool unexpected(std::string_view what) {
    wrong_ = fmt::format("Unexpected character ({}){}{}", described(), what, place(at_ + 1));
    return false;
  }
  bool ended(std::string_view what) {
    wrong_ = fmt::format("Unexpected end-of-input{}{}", what, place(text_.size()));
    return false;
  }
  std::string_view scope() const { return text_[open_.back()] == '{' ? "Object" : "Array"; }
  bool endedInside() { return ended(fmt::format(": expected close marker for {} (start marker at {})", scope(), where(open_.back()))); }
  bool endedBetween() { return ended(fmt::format(" within/between {} entries", scope())); }

  // True once a value is complete; false if something is wrong, or if what was opened has a value next.
  bool value() {
    if (skipBlanks(); atEnd()) return open_.empty() ? ended("") : endedBetween();
    const char c = text_[at_];
    if (c == '{' || c == '[') return open();
    if (c == '"') return text("string value");
    if (c == '-' || isDigit(c)) return number();
    if (isWordPart(c)) return word();
    return unexpected(fmt::format(": expected a valid value ({})", kValues));
  }

  bool open() {
    open_.push_back(at_++);
    if (skipBlanks(); atEnd()) return endedInside();
    if (text_[at_] == (scope() == "Object" ? '}' : ']')) {
      close();
      return true;
    }
    if (scope() == "Object") name();
    return false;
  }
  void close() {
    ++at_;
    open_.pop_back();
  }

  // After a value within an object or array: true if a scope was closed, so that there is more to look at.
  bool after() {
    skipBlanks();
    if (atEnd()) return endedInside();
    const char c = text_[at_];
    const bool object = scope() == "Object";
    if (c == (object ? '}' : ']')) {
      close();
      return true;
    }
    if (c == '}' || c == ']') {
      wrong_ = fmt::format("Unexpected close marker '{}': expected '{}' (for {} starting at {}){}", c, object ? '}' : ']', scope(),
                           where(open_.back()), place(at_ + 1));
      return false;
    }
    if (c != ',') return unexpected(fmt::format(": was expecting comma to separate {} entries", scope()));
    ++at_;
    if (object) {
      if (skipBlanks(); atEnd()) return endedBetween();
      name();
    }
    // The caller's next round reads the value.
    return false;
  }

  bool name() {
    if (text_[at_] != '"') return unexpected(": was expecting double-quote to start field name");
    if (!text("name")) return false;
    if (skipBlanks(); atEnd()) return endedBetween();
    if (text_[at_] != ':') return unexpected(": was expecting a colon to separate field name and value");
    ++at_;
    return true;
  }

  bool text(std::string_view what) {
    for (++at_; !atEnd() && text_[at_] != '"'; ++at_) {
      if (static_cast<unsigned char>(text_[at_]) < 0x20) {
        wrong_ = fmt::format("Illegal unquoted character ({}): has to be escaped using backslash to be included in {}{}", described(), what,
                             place(at_ + 1));
        return false;
      }
      if (text_[at_] == '\\' && !escape()) return false;
    }
    if (atEnd()) return what == "name" ? ended(" in field name") : ended(": was expecting closing quote for a string value");
    ++at_;
    return true;
  }

  bool escape() {
    if (++at_; atEnd()) return ended(" in character escape sequence");
    const char c = text_[at_];
    if (c == 'u') {
      for (int i = 0; i < 4; ++i) {
        if (++at_; atEnd()) return ended(" in character escape sequence");
        if (!isHex(text_[at_])) return unexpected(": expected a hex-digit for character escape sequence");
      }
      return true;
    }
    if (std::string_view("\"\\/bfnrt").find(c) != std::string_view::npos) return true;
    wrong_ = fmt::format("Unrecognized character escape {}{}", described(), place(at_ + 1));
    return false;
  }

  bool digits(std::string_view missing) {
    if (atEnd()) return ended(" in a Number value");
    if (!isDigit(text_[at_])) return unexpected(fmt::format(" in numeric value: {}", missing));
    while (!atEnd() && isDigit(text_[at_])) ++at_;
    return true;
  }
  bool number() {
    const bool negative = text_[at_] == '-';
    if (negative) ++at_;
    if (negative && !atEnd() && !isDigit(text_[at_]))
      return unexpected(" in numeric value: expected digit (0-9) to follow minus sign, for valid numeric value");
    if (!atEnd() && text_[at_] == '0' && at_ + 1 < text_.size() && isDigit(text_[at_ + 1])) {
      wrong_ = fmt::format("Invalid numeric value: Leading zeroes not allowed{}", place(at_ + 1));
      return false;
    }
    if (!digits("expected digit (0-9)")) return false;
    if (!atEnd() && text_[at_] == '.') {
      ++at_;
      if (!digits("Decimal point not followed by a digit")) return false;
    }
    if (!atEnd() && (text_[at_] == 'e' || text_[at_] == 'E')) {
      ++at_;
      if (!atEnd() && (text_[at_] == '+' || text_[at_] == '-')) ++at_;
      if (!digits("Exponent indicator not followed by a digit")) return false;
    }
    return true;
  }

  bool word() {
    const auto start = at_;
    while (!atEnd() && isWordPart(text_[at_])) ++at_;
    const auto found = text_.substr(start, at_ - start);
    if (found == "true" || found == "false" || found == "null") return true;
    wrong_ = fmt::format("Unrecognized token '{}': was expecting ({}){}", cutText(found, 256), kValues, place(at_));
    return false;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  /// Where the objects and arrays begin that are open.
  std::vector<std::size_t> open_;
  std::string wrong_;
};

}  // namespace

std::string explainSyntax(std::string_view text) { return Walk(text).explain(); }

}  // namespace sp::json

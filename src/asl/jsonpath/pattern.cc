#include "asl/jsonpath/pattern.h"

#include <re2/re2.h>

#include <fmt/format.h>

namespace sp::asl {
namespace {

/// A pattern may take so much memory, compiled and while it is matched; a quarter of it is its program.
constexpr std::int64_t kMemory = 1 << 18;
/// Of a definition together: 50 MiB while all are matched, and 20 ms to compile.
constexpr std::size_t kPatternsMax = 200;
constexpr std::int64_t kInstructionsMax = 100'000;

/// \uXXXX as RE2 writes it, \x{XXXX}; other escapes as they are.
std::string translated(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    out += text[i];
    if (text[i] != '\\' || i + 1 == text.size()) continue;
    ++i;
    if (text[i] == 'u' && i + 4 < text.size()) {
      out.append("x{").append(text.substr(i + 1, 4)) += '}';
      i += 4;
    } else {
      out += text[i];
    }
  }
  return out;
}

}  // namespace

thread_local PatternBudget* PatternBudget::current_ = nullptr;

PatternBudget::PatternBudget() {
  if (current_ == nullptr) current_ = this;
}

PatternBudget::~PatternBudget() {
  if (current_ == this) current_ = nullptr;
}

Result<Pattern> Pattern::compile(std::string_view text, std::string_view flags) {
  if (flags.find_first_not_of("is") != std::string_view::npos)
    return fail("asl.pattern", fmt::format("a regular expression's flags '{}' are not supported: i and s are", flags.substr(0, 16)));
  const PatternBudget own;
  auto& budget = *PatternBudget::current_;
  if (++budget.patterns_ > kPatternsMax || budget.instructions_ > kInstructionsMax)
    return fail("asl.patterns", fmt::format("too many regular expressions: at most {}, with {} instructions in all, may stand together",
                                            kPatternsMax, kInstructionsMax));
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(kMemory);
  options.set_case_sensitive(flags.find('i') == std::string_view::npos);
  options.set_dot_nl(flags.find('s') != std::string_view::npos);
  Pattern made;
  made.expression_ = std::make_shared<const re2::RE2>(translated(text), options);
  if (!made.expression_->ok())
    return fail("asl.pattern", fmt::format("a regular expression that cannot be read: {}", made.expression_->error()));
  budget.instructions_ += made.expression_->ProgramSize();
  return made;
}

// Where the automaton would need too much memory, each character costs up to the size of the program.
bool Pattern::matches(std::string_view text, Work& work) const {
  const auto size = static_cast<std::int64_t>(text.size());
  if (!work.spend(1 + size / 16 * (1 + expression_->ProgramSize() / 64))) return false;
  return re2::RE2::FullMatch(re2::StringPiece(text.data(), text.size()), *expression_);
}

}  // namespace sp::asl

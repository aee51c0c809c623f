// How Stillpoint says that something did not work.
//
// A function that can fail for a reason outside the program returns Result<T>. The Error in it names a stable code (for
// programs), a message (for people: the thing, the value, the limit, what to do), the path of contexts it came through
// and, where one failure led to another, the cause. Exceptions are for start-up, programmer errors and libraries.
#pragma once
#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sp {

/// A failure. `code` is stable and dotted ("store.full"); `message` is a sentence for people.
struct [[nodiscard]] Error {
  std::string code;
  std::string message;
  /// What was being done, innermost first ("read /etc/x", "load configuration").
  std::vector<std::string> context;
  std::shared_ptr<const Error> cause;

  /// "load configuration: read /etc/x: message (caused by …)": one line for logs and terminals.
  std::string text() const;
  /// The same error, with one more step of what was being done.
  Error withContext(std::string what) &&;
  Error withContext(std::string what) const&;
  /// The same error with `why` as its cause.
  Error causedBy(Error why) &&;
};

template <class T>
using Result = std::expected<T, Error>;

/// `return fail("os.open", "cannot open …")`.
inline std::unexpected<Error> fail(std::string code, std::string message) {
  return std::unexpected(Error{std::move(code), std::move(message), {}, nullptr});
}

/// An error of the operating system: message and errno's text and name ("cannot open x: No such file or directory").
std::unexpected<Error> failErrno(std::string code, std::string what, int errno_value);

/// Adds context to a Result on its way up.
template <class T>
Result<T> withContext(Result<T> result, std::string_view what) {
  if (!result) return std::unexpected(std::move(result.error()).withContext(std::string(what)));
  return result;
}

}  // namespace sp

#define SP_CONCAT_INNER(a, b) a##b
#define SP_CONCAT(a, b) SP_CONCAT_INNER(a, b)

/// SP_TRY(auto x, compute()): x is the value, or the function returns the error.
#define SP_TRY(declaration, expression) SP_TRY_NAMED(SP_CONCAT(sp_try_, __COUNTER__), declaration, expression)
#define SP_TRY_NAMED(name, declaration, expression)           \
  auto name = (expression);                                   \
  if (!name) return std::unexpected(std::move(name).error()); \
  declaration = std::move(*name)

/// SP_CHECK_OK(store()): for Result<void>; returns the error if there is one.
#define SP_CHECK_OK(expression)                                                                          \
  do {                                                                                                   \
    if (auto sp_check_ = (expression); !sp_check_) return std::unexpected(std::move(sp_check_).error()); \
  } while (false)

#include "base/result.h"

#include <cstring>

#include <fmt/format.h>

namespace sp {

std::string Error::text() const {
  std::string out;
  for (auto step = context.rbegin(); step != context.rend(); ++step) out += *step + ": ";
  out += message;
  if (cause) out += " (caused by: " + cause->text() + ")";
  return out;
}

Error Error::withContext(std::string what) && {
  context.push_back(std::move(what));
  return std::move(*this);
}

Error Error::withContext(std::string what) const& { return Error(*this).withContext(std::move(what)); }

Error Error::causedBy(Error why) && {
  cause = std::make_shared<const Error>(std::move(why));
  return std::move(*this);
}

std::unexpected<Error> failErrno(std::string code, std::string what, int errno_value) {
  const char* name = strerrorname_np(errno_value);
  const char* text = strerrordesc_np(errno_value);
  return fail(std::move(code), fmt::format("{}: {} ({})", what, text ? text : "unknown error", name ? name : "?"));
}

}  // namespace sp

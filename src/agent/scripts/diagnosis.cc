#include "agent/scripts/diagnosis.h"

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>

#include <fmt/format.h>

#include "os/file.h"

namespace sp::agent {
namespace {

constexpr std::size_t kLook = 4096;

}  // namespace

std::string lineEndHint(std::string_view text, std::string_view name) {
  text = text.substr(0, kLook);
  const auto end = text.find('\n');
  // Binary programs have such bytes too.
  if (end == std::string_view::npos || end == 0 || text[end - 1] != '\r' || text.find('\0') != std::string_view::npos) return "";
  return fmt::format(
      "stillpoint: the lines of {} end in CRLF, as on Windows: a shell takes the CR for a part of the last word, and the kernel "
      "for a part of the interpreter's name. Convert it: sed -i 's/\\r$//' FILE\n",
      name);
}

std::string lineEndHintOf(const std::vector<std::string>& files) {
  for (const auto& path : files) {
    const os::Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    std::string head(kLook, '\0');
    const auto got = file ? ::read(file.get(), head.data(), head.size()) : -1;
    if (got <= 0) continue;
    head.resize(static_cast<std::size_t>(got));
    if (auto hint = lineEndHint(head, std::filesystem::path(path).filename().string()); !hint.empty()) return hint;
  }
  return "";
}

}  // namespace sp::agent

#include "cli/views/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>

#include <fmt/format.h>

namespace sp::cli {
Terminal::Terminal() : live_(false) {
  const char* term = std::getenv("TERM");
  live_ = ::isatty(STDOUT_FILENO) == 1 && std::getenv("NO_COLOR") == nullptr && term != nullptr && std::string_view(term) != "dumb";
}

std::size_t Terminal::width() const {
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 100;
}

std::size_t Terminal::lineColumns() {
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return std::numeric_limits<std::size_t>::max();
}

std::size_t Terminal::rows() const {
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0) return size.ws_row;
  return 24;
}

std::string Terminal::paint(std::string_view text, Colour colour) const {
  if (!live_ || colour == Colour::plain) return std::string(text);
  const char* code = "0";
  switch (colour) {
    case Colour::plain: break;
    case Colour::dim: code = "2"; break;
    case Colour::red: code = "31"; break;
    case Colour::green: code = "32"; break;
    case Colour::yellow: code = "33"; break;
    case Colour::blue: code = "34"; break;
    case Colour::bold: code = "1"; break;
  }
  return fmt::format("\x1b[{}m{}\x1b[0m", code, text);
}

void Terminal::redraw(const std::vector<std::string>& lines) {
  std::string out;
  if (drawn_ > 0) out += fmt::format("\x1b[{}F", drawn_);
  for (const auto& line : lines) out += cutTo(line, width()) + "\x1b[K\n";
  if (lines.size() < drawn_) out += "\x1b[J";
  drawn_ = lines.size();
  std::fwrite(out.data(), 1, out.size(), stdout);
  std::fflush(stdout);
}

void Terminal::finish(const std::vector<std::string>& lines) {
  std::string out;
  if (drawn_ > 0) out += fmt::format("\x1b[{}F\x1b[J", drawn_);
  for (const auto& line : lines) out += line + "\n";
  drawn_ = 0;
  std::fwrite(out.data(), 1, out.size(), stdout);
  std::fflush(stdout);
}

std::string humanBytes(double bytes) {
  constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  std::size_t unit = 0;
  while (bytes >= 1024 && unit + 1 < std::size(kUnits)) {
    bytes /= 1024;
    ++unit;
  }
  return unit == 0 ? fmt::format("{:.0f} B", bytes) : fmt::format("{:.1f} {}", bytes, kUnits[unit]);
}

std::string humanSeconds(double seconds) {
  if (seconds < 60) return fmt::format("{:.1f} s", seconds);
  const auto whole = static_cast<long>(seconds);
  if (whole < 3600) return fmt::format("{} min {:02} s", whole / 60, whole % 60);
  if (whole < 86'400) return fmt::format("{} h {:02} min", whole / 3600, whole % 3600 / 60);
  return fmt::format("{} d {:02} h", whole / 86'400, whole % 86'400 / 3600);
}

std::string shortSeconds(double seconds) {
  if (seconds < 60) return fmt::format("{:.1f} s", seconds);
  const auto whole = static_cast<long>(seconds);
  if (whole < 3600) return fmt::format("{}m{:02}s", whole / 60, whole % 60);
  if (whole < 86'400) return fmt::format("{}h{:02}m", whole / 3600, whole % 3600 / 60);
  return fmt::format("{}d{:02}h", whole / 86'400, whole % 86'400 / 3600);
}

std::string progressBar(double fraction, std::size_t columns) {
  constexpr const char* kEighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  const auto eighths = static_cast<std::size_t>(std::clamp(fraction, 0.0, 1.0) * static_cast<double>(columns) * 8);
  std::string bar;
  for (std::size_t i = 0; i < eighths / 8; ++i) bar += "█";
  bar += kEighths[eighths % 8];
  return padded(bar, columns);
}

std::size_t columnsOf(std::string_view text) {
  std::size_t columns = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\x1b') {
      const auto end = text.find('m', i);
      if (end == std::string_view::npos) break;
      i = end;
    } else if ((static_cast<unsigned char>(text[i]) & 0xc0U) != 0x80U) {
      ++columns;
    }
  }
  return columns;
}

// Counts code points and steps over escape sequences, which are kept so that colours end.
std::string cutTo(std::string_view text, std::size_t columns) {
  std::string out;
  std::size_t used = 0;
  for (std::size_t i = 0; i < text.size();) {
    if (text[i] == '\x1b') {
      const auto end = text.find('m', i);
      if (end == std::string_view::npos) break;
      out += text.substr(i, end - i + 1);
      i = end + 1;
      continue;
    }
    std::size_t next = i + 1;
    while (next < text.size() && (static_cast<unsigned char>(text[next]) & 0xc0U) == 0x80U) ++next;
    if (used++ < columns) out += text.substr(i, next - i);
    i = next;
  }
  return out;
}

std::string wrapped(std::string_view line, std::size_t columns, std::string_view indent) {
  if (columnsOf(line) <= columns) return std::string(line);
  std::string out;
  std::size_t used = 0;
  bool fresh = true;
  // Each piece with the blanks before it, which are left out where a line begins with it.
  const auto put = [&](std::string_view piece) {
    const auto text = piece.substr(std::min(piece.find_first_not_of(' '), piece.size()));
    if (!fresh && used + columnsOf(piece) > columns) {
      out += fmt::format("\n{}{}", indent, text);
      used = columnsOf(indent) + columnsOf(text);
    } else {
      out += piece;
      used += columnsOf(piece);
    }
    fresh = false;
  };
  const auto end = [&](std::size_t from, std::string_view gap) { return std::min(line.find(gap, from), line.size()); };
  for (std::size_t at = 0; at < line.size();) {
    const auto text = std::min(line.find_first_not_of(' ', at), line.size());
    const auto group = end(text, "  ");
    if (columnsOf(indent) + columnsOf(line.substr(text, group - text)) <= columns) {
      put(line.substr(at, group - at));
      at = group;
      continue;
    }
    while (at < group) {
      const auto word = end(std::min(line.find_first_not_of(' ', at), line.size()), " ");
      put(line.substr(at, word - at));
      at = word;
    }
  }
  return out;
}

std::string padded(std::string text, std::size_t columns) {
  const auto used = columnsOf(text);
  if (used < columns) text.append(columns - used, ' ');
  return text;
}

}  // namespace sp::cli

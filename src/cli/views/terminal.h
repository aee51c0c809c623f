// What a terminal can show: colours and a redrawn block; plain lines everywhere else.
#pragma once
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

namespace sp::cli {

enum class Colour { plain, dim, red, green, yellow, blue, bold };

class Terminal {
 public:
  /// Colours and redrawing only when standard output is a terminal, TERM is not "dumb" and NO_COLOR is not set.
  Terminal();
  bool live() const { return live_; }
  std::size_t width() const;
  /// The text in that colour, or as it is.
  std::string paint(std::string_view text, Colour colour) const;
  /// Replaces the block drawn before by these lines (each is cut at the terminal's width). Only when live().
  void redraw(const std::vector<std::string>& lines);
  /// Leaves the block where it is; the next redraw begins below.
  void keep() { drawn_ = 0; }

 private:
  bool live_;
  std::size_t drawn_ = 0;
};

/// "12.3 MiB"
std::string humanBytes(double bytes);
/// "3.4 s", "2 min 05 s", "1 h 12 min", "3 d 04 h"
std::string humanSeconds(double seconds);
/// A bar of that many columns: "█████▌    ".
std::string progressBar(double fraction, std::size_t columns);
/// Columns a UTF-8 text takes, escape sequences left out.
std::size_t columnsOf(std::string_view text);
/// The text filled with blanks to that many columns.
std::string padded(std::string text, std::size_t columns);

}  // namespace sp::cli

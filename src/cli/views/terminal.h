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
  /// One that is told what it is.
  explicit Terminal(bool live) : live_(live) {}
  bool live() const { return live_; }
  std::size_t width() const;
  /// Columns that a line may take; no end of them where standard output is no terminal.
  static std::size_t lineColumns();
  std::size_t rows() const;
  /// The text in that colour, or as it is.
  std::string paint(std::string_view text, Colour colour) const;
  /// Replaces the block drawn before by these lines (each is cut at the terminal's width). Only when live(). No more than rows() - 1 lines:
  /// what has left the screen at its top cannot be drawn over.
  void redraw(const std::vector<std::string>& lines);
  /// Replaces the block by these lines, whole and however many, and leaves them there; the next redraw begins below. Only when live().
  void finish(const std::vector<std::string>& lines);

 private:
  bool live_;
  std::size_t drawn_ = 0;
};

/// "12.3 MiB"
std::string humanBytes(double bytes);
/// "3.4 s", "2 min 05 s", "1 h 12 min", "3 d 04 h"
std::string humanSeconds(double seconds);
/// As short as can be read: "3.4 s", "2m05s", "1h12m", "3d04h"
std::string shortSeconds(double seconds);
/// A bar of that many columns: "█████▌    ".
std::string progressBar(double fraction, std::size_t columns);
/// Columns a UTF-8 text takes, escape sequences left out.
std::size_t columnsOf(std::string_view text);
/// The text's first columns; colours still end.
std::string cutTo(std::string_view text, std::size_t columns);
/// The line in as many as it takes to stay within these columns: broken where two blanks or more stand, else at single ones; what follows
/// begins with `indent`. A word that is longer is not broken.
std::string wrapped(std::string_view line, std::size_t columns, std::string_view indent);
/// The text filled with blanks to that many columns.
std::string padded(std::string text, std::size_t columns);

}  // namespace sp::cli

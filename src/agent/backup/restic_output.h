// What a supervised restic prints, line by line, from the files of its run. An agent that is started again goes on where the one before
// it stood, and the files stay short however long restic runs.
#pragma once
#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "json/json.h"
#include "os/file.h"

namespace sp::agent {

/// Who hears the lines, and keeps what was heard.
class ResticListener {
 public:
  virtual ~ResticListener() = default;
  virtual void line(bool error_stream, std::string_view text) = 0;
  /// All that later lines do not tell again, for an agent that will not see the earlier ones.
  virtual json::Object kept() const = 0;
  /// What kept() gave; before any line.
  virtual void recall(const json::Object& kept) = 0;
};

class ResticOutput {
 public:
  /// `folder`: of the supervised run (scripts/supervisor.h), with `stdout`, `stderr` and, by us, `heard`. `listener` outlives it.
  /// `keep`: after so many bytes what was heard is noted in `heard`, and the lines are removed from the disk.
  ResticOutput(std::string folder, ResticListener& listener, std::uint64_t keep = 1U << 20U);
  /// Passes on the lines that came; with `ended` also what stands behind the last line's end.
  void read(bool ended);
  /// What was said on standard error in plain words, the last of it; UTF-8.
  std::string words() const;

 private:
  struct Stream {
    const char* name;
    bool error;
    os::Fd file{};
    /// Where the next line begins.
    std::uint64_t at = 0;
    std::string partial{};
  };
  void recall();
  void readOne(Stream& stream, bool ended);
  void pass(Stream& stream, std::string_view line);
  void keepWords(std::string_view line);
  void shorten();
  std::uint64_t heardBytes() const { return streams_[0].at + streams_[1].at; }

  const std::string folder_;
  ResticListener& listener_;
  const std::uint64_t keep_;
  std::array<Stream, 2> streams_{Stream{"stdout", false}, Stream{"stderr", true}};
  std::string words_;
  /// heardBytes() when it was last noted.
  std::uint64_t noted_ = 0;
};

/// Text that may go into a JSON message: bytes that are no UTF-8 become '?'.
std::string plainText(std::string_view text);

}  // namespace sp::agent

// The files of a command, for the agents' port: scripts an agent fetches, outputs it stores. Implemented by services/ssm,
// used by fleet/command_http. Any thread but the core's: every call waits for the core.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace sp::runtime {

class CommandFiles {
 public:
  virtual ~CommandFiles() = default;

  class Source {
   public:
    virtual ~Source() = default;
    virtual std::uint64_t size() const = 0;
    /// The next at most `limit` bytes; empty at the end.
    virtual Result<std::string> read(std::size_t limit) = 0;
  };
  /// The object `key` a command downloads. "files.forbidden": that agent has no open invocation of the command, or the
  /// command does not download that key; "files.missing": no such object now.
  virtual Result<std::unique_ptr<Source>> source(std::string_view command, std::string_view agent, std::string_view key) = 0;

  class Sink {
   public:
    virtual ~Sink() = default;
    virtual Result<void> write(std::string_view bytes) = 0;
    /// Stores what was written as the object.
    virtual Result<void> commit() = 0;
  };
  /// Where a step's output goes (`stream`: "stdout" or "stderr"). "files.forbidden" as above, or the command asked for no
  /// output in S3.
  virtual Result<std::unique_ptr<Sink>> output(std::string_view command, std::string_view agent, std::string_view step,
                                               std::string_view stream) = 0;
};

}  // namespace sp::runtime

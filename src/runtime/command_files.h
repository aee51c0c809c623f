// The files of a command, for the agents' port: scripts an agent fetches, outputs it stores; and the reboot that its script may ask for.
// Implemented by services/ssm, used by fleet/command_http. Any thread but the core's: every call waits for the core.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "store/output_store.h"

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
  /// The object `key` a command downloads. "files.forbidden": that agent has no open invocation of the command, nor was it promised to it,
  /// or the command does not download that key; "files.missing": no such object now.
  virtual Result<std::unique_ptr<Source>> source(std::string_view command, std::string_view agent, std::string_view key) = 0;

  /// Whose output that is (`stream`: "stdout" or "stderr"), if the agent may send it: "files.forbidden" when it was never asked to run
  /// that step, or the command is forgotten.
  virtual Result<store::OutputKey> output(std::string_view command, std::string_view agent, std::string_view step,
                                          std::string_view stream) = 0;
  /// Nothing more comes of it: OutputStore::end with what hangs on it, the object in S3 if the command asked for one. Errors as there.
  virtual Result<void> endOutput(const store::OutputKey& key, std::uint64_t total, std::string_view tail) = 0;

  enum class RebootBy { driver, agent };
  /// A script of the command asked (exit code 194) that its machine be rebooted. `driver`: its power driver does it, as RebootInstances; or
  /// the machine is on its way down already. `agent`: it has none, the agent is to do it. "files.forbidden": that agent has no open
  /// invocation of the command; "files.held": a run or a job needs the machine as it is, the message says which.
  virtual Result<RebootBy> reboot(std::string_view command, std::string_view agent) = 0;
};

}  // namespace sp::runtime

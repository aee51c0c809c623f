// The data directory: made, locked, and the small files that tell others where the server listens.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "os/file.h"

namespace sp::daemon {

/// Owns the directory's lock while the server runs.
class DataDir {
 public:
  /// Makes the directory (0755; all but endpoints.json in it is private) and locks it. Errors name the directory and, when
  /// it is in use, the pid that uses it. On a disk that is full the reserve is given up for what a start has to write.
  static Result<DataDir> open(const std::string& path);
  /// Takes the reserve (file `reserve`, 4 MiB) where it is not there and the disk has room: a server must be able to start on a full disk,
  /// and to pay what is owed to machines. Any thread.
  void keepReserve() const;
  /// False: there is none. Any thread.
  bool giveUpReserve() const;

  const std::string& path() const { return path_; }
  std::string file(std::string_view name) const { return path_ + "/" + std::string(name); }

  /// Port to try first when any free one was asked for: the one bound the last time under this name, or 0.
  std::uint16_t lastPort(std::string_view name) const;
  Result<void> savePorts(std::uint16_t api, std::uint16_t agents) const;

  /// endpoints.json: what the ready line says, the region and the pid.
  Result<void> announce(std::string_view api, std::string_view agents, std::string_view region, std::string_view account) const;
  void withdraw() const;

  /// botocore/ for AWS_DATA_PATH: with it the AWS CLI and SDKs know our own operations (`aws stillpoint …`). For everybody.
  Result<void> publishModel(std::string_view model) const;

 private:
  std::string path_;
  os::Fd lock_;
};

/// The botocore model of our own operations, as in packaging/botocore/.
std::string_view ownModel();

}  // namespace sp::daemon

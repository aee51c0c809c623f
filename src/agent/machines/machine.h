// One demo machine on this host's disk, MACHINES_DIR/i-…:
//
//   machine.json   {image, hostname}: written once
//   boot.json      {generation}: how often it was started; durable before each start
//   lock           flock held by the machine's pid 1 as long as it lives
//   state.json     {pid, startTime, namespace, bootId, generation} of the running machine, by its launcher
//   root/          its file tree; what it sees as "/"
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "json/json.h"
#include "os/file.h"

namespace sp::agent {

struct MachineSpec {
  std::string image;
  std::string hostname;
  /// Random data in the database of an ami-demo machine.
  std::int64_t data_bytes = std::int64_t{256} << 20;
};

/// The living pid 1 of a machine.
struct MachineProcess {
  pid_t pid = -1;
  os::Fd pidfd;
  std::int64_t generation = 0;
};

class Machine {
 public:
  Machine(std::string machines_dir, std::string id);
  const std::string& id() const { return id_; }
  std::string directory() const { return machines_dir_ + "/" + id_; }
  std::string root() const { return directory() + "/root"; }

  bool exists() const;
  Result<MachineSpec> spec() const;
  /// 0 before the first start.
  std::int64_t generation() const;

  /// Makes it with its tree, whole or not at all; nothing happens if it exists. `files`: further files below the root
  /// (path, content), mode 0600. Error "machine.…".
  Result<void> create(const MachineSpec& spec, const std::vector<std::pair<std::string, std::string>>& files);
  /// Starts its pid 1 in namespaces of its own, detached from this process. True: started now; false: it ran already.
  Result<bool> start();
  /// The living pid 1, if any; waits while a start is under way (at most 10 s).
  std::optional<MachineProcess> process() const;
  /// Whether it runs, or a start is under way. A false is final until someone calls start().
  bool alive() const;
  /// Removes its files. It must not run.
  Result<void> destroy();

 private:
  /// The machine's lock file, locked as `kind` (LOCK_SH, LOCK_EX) without waiting. Error "machine.running": its pid 1, or who
  /// starts it, holds it.
  Result<os::Fd> lock(int kind) const;
  /// Exclusively; waits for those who only look. Error "machine.running" once the machine runs.
  Result<os::Fd> lockToStart() const;
  std::optional<MachineProcess> readState() const;

  const std::string machines_dir_;
  const std::string id_;
};

/// All machines in the folder, by id.
std::vector<std::string> machineIds(const std::string& machines_dir);

/// Why this process cannot run machines ("agent.power": not root …), if so.
Result<void> canRunMachines();

}  // namespace sp::agent

// What lies on this host and is no machine's data: the agent's own state. No backup reads it, no restore writes to it.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/request_handler.h"
#include "base/result.h"

namespace sp::agent {

/// Where else the folder `path`, or a part of it, is seen by bind mounts. `mounts`: /proc/self/mountinfo's text.
std::vector<std::string> otherNames(std::string_view mounts, const std::string& path);

class OwnState {
 public:
  /// The state directory (the agent's private key lies there), STATE_DIR-users (scripts/run_as.h) and, of the agent of the server's own
  /// host, the server's data directory around it: each as it is spelt, where its links lead to, and where a mount shows it again.
  explicit OwnState(const Identity& identity);

  /// Error "agent.own_state" if `path` of this host is one of them or lies inside, by whatever name: it names both. `follow`: the path's
  /// last part is followed if it is a link.
  Result<void> checkOutside(const std::string& path, bool follow) const;

  /// restic's patterns that keep them out of a backup of `paths`, by every name that the paths lead to them by.
  std::vector<std::string> patternsFor(const std::vector<std::string>& paths) const;

  /// Takes them out of `tree`, which is about to be merged over `target`: also whatever would replace a folder on the way to them. Links
  /// in `tree` are not followed. What was taken out, as it would be called in `target`. Error "agent.own_state".
  Result<std::vector<std::string>> removeFrom(const std::string& tree, const std::string& target) const;

 private:
  struct Folder {
    std::string what;
    std::string path;
  };
  void add(std::string what, const std::string& path);
  std::vector<Folder> folders_;
};

}  // namespace sp::agent

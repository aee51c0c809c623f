// Paths as a machine sees them, on a tree that is not this process's own "/"; and one tree moved over another.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace sp::agent {

/// Whether something is at `path` when `root` is "/": links on the way are followed inside the root, the last part is not.
/// Errors "tree.missing", "tree.read".
Result<void> checkPresent(const std::string& root, const std::string& path);

/// The folder at `path` when `root` is "/", made if it is not there (mode 0755): its path from outside. `made` gets the folders that
/// were made for it, from outside too, the outermost first; also when it fails.
/// Errors "tree.folder".
Result<std::string> makeFolderIn(const std::string& root, const std::string& path, std::vector<std::string>* made = nullptr);

/// Entries and bytes of regular files below a folder.
struct TreeSize {
  std::int64_t entries = 0;
  std::int64_t bytes = 0;
};
Result<TreeSize> measureTree(const std::string& folder);
Result<bool> isEmptyFolder(const std::string& folder, const std::string& but_for);

/// Moves everything below `from` to the same place below `to`, on one file system: files, links and other entries replace
/// what is there, folders are merged and take the mode, owner, attributes and times of the one that comes. `from` is
/// removed. May be repeated after it was interrupted. Errors "tree.move".
Result<void> mergeTree(const std::string& from, const std::string& to);

}  // namespace sp::agent

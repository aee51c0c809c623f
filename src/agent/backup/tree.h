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
/// removed. What is replaced by another kind of entry waits as `from`.replaced until that stands in its place. May be repeated after it was
/// interrupted. Errors "tree.move".
Result<void> mergeTree(const std::string& from, const std::string& to);

/// An entry of a tree and the name that it gets.
struct Move {
  std::string from;
  std::string to;
  auto operator<=>(const Move&) const = default;
};

/// Those of `paths` that `tree` does not have; links on the way are not followed.
std::vector<std::string> missingIn(const std::string& tree, const std::vector<std::string>& paths);

/// Where `paths` of `tree` go below `to`, a folder of the machine whose "/" is `root`: the folders above them that are there stay as they
/// are; where one is a link to a folder, it is followed inside the root. One that is not there comes from the tree.
/// Errors "tree.way" (a name above a path is no folder, or leads to none or to another file system), "tree.read".
Result<std::vector<Move>> planMoves(const std::string& root, const std::string& tree, const std::string& to,
                                    const std::vector<std::string>& paths);

/// Whether that can be done as what is there now stands: nothing has to go to another mount, and nothing is replaced that is a mount point
/// or has one below it. A mount point that an empty folder comes to is left alone. Changes nothing. Errors "tree.mount", "tree.read".
Result<void> checkMoves(const std::string& root, const std::string& tree, const std::vector<Move>& moves);

/// As mergeTree, of these entries; then removes what is left of `tree`: the folders above them. Errors "tree.move".
Result<void> moveParts(const std::vector<Move>& moves, const std::string& tree);

}  // namespace sp::agent

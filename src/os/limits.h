// How many files this process may hold open.
#pragma once
#include <sys/types.h>

#include <cstddef>

namespace sp::os {

/// Raises this process's limit of open files to the most it may have (RLIMIT_NOFILE: the soft one to the hard one) and returns
/// what it is then. Children that spawn() starts afterwards get the old one back: there are programs that walk over all
/// descriptors they could have, or keep sets of 1,024.
std::size_t raiseOpenFiles();

/// What it is now.
std::size_t openFilesLimit();

/// For spawn(): gives a child the limit that held before raiseOpenFiles().
void lowerOpenFilesOf(pid_t child);

}  // namespace sp::os

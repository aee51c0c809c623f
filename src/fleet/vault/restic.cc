#include "fleet/vault/restic.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include <fmt/format.h>

#include "base/strings.h"
#include "os/file.h"

namespace sp::fleet {
namespace {

constexpr int kPasswordFd = 3;
constexpr int kHeldFd = 4;
constexpr std::size_t kPrinted = 16U << 20U;
constexpr std::size_t kLastWords = 4096;

Result<os::Fd> memory(const char* name) {
  os::Fd fd(::memfd_create(name, MFD_CLOEXEC));
  if (!fd) return failErrno("vault.memfd", "cannot make a file in memory for restic", errno);
  return fd;
}

Result<os::Fd> passwordDescriptor(const std::string& key) {
  SP_TRY(auto fd, memory("repository-key"));
  const auto text = key + "\n";
  if (::write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
    return failErrno("vault.memfd", "cannot hand over the repository's key", errno);
  return fd;
}

std::string contents(const os::Fd& fd, std::size_t most) {
  std::string text(most, '\0');
  std::size_t size = 0;
  while (size < most) {
    const auto got = ::pread(fd.get(), text.data() + size, most - size, static_cast<off_t>(size));
    if (got <= 0) break;
    size += static_cast<std::size_t>(got);
  }
  text.resize(size);
  return text;
}

}  // namespace

Result<std::string> Restic::run(const ResticRun& run) const {
  SP_TRY(const auto password, passwordDescriptor(run.key));
  SP_TRY(const auto printed, memory("restic-printed"));
  SP_TRY(const auto words, memory("restic-words"));
  os::SpawnSpec spec;
  // Behind, not last: a job may wait for its end, which a busy machine could put off for ever.
  if (run.behind_others) spec.argv = {"nice", "-n", "5", "ionice", "-t", "-c", "2", "-n", "7"};
  for (const auto& word : {std::string("restic"), std::string("-r"), run.path, std::string("--password-file"),
                           fmt::format("/proc/self/fd/{}", kPasswordFd), std::string("--no-cache")})
    spec.argv.push_back(word);
  spec.argv.insert(spec.argv.end(), run.arguments.begin(), run.arguments.end());
  spec.environment = {{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TZ=UTC", "LC_ALL=C.UTF-8", "HOME=/nonexistent",
                       "TMPDIR=" + run.temporary}};
  spec.pass = {{password.get(), kPasswordFd}};
  if (run.holds >= 0) spec.pass.emplace_back(run.holds, kHeldFd);
  spec.new_group = true;
  spec.stdout_fd = printed.get();
  spec.stderr_fd = words.get();
  SP_TRY(const auto process, os::spawn(spec));
  if (run.started) run.started(process.pid());
  SP_TRY(const auto status, follow(process, run.limit));
  const auto& verb = run.arguments.front();
  if (!status)
    return fail("vault.ended", fmt::format("restic {} on {} was ended after {} s or at the server's stop", verb, run.path,
                                           std::chrono::duration_cast<std::chrono::seconds>(run.limit).count()));
  if (status->ok()) return contents(printed, kPrinted);
  return fail("vault.restic",
              fmt::format("restic {} on {} ended with {}: {}", verb, run.path, status->text(), trim(contents(words, kLastWords))));
}

/// Waits for the end; nullopt when it had to be ended.
Result<std::optional<os::ExitStatus>> Restic::follow(const os::Process& process, std::chrono::milliseconds limit) const {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  while (true) {
    SP_TRY(const auto status, process.wait(std::chrono::milliseconds(200)));
    if (status) return status;
    if (!stopping_ && std::chrono::steady_clock::now() < deadline) continue;
    // SIGINT lets it take back its lock.
    process.signal(SIGINT);
    SP_TRY(const auto interrupted, process.wait(std::chrono::seconds(10)));
    if (interrupted) return std::optional<os::ExitStatus>();
    process.killGroup(SIGKILL);
    SP_CHECK_OK(process.wait());
    return std::optional<os::ExitStatus>();
  }
}

}  // namespace sp::fleet

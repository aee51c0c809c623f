#include "agent/scripts/transfer.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include <fmt/format.h>

#include "agent/identity.h"
#include "base/hash.h"
#include "os/file.h"

namespace sp::agent {
namespace {

constexpr int kTimeoutSeconds = 30;
constexpr std::chrono::milliseconds kBetween{200};
constexpr std::size_t kPiece = 64U << 10U;

Result<std::unique_ptr<net::HttpClient>> client(const Identity& identity) {
  SP_TRY(const auto endpoint, identity.endpoint());
  SP_TRY(const auto address, parseHostPort(endpoint));
  return net::makeHttpClient(address.host, address.port, identity.tls(), kTimeoutSeconds);
}

/// Runs `attempt` until it succeeds or fails for a reason that is not the network.
Result<Fetched> insist(RequestContext& context, std::chrono::milliseconds patience, const std::function<Result<Fetched>()>& attempt) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (true) {
    auto done = attempt();
    if (done || !done.error().code.starts_with("net.")) return done;
    if (std::chrono::steady_clock::now() > deadline || context.sleep(kBetween))
      return std::unexpected(Error{"transfer.unreachable", "the server cannot be reached", {}, nullptr}.causedBy(std::move(done).error()));
  }
}

std::unexpected<Error> refusedBy(const net::Response& response, const std::string& what) {
  return fail("transfer.refused", fmt::format("the server answered {} to {}", response.status, what));
}

Result<void> writeAll(int fd, std::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    const auto put = ::write(fd, bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return failErrno(errno == ENOSPC ? "os.full" : "os.write", "cannot write " + path, errno);
    bytes.remove_prefix(static_cast<std::size_t>(put));
  }
  return {};
}

Result<Fetched> fetch(const Identity& identity, const Download& file, const std::string& aside) {
  SP_TRY(const auto http, client(identity));
  const os::Fd out(::open(aside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700));
  if (!out) return failErrno("os.open", "cannot create " + aside, errno);
  Hasher hasher(HashKind::sha256);
  Fetched fetched;
  net::ClientRequest request;
  request.target = file.source;
  SP_TRY(const auto response, http->stream(request, [&](std::string_view bytes) -> Result<void> {
    hasher.update(bytes);
    fetched.bytes += bytes.size();
    return writeAll(out.get(), bytes, aside);
  }));
  if (response.status != 200) return refusedBy(response, "GET " + file.source);
  fetched.sha256 = toHex(hasher.finish());
  if (!file.sha256.empty() && fetched.sha256 != file.sha256)
    return fail("transfer.hash", fmt::format("{} came with SHA-256 {}, expected {}", file.source, fetched.sha256, file.sha256));
  // The mode of open() is cut by the umask.
  if (::fchmod(out.get(), 0700) != 0) return failErrno("os.write", "cannot change the mode of " + aside, errno);
  return fetched;
}

}  // namespace

Result<Fetched> download(RequestContext& context, const Download& file, std::chrono::milliseconds patience) {
  SP_CHECK_OK(os::makeDirectories(std::filesystem::path(file.path).parent_path()));
  const auto aside = file.path + ".part";
  auto fetched = insist(context, patience, [&] { return fetch(context.identity(), file, aside); });
  if (fetched && ::rename(aside.c_str(), file.path.c_str()) != 0) fetched = failErrno("os.rename", "cannot rename to " + file.path, errno);
  if (!fetched) ::unlink(aside.c_str());
  return fetched;
}

Result<Fetched> copyKept(const Identity& identity, const std::string& name, const Download& file) {
  const auto path = std::filesystem::path(name).lexically_normal();
  // The name comes from the agent's own journal, but a request of the server's may hold any.
  if (path.is_absolute() || std::ranges::find(path, "..") != path.end())
    return fail("transfer.kept", fmt::format("'{}' is no kept file", name));
  const auto kept = identity.stateDir() + "/guards/" + path.string();
  SP_CHECK_OK(os::makeDirectories(std::filesystem::path(file.path).parent_path()));
  const os::Fd in(::open(kept.c_str(), O_RDONLY | O_CLOEXEC));
  if (!in) return failErrno("os.open", "cannot open " + kept, errno);
  const os::Fd out(::open(file.path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700));
  if (!out) return failErrno("os.open", "cannot create " + file.path, errno);
  Hasher hasher(HashKind::sha256);
  Fetched fetched;
  std::string piece(kPiece, '\0');
  while (true) {
    const auto got = ::read(in.get(), piece.data(), piece.size());
    if (got < 0) return failErrno("os.read", "cannot read " + kept, errno);
    if (got == 0) break;
    const std::string_view bytes(piece.data(), static_cast<std::size_t>(got));
    hasher.update(bytes);
    fetched.bytes += bytes.size();
    SP_CHECK_OK(writeAll(out.get(), bytes, file.path));
  }
  if (::fchmod(out.get(), 0700) != 0) return failErrno("os.write", "cannot change the mode of " + file.path, errno);
  fetched.sha256 = toHex(hasher.finish());
  if (!file.sha256.empty() && fetched.sha256 != file.sha256)
    return fail("transfer.hash", fmt::format("{} has SHA-256 {}, it was fetched with {}", kept, fetched.sha256, file.sha256));
  return fetched;
}

}  // namespace sp::agent

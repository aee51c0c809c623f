#include "agent/scripts/transfer.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include <fmt/format.h>

#include "agent/identity.h"
#include "base/hash.h"
#include "os/file.h"

namespace sp::agent {
namespace {

constexpr int kTimeoutSeconds = 30;
constexpr std::chrono::milliseconds kBetween{200};

Result<std::unique_ptr<net::HttpClient>> client(const Identity& identity) {
  SP_TRY(const auto endpoint, identity.endpoint());
  SP_TRY(const auto address, parseHostPort(endpoint));
  return net::makeHttpClient(address.host, address.port, identity.tls(), kTimeoutSeconds);
}

/// Runs `attempt` until it succeeds or fails for a reason that is not the network.
Result<void> insist(RequestContext& context, std::chrono::milliseconds patience, const std::function<Result<void>()>& attempt) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (true) {
    auto done = attempt();
    if (done || !done.error().code.starts_with("net.")) return done;
    if (std::chrono::steady_clock::now() > deadline || context.sleep(kBetween))
      return std::unexpected(Error{"transfer.unreachable", "the server cannot be reached", {}, nullptr}.causedBy(std::move(done).error()));
  }
}

Result<void> refusedBy(const net::Response& response, const std::string& what) {
  return fail("transfer.refused", fmt::format("the server answered {} to {}", response.status, what));
}

Result<void> fetch(const Identity& identity, const Download& file, const std::string& aside) {
  SP_TRY(const auto http, client(identity));
  const os::Fd out(::open(aside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700));
  if (!out) return failErrno("os.open", "cannot create " + aside, errno);
  Hasher hasher(HashKind::sha256);
  net::ClientRequest request;
  request.target = file.source;
  SP_TRY(const auto response, http->stream(request, [&](std::string_view bytes) -> Result<void> {
    hasher.update(bytes);
    while (!bytes.empty()) {
      const auto put = ::write(out.get(), bytes.data(), bytes.size());
      if (put < 0) return failErrno(errno == ENOSPC ? "os.full" : "os.write", "cannot write " + aside, errno);
      bytes.remove_prefix(static_cast<std::size_t>(put));
    }
    return {};
  }));
  if (response.status != 200) return refusedBy(response, "GET " + file.source);
  const auto hash = toHex(hasher.finish());
  if (!file.sha256.empty() && hash != file.sha256)
    return fail("transfer.hash", fmt::format("{} came with SHA-256 {}, expected {}", file.source, hash, file.sha256));
  // The mode of open() is cut by the umask.
  if (::fchmod(out.get(), 0700) != 0) return failErrno("os.write", "cannot change the mode of " + aside, errno);
  return {};
}

}  // namespace

Result<void> download(RequestContext& context, const Download& file, std::chrono::milliseconds patience) {
  SP_CHECK_OK(os::makeDirectories(std::filesystem::path(file.path).parent_path()));
  const auto aside = file.path + ".part";
  auto fetched = insist(context, patience, [&] { return fetch(context.identity(), file, aside); });
  if (fetched && ::rename(aside.c_str(), file.path.c_str()) != 0) fetched = failErrno("os.rename", "cannot rename to " + file.path, errno);
  if (!fetched) ::unlink(aside.c_str());
  return fetched;
}

Result<void> upload(RequestContext& context, const std::string& path, const std::string& target, std::chrono::milliseconds patience) {
  return insist(context, patience, [&]() -> Result<void> {
    SP_TRY(const auto http, client(context.identity()));
    const os::Fd in(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    struct stat info{};
    if (!in || ::fstat(in.get(), &info) != 0) return failErrno("os.open", "cannot read " + path, errno);
    net::ClientRequest request;
    request.method = "PUT";
    request.target = target;
    request.body_length = static_cast<std::uint64_t>(info.st_size);
    auto left = request.body_length;
    request.body_source = [&](std::size_t limit) -> Result<std::string> {
      // A daemon left behind may still write: exactly the announced length is sent.
      std::string piece(std::min<std::uint64_t>({limit, left, 256U << 10U}), '\0');
      const auto got = ::read(in.get(), piece.data(), piece.size());
      if (got < 0) return failErrno("os.read", "cannot read " + path, errno);
      piece.resize(static_cast<std::size_t>(got));
      left -= piece.size();
      return piece;
    };
    SP_TRY(const auto response, http->send(request));
    if (response.status / 100 != 2) return refusedBy(response, "PUT " + target);
    return {};
  });
}

}  // namespace sp::agent

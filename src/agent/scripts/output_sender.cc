#include "agent/scripts/output_sender.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include <fmt/format.h>

#include "agent/identity.h"
#include "base/log.h"
#include "base/strings.h"
#include "os/file.h"

namespace sp::agent {
namespace {

/// How often a running script's output is looked at, and how much of a stream goes at once then: 4 MiB/s.
constexpr std::chrono::milliseconds kLook{250};
constexpr std::uint64_t kLivePiece = 1U << 20U;
constexpr std::uint64_t kRestPiece = 64U << 20U;
constexpr std::size_t kRead = 64U << 10U;
/// Of an output that the server does not take whole.
constexpr std::uint64_t kTail = 1U << 20U;
constexpr std::chrono::milliseconds kPatienceMax{30'000};
constexpr int kTimeoutSeconds = 30;
/// A connection costs the server a thread: without anything to send it is given up.
constexpr std::chrono::seconds kKeepOpen{5};

std::uint64_t sizeOf(const std::string& path) {
  struct stat info{};
  return ::stat(path.c_str(), &info) == 0 ? static_cast<std::uint64_t>(info.st_size) : 0;
}

}  // namespace

OutputSender::OutputSender(const Identity& identity, std::string directory, std::string target)
    : identity_(identity), directory_(std::move(directory)), target_(std::move(target)) {
  for (const char* name : {"stdout", "stderr"}) streams_.push_back({name});
}

void OutputSender::begin() {
  const std::lock_guard lock(mutex_);
  if (begun_) return;
  try {
    std::thread([self = shared_from_this()] { self->work(); }).detach();
    begun_ = true;
  } catch (const std::exception& error) { log::warn("no thread to send an output", {{"folder", directory_}, {"why", error.what()}}); }
}

bool OutputSender::begun() const {
  const std::lock_guard lock(mutex_);
  return begun_;
}

void OutputSender::close() {
  const std::lock_guard lock(mutex_);
  if (closed_) return;
  // A process left behind may write on: that is not the script's output any more.
  for (auto& stream : streams_) stream.total = sizeOf(pathOf(stream));
  closed_ = true;
  changed_.notify_all();
}

bool OutputSender::await(std::chrono::milliseconds limit) {
  std::unique_lock lock(mutex_);
  if (!begun_) return true;
  const auto over = [this] { return over_; };
  if (limit.count() >= 0) return changed_.wait_for(lock, limit, over);
  changed_.wait(lock, over);
  return true;
}

void OutputSender::work() {
  std::chrono::milliseconds pause = kLook;
  auto last_sent = std::chrono::steady_clock::now();
  std::unique_lock lock(mutex_);
  while (true) {
    const bool closed = closed_;
    lock.unlock();
    auto did = Step::idle;
    for (auto& stream : streams_)
      if (const auto step = push(stream, closed); step != Step::idle) did = did == Step::failed ? did : step;
    const auto now = std::chrono::steady_clock::now();
    if (did == Step::sent) last_sent = now;
    if (did == Step::failed || now - last_sent > kKeepOpen) http_.reset();
    lock.lock();
    if (closed && std::ranges::all_of(streams_, &Stream::over)) break;
    if (did == Step::sent && closed) continue;
    pause = did == Step::failed ? std::min(pause * 2, kPatienceMax) : kLook;
    changed_.wait_for(lock, pause, [&] { return closed_ && !closed; });
  }
  http_.reset();
  over_ = true;
  changed_.notify_all();
}

OutputSender::Step OutputSender::push(Stream& stream, bool closed) {
  if (stream.over) return Step::idle;
  // A script may cut its own output short; what was sent of it was printed all the same.
  if (closed) stream.total = std::max(stream.total, stream.sent);
  const auto size = closed ? stream.total : sizeOf(pathOf(stream));
  if (closed && size == 0) {
    stream.over = true;
    return Step::idle;
  }
  if (!stream.limited && size > stream.sent) return add(stream, std::min(size, stream.sent + (closed ? kRestPiece : kLivePiece)));
  return closed ? end(stream) : Step::idle;
}

OutputSender::Step OutputSender::add(Stream& stream, std::uint64_t until) {
  return taken(stream, put(stream, fmt::format("offset={}", stream.sent), stream.sent, until - stream.sent));
}

OutputSender::Step OutputSender::end(Stream& stream) {
  const auto from = std::max(stream.sent, stream.total - std::min(stream.total, kTail));
  const auto answer = put(stream, fmt::format("total={}", stream.total), from, stream.total - from);
  if (answer && answer->status == 204) {
    stream.over = true;
    return Step::sent;
  }
  // A disk without any room: later.
  if (answer && answer->status == 507) return Step::failed;
  return taken(stream, answer);
}

OutputSender::Step OutputSender::taken(Stream& stream, const Result<net::Response>& answer) {
  if (!answer) {
    log::debug("output waits for the server", {{"target", target_}, {"why", answer.error().text()}});
    return Step::failed;
  }
  const auto have = parseInt(net::findHeader(answer->headers, "X-Have").value_or(""));
  const bool told = have && *have >= 0;
  switch (answer->status) {
    case 204: stream.sent = told ? static_cast<std::uint64_t>(*have) : stream.sent; return told ? Step::sent : Step::failed;
    case 409:
      if (told && static_cast<std::uint64_t>(*have) != stream.sent) {
        stream.sent = static_cast<std::uint64_t>(*have);
        return Step::sent;
      }
      return Step::failed;
    case 507:
      stream.sent = told ? static_cast<std::uint64_t>(*have) : stream.sent;
      stream.limited = true;
      return Step::sent;
    case 403:
    case 404:
    case 410: stream.over = true; return Step::sent;
    default: return Step::failed;
  }
}

Result<net::Response> OutputSender::put(const Stream& stream, const std::string& query, std::uint64_t from, std::uint64_t length) {
  if (!http_) {
    SP_TRY(const auto endpoint, identity_.endpoint());
    SP_TRY(const auto address, parseHostPort(endpoint));
    http_ = net::makeHttpClient(address.host, address.port, identity_.tls(), kTimeoutSeconds);
  }
  const auto path = pathOf(stream);
  const os::Fd in(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!in) return failErrno("os.open", "cannot read " + path, errno);
  net::ClientRequest request;
  request.method = "PUT";
  request.target = fmt::format("{}/{}?{}", target_, stream.name, query);
  request.body_length = length;
  auto at = from;
  request.body_source = [&](std::size_t limit) -> Result<std::string> {
    std::string piece(std::min<std::uint64_t>({limit, from + length - at, kRead}), '\0');
    const auto got = ::pread(in.get(), piece.data(), piece.size(), static_cast<off_t>(at));
    if (got < 0) return failErrno("os.read", "cannot read " + path, errno);
    piece.resize(static_cast<std::size_t>(got));
    at += piece.size();
    return piece;
  };
  return http_->send(request, kRead);
}

}  // namespace sp::agent

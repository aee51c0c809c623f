#include "store/output_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include <fmt/format.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/strings.h"
#include "json/json.h"
#include "os/file.h"
#include "os/process.h"

namespace sp::store {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kTail = ".tail";
constexpr std::string_view kEnd = ".end";
constexpr std::size_t kNameMax = 200;

std::uint64_t sizeOf(const std::string& path) {
  struct stat info{};
  return ::stat(path.c_str(), &info) == 0 ? static_cast<std::uint64_t>(info.st_size) : 0;
}

bool isStream(const fs::path& path) { return path.filename() == "stdout" || path.filename() == "stderr"; }

/// One file name of any text.
std::string fileName(std::string_view text) {
  auto name = percentEncode(text);
  // Names of a file system end at 255 bytes, and "." and ".." are none.
  if (name.size() > kNameMax) name = name.substr(0, kNameMax) + "%" + sha256Hex(text).substr(0, 32);
  return name == "." || name == ".." || name.empty() ? "%" + name : name;
}

}  // namespace

/// A stream that is written to.
struct OutputStore::Stream {
  std::mutex mutex;
  OutputState state;
  std::uint64_t writer = 0;
  os::Fd file;
};

class OutputStore::Appending final : public OutputStore::Writer {
 public:
  Appending(OutputStore& store, OutputKey key, std::shared_ptr<Stream> stream, std::uint64_t number)
      : store_(store), key_(std::move(key)), stream_(std::move(stream)), number_(number) {}

  Result<void> write(std::string_view bytes) override {
    {
      const std::lock_guard lock(stream_->mutex);
      if (stream_->writer != number_ || stream_->state.ended) return fail("output.superseded", "another one writes to this output by now");
      if (!store_.hasRoom(*stream_, bytes.size())) return limited();
      while (!bytes.empty()) {
        const auto put = ::pwrite(stream_->file.get(), bytes.data(), bytes.size(), static_cast<off_t>(stream_->state.have));
        if (put < 0 && errno == EINTR) continue;
        if (put < 0 && (errno == ENOSPC || errno == EDQUOT)) return limited();
        if (put < 0) return failErrno("os.write", "cannot write output of command " + key_.command, errno);
        stream_->state.have += static_cast<std::uint64_t>(put);
        store_.used_ += static_cast<std::uint64_t>(put);
        bytes.remove_prefix(static_cast<std::size_t>(put));
      }
    }
    store_.changed(key_);
    return {};
  }

 private:
  Result<void> limited() {
    stream_->state.limited = true;
    return fail("output.limited", fmt::format("the output of command {} does not fit: all outputs together may have {} bytes, and {} bytes "
                                              "of the disk stay free",
                                              key_.command, store_.limits_.quota, store_.limits_.free_floor));
  }

  OutputStore& store_;
  const OutputKey key_;
  const std::shared_ptr<Stream> stream_;
  const std::uint64_t number_;
};

OutputStore::~OutputStore() {
  {
    const std::lock_guard lock(removal_mutex_);
    ending_ = true;
  }
  removal_wake_.notify_all();
  if (remover_.joinable()) remover_.join();
}

Result<std::unique_ptr<OutputStore>> OutputStore::open(const std::string& directory, Limits limits) {
  SP_CHECK_OK(os::makeDirectories(directory));
  std::unique_ptr<OutputStore> store(new OutputStore(directory, limits));
  SP_CHECK_OK(withContext(store->count(), "look through " + directory));
  struct statvfs disk{};
  if (limits.quota == 0 && ::statvfs(directory.c_str(), &disk) == 0)
    store->limits_.quota = (disk.f_bavail * disk.f_frsize + store->used_) / 2;
  return store;
}

// What came of a stream in an earlier boot and has no end may have holes.
Result<void> OutputStore::count() {
  const auto boot_file = directory_ + "/boot";
  const auto boot = os::bootId();
  const bool same_boot = os::readFile(boot_file, 256).value_or("") == boot;
  std::error_code error;
  std::uint64_t bytes = 0;
  for (fs::recursive_directory_iterator at(directory_, error), none; !error && at != none; at.increment(error)) {
    if (!at->is_regular_file(error)) continue;
    const auto& path = at->path();
    if (path == boot_file) continue;
    if (!same_boot && isStream(path) && !fs::exists(path.string() + std::string(kEnd))) fs::remove(path, error);
    else bytes += sizeOf(path);
  }
  if (error) return fail("os.read", error.message());
  used_ = bytes;
  return same_boot ? Result<void>{} : os::writeFileDurably(boot_file, boot);
}

std::string OutputStore::pathOf(const OutputKey& key) const {
  return fmt::format("{}/{}/{}/{}/{}", directory_, fileName(key.command), fileName(key.instance), fileName(key.step), key.stream);
}

OutputState OutputStore::onDisk(const OutputKey& key) const {
  const auto path = pathOf(key);
  OutputState state;
  state.have = sizeOf(path);
  const auto text = os::readFile(path + std::string(kEnd), 4096);
  const auto end = text ? json::parse(*text) : Result<json::Value>(json::Value());
  if (!end || !end->is_object()) return state;
  state.ended = true;
  state.total = static_cast<std::uint64_t>(json::intOr(end->get_object(), "total", 0));
  state.tail_at = static_cast<std::uint64_t>(json::intOr(end->get_object(), "tailAt", 0));
  state.limited = state.have < state.total;
  return state;
}

std::shared_ptr<OutputStore::Stream> OutputStore::streamIf(const OutputKey& key) const {
  const std::lock_guard lock(mutex_);
  const auto found = streams_.find(pathOf(key));
  return found == streams_.end() ? nullptr : found->second;
}

std::shared_ptr<OutputStore::Stream> OutputStore::stream(const OutputKey& key) {
  const std::lock_guard lock(mutex_);
  auto& stream = streams_[pathOf(key)];
  if (!stream) {
    stream = std::make_shared<Stream>();
    stream->state = onDisk(key);
  }
  return stream;
}

OutputState OutputStore::state(const OutputKey& key) const {
  const auto known = streamIf(key);
  if (!known) return onDisk(key);
  const std::lock_guard lock(known->mutex);
  return known->state;
}

bool OutputStore::writes(const OutputKey& key) const { return streamIf(key) != nullptr; }

bool OutputStore::hasRoom(const Stream& stream, std::uint64_t bytes) const {
  struct statvfs disk{};
  if (::statvfs(directory_.c_str(), &disk) == 0 && disk.f_bavail * disk.f_frsize < limits_.free_floor + bytes) return false;
  return used_ + bytes <= limits_.quota || stream.state.have + bytes <= kOutputHead;
}

Result<std::unique_ptr<OutputStore::Writer>> OutputStore::append(const OutputKey& key, std::uint64_t offset) {
  const auto to = stream(key);
  const std::lock_guard lock(to->mutex);
  if (to->state.ended) return fail("output.ended", "this output is complete");
  // What was full may be so no longer, but a hole is not filled by what comes after it.
  if (to->state.limited) return fail("output.limited", "this output does not fit: only its end is still taken");
  if (to->state.have != offset)
    return fail("output.offset", fmt::format("{} bytes of this output are here, not {}", to->state.have, offset));
  if (!to->file) {
    const auto path = pathOf(key);
    SP_CHECK_OK(os::makeDirectories(fs::path(path).parent_path()));
    to->file = os::Fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    if (!to->file) return failErrno("os.open", "cannot open " + path, errno);
  }
  return std::make_unique<Appending>(*this, key, to, ++to->writer);
}

Result<void> OutputStore::end(const OutputKey& key, std::uint64_t total, std::string_view tail) {
  const auto path = pathOf(key);
  const auto to = stream(key);
  {
    const std::lock_guard lock(to->mutex);
    if (to->state.ended) return {};
    const auto have = to->state.have;
    if (total < have || tail.size() > total - have)
      return fail("output.offset", fmt::format("{} bytes of this output are here: it cannot have {}, the last {} of which are new", have,
                                               total, tail.size()));
    SP_CHECK_OK(os::makeDirectories(fs::path(path).parent_path()));
    if (to->file && ::fdatasync(to->file.get()) != 0) return failErrno("os.write", "cannot sync " + path, errno);
    // A full disk may have no room for the end either: the beginning is worth having.
    if (!tail.empty() && !os::writeFileDurably(path + std::string(kTail), tail)) tail = {};
    const auto tail_at = total - tail.size();
    SP_CHECK_OK(os::writeFileDurably(path + std::string(kEnd), json::toText(json::Object{{"total", total}, {"tailAt", tail_at}})));
    used_ += tail.size();
    to->state.ended = true;
    to->state.total = total;
    to->state.tail_at = tail_at;
    to->file.reset();
  }
  {
    const std::lock_guard lock(mutex_);
    streams_.erase(path);
  }
  changed(key);
  return {};
}

Result<std::string> OutputStore::read(const OutputKey& key, std::uint64_t offset, std::size_t limit) const {
  const auto now = state(key);
  auto path = pathOf(key);
  std::uint64_t at = offset;
  std::uint64_t until = now.have;
  if (offset >= now.have) {
    if (!now.ended || offset < now.tail_at || offset >= now.total) return std::string();
    path += kTail;
    at -= now.tail_at;
    until = now.total - now.tail_at;
  }
  std::string bytes(std::min<std::uint64_t>(limit, until - at), '\0');
  if (bytes.empty()) return bytes;
  const os::Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return failErrno("os.open", "cannot read " + path, errno);
  const auto got = ::pread(file.get(), bytes.data(), bytes.size(), static_cast<off_t>(at));
  if (got < 0) return failErrno("os.read", "cannot read " + path, errno);
  bytes.resize(static_cast<std::size_t>(got));
  return bytes;
}

std::uint64_t OutputStore::watch(const std::string& command, const std::string& instance, std::function<void()> woken) {
  const std::lock_guard lock(watch_mutex_);
  watches_.emplace(next_watch_, Watch{command + "/" + instance, std::move(woken)});
  return next_watch_++;
}

void OutputStore::unwatch(std::uint64_t id) {
  const std::lock_guard lock(watch_mutex_);
  watches_.erase(id);
}

void OutputStore::changed(const OutputKey& key) {
  const std::lock_guard lock(watch_mutex_);
  if (watches_.empty()) return;
  const auto of = key.command + "/" + key.instance;
  for (const auto& [id, watch] : watches_)
    if (watch.of == of) watch.woken();
}

void OutputStore::remove(const std::string& command) {
  const auto path = directory_ + "/" + fileName(command);
  std::error_code error;
  std::uint64_t bytes = 0;
  for (fs::recursive_directory_iterator at(path, error), none; !error && at != none; at.increment(error))
    if (at->is_regular_file(error)) bytes += sizeOf(at->path());
  {
    const std::lock_guard lock(mutex_);
    std::erase_if(streams_, [&](const auto& each) { return each.first.starts_with(path + "/"); });
  }
  fs::remove_all(path, error);
  if (error) log::warn("output not removed", {{"command", command}, {"why", error.message()}});
  used_ -= std::min<std::uint64_t>(bytes, used_);
}

void OutputStore::removeSoon(std::string command) {
  const std::lock_guard lock(removal_mutex_);
  to_remove_.push_back(std::move(command));
  if (!remover_.joinable()) remover_ = std::thread([this] { removeAll(); });
  removal_wake_.notify_all();
}

// What is left when the store closes is removed after the next start, since nobody knows the command then.
void OutputStore::removeAll() {
  std::unique_lock lock(removal_mutex_);
  while (true) {
    removal_wake_.wait(lock, [this] { return ending_ || !to_remove_.empty(); });
    if (ending_) return;
    const auto command = std::move(to_remove_.front());
    to_remove_.pop_front();
    lock.unlock();
    remove(command);
    lock.lock();
  }
}

std::vector<std::string> OutputStore::steps(const std::string& command, const std::string& instance) const {
  std::vector<std::string> found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(fmt::format("{}/{}/{}", directory_, fileName(command), fileName(instance)), error))
    if (const auto file = entry.path().filename().string(); file.size() <= kNameMax)
      if (auto name = percentDecode(file)) found.push_back(std::move(*name));
  std::ranges::sort(found);
  return found;
}

std::vector<std::string> OutputStore::commands() const {
  std::vector<std::string> found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(directory_, error))
    if (entry.is_directory(error)) found.push_back(entry.path().filename());
  return found;
}

}  // namespace sp::store

#include "daemon/data_dir.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include <fmt/format.h>

#include "base/log.h"
#include "json/json.h"
#include "store/disk_use.h"

namespace sp::daemon {
namespace {

constexpr std::uint64_t kReserve = std::uint64_t{4} << 20;
/// It is taken where as much is left.
constexpr std::uint64_t kRoomForReserve = 2 * kReserve;

}  // namespace

Result<DataDir> DataDir::open(const std::string& path) {
  if (path.empty() || path.front() != '/')
    return fail("data_dir.path", fmt::format("the data directory '{}' must be an absolute path", path));
  DataDir dir;
  dir.path_ = path;
  const bool there = ::access(path.c_str(), F_OK) == 0;
  SP_CHECK_OK(withContext(os::makeDirectories(path, 0755), "make the data directory"));
  // endpoints.json in it is for everybody; the umask is strict for everything else.
  if (!there && ::chmod(path.c_str(), 0755) != 0)
    return failErrno("data_dir.write", "cannot open the data directory " + path + " to others", errno);
  auto lock = os::lockFile(dir.file("lock"));
  if (!lock) {
    if (lock.error().code != "os.locked") return std::unexpected(std::move(lock.error()).withContext("lock the data directory"));
    const auto pid = os::readFile(dir.file("lock"), 64).value_or("");
    return fail("data_dir.in_use", fmt::format("the data directory {} is in use by process {}: stop it first, or give another --data-dir",
                                               path, pid.empty() ? "?" : pid));
  }
  dir.lock_ = std::move(*lock);
  if (const auto disk = store::diskOf(path); disk && disk->free_bytes < kReserve) dir.giveUpReserve();
  const auto pid = std::to_string(getpid());
  if (::ftruncate(dir.lock_.get(), 0) != 0 || ::pwrite(dir.lock_.get(), pid.data(), pid.size(), 0) < 0)
    return failErrno(errno == ENOSPC ? "data_dir.full" : "data_dir.write", "cannot write in the data directory " + path, errno);
  return dir;
}

void DataDir::keepReserve() const {
  const auto disk = store::diskOf(path_);
  if (!disk || disk->free_bytes < kRoomForReserve || ::access(file("reserve").c_str(), F_OK) == 0) return;
  const os::Fd reserve(::open(file("reserve").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  if (!reserve || ::posix_fallocate(reserve.get(), 0, static_cast<off_t>(kReserve)) != 0) ::unlink(file("reserve").c_str());
}

bool DataDir::giveUpReserve() const {
  if (::unlink(file("reserve").c_str()) != 0) return false;
  log::warn("the disk is full: the room that was kept for a start or for deletions is given up; make room",
            {{"data_dir", path_}, {"bytes", kReserve}});
  return true;
}

std::uint16_t DataDir::lastPort(std::string_view name) const {
  const auto text = os::readFile(file("ports.json"), 4096);
  if (!text) return 0;
  const auto parsed = json::parse(*text);
  if (!parsed || !parsed->is_object()) return 0;
  const auto port = json::intOr(parsed->get_object(), name, 0);
  return port > 0 && port < 65536 ? static_cast<std::uint16_t>(port) : std::uint16_t{0};
}

Result<void> DataDir::savePorts(std::uint16_t api, std::uint16_t agents) const {
  const auto text = json::toText(json::Object{{"api", api}, {"agents", agents}}) + "\n";
  if (os::readFile(file("ports.json"), 4096).value_or("") == text) return {};
  return os::writeFileDurably(file("ports.json"), text, 0600);
}

Result<void> DataDir::announce(std::string_view api, std::string_view agents, std::string_view region, std::string_view account) const {
  const json::Object endpoints{{"api", api}, {"agents", agents}, {"region", region}, {"account", account}, {"pid", getpid()}};
  SP_CHECK_OK(os::writeFileDurably(file("endpoints.json"), json::toText(endpoints) + "\n", 0644));
  // The umask is strict for everything else.
  if (::chmod(file("endpoints.json").c_str(), 0644) != 0)
    return failErrno("data_dir.write", "cannot publish " + file("endpoints.json"), errno);
  return {};
}

void DataDir::withdraw() const { ::unlink(file("endpoints.json").c_str()); }

Result<void> DataDir::publishModel(std::string_view model) const {
  const auto folder = file("botocore/stillpoint/2026-11-01");
  const auto path = folder + "/service-2.json";
  if (os::readFile(path, 1U << 20U).value_or("") == model) return {};
  SP_CHECK_OK(withContext(os::makeDirectories(folder, 0755), "make the folder of the API model"));
  SP_CHECK_OK(os::writeFile(path, model, 0644));
  for (const auto& made : {file("botocore"), file("botocore/stillpoint"), folder})
    if (::chmod(made.c_str(), 0755) != 0) return failErrno("data_dir.write", "cannot open " + made + " to others", errno);
  if (::chmod(path.c_str(), 0644) != 0) return failErrno("data_dir.write", "cannot publish " + path, errno);
  return {};
}

}  // namespace sp::daemon

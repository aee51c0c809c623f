// Time and place of a measurement.
#pragma once
#include <sys/resource.h>

#include <chrono>
#include <filesystem>
#include <utility>

namespace sp::bench {

/// Time that has passed, on the clock and on this process's processors.
struct Usage {
  std::chrono::steady_clock::time_point wall = std::chrono::steady_clock::now();
  double cpu = cpuNow();

  double wallSeconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - wall).count(); }
  double cpuSeconds() const { return cpuNow() - cpu; }

 private:
  static double cpuNow() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    const auto seconds = [](const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6; };
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
  }
};

/// A folder that goes with its owner. Below the current one by default: a tmpfs would measure no disk.
class Folder {
 public:
  explicit Folder(std::filesystem::path path) : path_(std::move(path)) {
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::filesystem::path store() const { return path_ / "store.db"; }

 private:
  std::filesystem::path path_;
};

}  // namespace sp::bench

#include "base/failpoint.h"

#include <fcntl.h>
#include <unistd.h>
#include <csignal>

#include <array>
#include <fstream>
#include <map>
#include <mutex>
#include <sstream>

#include <fmt/format.h>

#include "base/failpoint_table.h"

namespace sp::failpoint {

std::atomic<bool> g_armed{false};

namespace {

struct Armed {
  std::string action;
  std::uint64_t at = 1;
  std::uint64_t hits = 0;
};

std::mutex g_mutex;
std::map<std::string, Armed, std::less<>> g_points;
int g_hits_fd = -1;

bool known(std::string_view name) {
  for (const auto& point : kPoints)
    if (point.name == name) return true;
  return false;
}

}  // namespace

bool hitSlow(std::string_view name) {
  const std::lock_guard lock(g_mutex);
  const auto found = g_points.find(name);
  if (found == g_points.end()) return false;
  auto& point = found->second;
  if (++point.hits != point.at && point.action != "count") return false;
  const auto line = fmt::format("{} {}\n", name, point.hits);
  if (write(g_hits_fd, line.data(), line.size()) < 0) return false;
  if (point.action == "kill") {
    kill(getpid(), SIGKILL);
    while (true) pause();
  }
  return point.action == "fail";
}

Result<void> arm(const std::string& path) {
  std::ifstream in(path);
  if (!in) return failErrno("failpoints.open", "cannot read the fail points file " + path, errno);
  const std::lock_guard lock(g_mutex);
  std::string line;
  while (std::getline(in, line)) {
    std::istringstream words(line);
    std::string name;
    Armed armed;
    if (!(words >> name) || name.starts_with("#")) continue;
    words >> armed.action;
    words >> armed.at;
    if (!known(name)) return fail("failpoints.unknown", fmt::format("{}: there is no fail point '{}'", path, name));
    if (armed.action != "kill" && armed.action != "fail" && armed.action != "count")
      return fail("failpoints.action", fmt::format("{}: '{}' is not kill, fail or count", path, armed.action));
    if (armed.at == 0) armed.at = 1;
    g_points.insert_or_assign(name, armed);
  }
  g_hits_fd = open((path + ".hits").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (g_hits_fd < 0) return failErrno("failpoints.hits", "cannot open " + path + ".hits", errno);
  g_armed.store(true, std::memory_order_relaxed);
  return {};
}

std::string_view allPointsText() {
  static const std::string text = [] {
    std::string out;
    for (const auto& point : kPoints) out += fmt::format("{}\t{}\t{}\n", point.name, point.process, point.meaning);
    return out;
  }();
  return text;
}

}  // namespace sp::failpoint

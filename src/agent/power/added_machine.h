// What the holder of a driver keeps of a machine that Stillpoint did not make, STATE/power/i-…:
//
//   power.json    {driver, power}: as the server gave it last
//   boots.json    {generation, running, boot}: boots counted, and what was seen last
//   keep-up.json  {bootId, until}: a stop was given up that cannot be taken back; if the machine goes down before, it is started
//
// and the driver's own files. Whoever uses one holds the machine's mutex.
#pragma once
#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "agent/power/driver.h"
#include "json/json.h"

namespace sp::agent {

class AddedMachine {
 public:
  AddedMachine(const std::string& state_dir, std::string instance);
  static std::vector<std::string> all(const std::string& state_dir);

  /// From its files. Error "power.unknown": this agent does not hold its driver.
  Result<std::unique_ptr<PowerDriver>> load() const;
  /// From a request, which is kept if it says something new.
  Result<std::unique_ptr<PowerDriver>> take(const std::string& driver, const json::Object& power) const;
  Result<void> forget() const;

  /// Counts what was seen: the number of boots so far. Durable if it is new.
  Result<std::int64_t> seen(const PowerNow& now) const;
  /// As counted last; 0 if never.
  std::int64_t generation() const;

  /// Has a late end of the machine be answered by a start, for that long.
  Result<void> keepUp(std::chrono::seconds time) const;
  void letDown() const;
  bool isKeptUp() const;

 private:
  Result<std::unique_ptr<PowerDriver>> make(const std::string& driver, const json::Object& power) const;
  std::string path(const char* file) const { return folder_ + "/" + file; }

  const std::string instance_;
  const std::string folder_;
};

/// "i-" and hex digits.
bool isInstanceId(const std::string& id);

}  // namespace sp::agent

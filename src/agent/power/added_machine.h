// What the holder of a driver keeps of a machine that Stillpoint did not make, STATE/power/i-…:
//
//   power.json    {driver, power}: as the server gave it last
//   boots.json    {generation, running, boot}: boots counted, and what was seen last
//   keep-up.json  {bootId, until, down}: a stop has failed that may happen all the same. If the machine goes down before (this host's
//                 seconds since that boot), `down` is set, and it is started until it runs, however long that takes
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

  /// Has an end of the machine within that time be answered by starts until it runs. Durable.
  Result<void> keepUp(std::chrono::seconds time) const;
  /// It has ended within that time: from now on isDown(), also after another boot of this host. Durable.
  Result<void> wentDown() const;
  void letDown() const;
  /// Whether it is to be started if it is off.
  bool isKeptUp() const;
  /// Whether it was seen off while it was kept up, and was not seen to run since.
  bool isDown() const;

 private:
  Result<std::unique_ptr<PowerDriver>> make(const std::string& driver, const json::Object& power) const;
  std::string path(const char* file) const { return folder_ + "/" + file; }

  const std::string instance_;
  const std::string folder_;
};

/// "i-" and hex digits.
bool isInstanceId(const std::string& id);

}  // namespace sp::agent

// power.*: changes of machines' power, whatever their drivers, and what machines do by themselves. Machines are independent of
// this process: they live on when it dies and are found again.
#pragma once
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <set>

#include "agent/outbox.h"
#include "agent/power/added_machine.h"
#include "agent/power/sandbox_driver.h"
#include "agent/power/start_leases.h"
#include "agent/request_handler.h"

namespace sp::agent {

class PowerHandler final : public RequestHandler {
 public:
  /// All given outlive it, and it lives as long as the process.
  PowerHandler(const Identity& identity, Outbox& outbox);
  std::vector<std::string> types() const override;
  json::Object run(RequestContext& context) override;
  /// Tells the state of every machine (power.changed), and writes the server's address into demo machines' agents' folders.
  void tellAll();
  /// "lease" of the server, of a machine that is owed its start. Session's thread.
  void onLease(const json::Object& message);

  /// What a machine that Stillpoint did not make does now.
  struct Look {
    bool running = false;
    std::int64_t generation = 0;
  };
  /// Error "power.…": this agent does not hold its driver, or the driver cannot look.
  Result<Look> look(const std::string& instance);

 private:
  using State = Result<std::string>;
  /// The machine of one request: its driver, and what counts its boots.
  struct Subject {
    std::string id;
    std::unique_ptr<PowerDriver> driver;
    std::optional<AddedMachine> added;
    SandboxDriver* sandbox = nullptr;
  };
  Result<Subject> subjectOf(const json::Object& request) const;
  State change(RequestContext& context, Subject& subject);
  State start(RequestContext& context, Subject& subject);
  /// The stop of a run: its start is owed before it is asked for.
  Result<void> oweStart(const json::Object& request, const std::string& id);
  /// See StartLeases::Start.
  void startOwed(const std::string& id);
  void tellNow(const Subject& subject, const std::string& error);
  State stop(RequestContext& context, Subject& subject, bool force);
  static State giveUpStop(const Subject& subject, std::chrono::milliseconds limit);
  /// Has a machine whose stop has failed be started if it goes down late. What comes of it, for the error ("; the machine will …"); empty
  /// for a demo machine, whose stop can be taken back.
  static std::string standBy(const Subject& subject);
  State reboot(RequestContext& context, Subject& subject);
  State check(Subject& subject);
  State forget(const std::string& id);
  /// Waits for the driver to see it so; false after `limit`. `last` is why the last look failed, if it did.
  static bool awaitState(PowerDriver& driver, bool running, std::chrono::milliseconds limit, std::string& last);
  /// "running" or "stopped" as seen now, counted; "unknown" if it cannot be seen.
  std::string stateOf(const Subject& subject) const;
  /// The same of a look that there was already.
  std::string stateOf(const Subject& subject, const Result<PowerNow>& now) const;
  /// As counted so far; looks at nothing.
  static std::int64_t generationOf(const Subject& subject);
  static json::Object message(std::string_view type, const std::string& id, const std::string& state, std::int64_t generation,
                              const std::string& error);
  /// Tells when a demo machine goes down by itself.
  void watch(const std::string& id);
  /// Looks at an added machine now and then, and tells what is new; with `now` it looks at once if it does so already.
  void follow(const std::string& id, bool now);
  void followOn(const std::string& id);
  /// The starts of a machine that went down after its stop had failed.
  struct Raising {
    int tries = 0;
    std::chrono::steady_clock::time_point again;
    /// Why the last one did not help.
    std::string why;
  };
  /// Starts it if it is kept up and off. What is seen then: an error as long as it does not run.
  Result<PowerNow> raise(const Subject& subject, Result<PowerNow> now, Raising& raising) const;
  std::mutex& mutexOf(const std::string& id);

  const Identity& identity_;
  Outbox& outbox_;
  std::mutex mutex_;
  /// One power change at a time for each machine.
  std::map<std::string, std::unique_ptr<std::mutex>> machines_;
  std::set<std::string> watched_;
  /// Each with a number that grows when it shall be looked at now.
  std::map<std::string, std::uint64_t> followed_;
  /// Grows with each welcome: everything is told again.
  std::uint64_t welcomes_ = 0;
  std::condition_variable wake_;
  StartLeases starts_;
};

}  // namespace sp::agent

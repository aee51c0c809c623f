// Three commands of the administrator's, run without a shell.
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include <fmt/format.h>

#include "agent/power/driver.h"
#include "base/printable.h"
#include "base/strings.h"
#include "os/process.h"

namespace sp::agent {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kSaidMost = 1000;
constexpr milliseconds kPause{1000};

/// The end of what a command printed, on one line.
std::string saidBy(const os::Output& output) {
  std::string text(trim(output.err));
  if (const auto out = trim(output.out); !out.empty()) text += (text.empty() ? "" : " / ") + std::string(out);
  if (text.size() > kSaidMost) text = "…" + text.substr(text.size() - kSaidMost);
  return isUtf8(text) ? printable(std::move(text)) : "(bytes that are no text)";
}

class ExecDriver final : public PowerDriver {
 public:
  ExecDriver(std::string instance, PowerDescription power) : instance_(std::move(instance)), power_(std::move(power)) {}

  Result<void> preflight() override {
    SP_CHECK_OK(canRun("Start", power_.start));
    SP_CHECK_OK(canRun("Stop", power_.stop));
    SP_CHECK_OK(canRun("Status", power_.status));
    if (!power_.force_stop.empty()) SP_CHECK_OK(canRun("ForceStop", power_.force_stop));
    return {};
  }

  Result<PowerNow> status() override {
    SP_TRY(const auto output, runCommand("Status", power_.status));
    const auto seen = readStatus(power_, output.out);
    // `systemctl is-active` and its like say "inactive" with an exit code of their own.
    if (seen != Seen::neither) return PowerNow{seen == Seen::running, {}};
    return fail("power.status", fmt::format("the status command of {} ended with {} and said neither that it runs nor that it is off: '{}'",
                                            instance_, output.status.text(), saidBy(output)));
  }

  Result<void> start() override { return runToSuccess("Start", power_.start); }
  Result<void> askToStop() override { return runToSuccess("Stop", power_.stop); }

  Result<void> kill() override {
    if (!power_.force_stop.empty()) return runToSuccess("ForceStop", power_.force_stop);
    return fail("power.force", fmt::format("machine {} has no ForceStop command: it can only be asked to stop", instance_));
  }

  bool mayAskAgain() const override { return false; }
  void awaitChange(milliseconds limit) override { ::poll(nullptr, 0, static_cast<int>(std::min(limit, kPause).count())); }
  milliseconds lookEvery() const override { return std::chrono::seconds(power_.poll); }

 private:
  Result<void> canRun(std::string_view what, const std::vector<std::string>& command) const {
    if (::access(command.front().c_str(), X_OK) == 0) return {};
    const auto why =
        failErrno("power.preflight", fmt::format("the {} command of {} cannot be run: {}", what, instance_, command.front()), errno);
    return why;
  }

  Result<os::Output> runCommand(std::string_view what, const std::vector<std::string>& command) const {
    os::SpawnSpec spec;
    spec.argv = command;
    spec.environment = std::vector<std::string>{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8",
                                                "HOME=/", "STILLPOINT_INSTANCE_ID=" + instance_};
    spec.cwd = "/";
    spec.new_group = true;
    auto output = os::run(std::move(spec), std::chrono::seconds(power_.command_timeout));
    if (!output)
      return fail("power.command", fmt::format("the {} command of {} did not start: {}", what, instance_, output.error().message));
    if (output->timed_out)
      return fail("power.command", fmt::format("the {} command of {} did not end within {} s and was killed; it said '{}'", what, instance_,
                                               power_.command_timeout, saidBy(*output)));
    return output;
  }

  Result<void> runToSuccess(std::string_view what, const std::vector<std::string>& command) const {
    SP_TRY(const auto output, runCommand(what, command));
    if (output.status.ok()) return {};
    return fail("power.command",
                fmt::format("the {} command of {} ended with {}: '{}'", what, instance_, output.status.text(), saidBy(output)));
  }

  const std::string instance_;
  const PowerDescription power_;
};

}  // namespace

std::unique_ptr<PowerDriver> makeExecDriver(std::string instance, PowerDescription power) {
  return std::make_unique<ExecDriver>(std::move(instance), std::move(power));
}

}  // namespace sp::agent

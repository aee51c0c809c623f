#include "fleet/admissions.h"

#include <mutex>

#include <fmt/format.h>

#include "agentwire/messages.h"

namespace sp::fleet {

void Admissions::admit(std::string_view agent, std::string_view enrolment) {
  const std::unique_lock lock(mutex_);
  entries_.insert_or_assign(std::string(agent), Entry{std::string(enrolment), std::nullopt});
}

void Admissions::bar(std::string_view agent, runtime::AgentRefusal why) {
  const std::unique_lock lock(mutex_);
  entries_.insert_or_assign(std::string(agent), Entry{"", std::move(why)});
}

std::optional<runtime::AgentRefusal> Admissions::refusal(std::string_view agent, std::string_view enrolment) const {
  const std::shared_lock lock(mutex_);
  const auto found = entries_.find(agent);
  if (found != entries_.end() && found->second.barred) return found->second.barred;
  const std::string_view wanted = found == entries_.end() ? std::string_view() : found->second.enrolment;
  if (wanted == enrolment) return std::nullopt;
  if (found == entries_.end())
    return runtime::AgentRefusal{
        std::string(agentwire::kUnknownAgent),
        fmt::format("there is no machine {} here any more: enrol this host with a new token (`stillpoint enrol`)", agent)};
  return runtime::AgentRefusal{
      std::string(agentwire::kSuperseded),
      fmt::format("{} was enrolled anew: this certificate is of an earlier enrolment. If this machine is still {}, "
                  "enrol it with a token of `stillpoint enrol --instance {}`.",
                  agent, agent, agent)};
}

}  // namespace sp::fleet

// Which certificates still count: what the services decided, at hand for the port's threads.
#pragma once
#include <functional>
#include <map>
#include <optional>
#include <shared_mutex>
#include <string>
#include <string_view>

#include "runtime/agent_registry.h"

namespace sp::fleet {

/// Any thread.
class Admissions {
 public:
  /// Only certificates of that enrolment are taken for the agent.
  void admit(std::string_view agent, std::string_view enrolment);
  /// None is.
  void bar(std::string_view agent, runtime::AgentRefusal why);
  /// nullopt: that certificate counts. An agent that nothing was said of has only certificates without enrolment.
  std::optional<runtime::AgentRefusal> refusal(std::string_view agent, std::string_view enrolment) const;

 private:
  struct Entry {
    std::string enrolment;
    std::optional<runtime::AgentRefusal> barred;
  };
  mutable std::shared_mutex mutex_;
  std::map<std::string, Entry, std::less<>> entries_;
};

}  // namespace sp::fleet

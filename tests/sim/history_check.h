// Whether a history could be one of AWS's: numbered without gaps, each event after one that may stand before it, each task
// settled once, documents handed from state to state unchanged, nothing behind the end but a redrive.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "json/json.h"

namespace sp::sim {

class HistoryCheck {
 public:
  /// The next event's text. What is wrong with it; empty: nothing.
  std::string take(const std::string& text);
  /// The status the history ends with: RUNNING while it has no end.
  const std::string& status() const { return status_; }
  std::size_t size() const { return events_.size(); }
  /// How many tasks were answered, and how often it was redriven.
  std::uint64_t answers() const { return answers_; }
  std::uint64_t redrives() const { return redrives_; }

 private:
  /// Behind a redrive the events do not tell which state they belong to.
  static constexpr std::int64_t kUnknown = -1;
  struct Event {
    std::string type;
    std::int64_t previous = 0;
    /// The event that entered the state it belongs to.
    std::int64_t entered = kUnknown;
    /// Its input or output.
    std::string document = {};
    /// Something goes on from here.
    bool followed = false;

    // Of StateEntered.
    std::string name = {};
    /// Who entered the state with the branches this one is in; 0: it is at the top.
    std::int64_t parent = 0;
    bool left = false;
    /// What was entered in its branches since they were started.
    std::vector<std::int64_t> children = {};
  };
  std::optional<std::string> documentOf(const json::Object& details) const;
  std::string judge(Event& event, const json::Object& details);
  std::string order(const Event& event) const;
  std::string enter(Event& event, const json::Object& details);
  std::string within(Event& event, const json::Object& details);
  std::string leave(Event& event, const json::Object& details);
  std::string endBranches(Event& event) const;
  const Event& at(std::int64_t id) const { return events_[static_cast<std::size_t>(id - 1)]; }
  Event& at(std::int64_t id) { return events_[static_cast<std::size_t>(id - 1)]; }
  std::int64_t nextId() const { return static_cast<std::int64_t>(events_.size()) + 1; }

  std::vector<Event> events_;
  std::string status_ = "RUNNING";
  double last_time_ = 0;
  std::uint64_t answers_ = 0;
  std::uint64_t redrives_ = 0;
};

}  // namespace sp::sim

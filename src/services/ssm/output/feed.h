// The output of one invocation as server-sent events, for as long as it runs and until all of it was told:
//
//   id: runShellScript=4096.0
//   event: output
//   data: {"step": "runShellScript", "stream": "stdout", "offset": 0, "text": "…"}     or "base64" for what is no UTF-8
//
//   event: gap       data: {"step", "stream", "offset", "bytes"}: these are kept nowhere
//   event: status    data: DescribeInvocation's answer, once the invocation has ended
//   event: end       data: {"complete": true}; nothing follows
//
// An id is the position after its event, bytes of stdout and stderr for each step: given back as Last-Event-ID it goes on from there.
#pragma once
#include <array>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "services/ssm/commands.h"
#include "services/ssm/output/report.h"
#include "store/output_store.h"

namespace sp::services::ssm {

class OutputFeed {
 public:
  /// How far each step's two streams were told, by the step's name.
  struct Position {
    std::map<std::string, std::array<std::uint64_t, 2>> steps;
    std::string text() const;
    /// What does not look like one is the beginning.
    static Position parse(std::string_view text);
  };

  OutputFeed(store::OutputStore& outputs, const Invocation& invocation, Position from);
  OutputFeed(const OutputFeed&) = delete;
  OutputFeed& operator=(const OutputFeed&) = delete;
  ~OutputFeed();

  /// Begins each stream so many bytes before what there is of it when it is first looked at.
  void onlyLast(std::uint64_t bytes);
  /// The invocation has ended so, and that is what is told of it. Any thread.
  void ended(const Invocation& invocation, json::Object report);
  /// `ready` is called, by any thread, when read() may have more. Once.
  void onReady(std::function<void()> ready);
  /// Events, about `limit` bytes of them; empty: none now. One thread.
  Result<std::string> read(std::size_t limit);
  /// The last event was given.
  bool over() const { return over_; }

 private:
  struct End {
    Invocation invocation;
    json::Object report;
  };
  struct Stream {
    store::OutputKey key;
    std::size_t index = 0;
  };
  void add(const std::string& step);
  void addParts();
  Result<bool> tellStream(std::string& out, const Stream& stream, const End* end);
  Result<std::string> bytesAt(const Stream& stream, const store::OutputState& state, const End* end);
  bool finished(const Stream& stream, const store::OutputState& state, const End* end);
  std::uint64_t& at(const Stream& stream) { return position_.steps[stream.key.step][stream.index]; }
  void emit(std::string& out, std::string_view event, const json::Object& data) const;

  store::OutputStore& outputs_;
  const std::string command_;
  const std::string instance_;
  std::vector<Stream> streams_;
  /// Steps that run several scripts: what is told of them is told by their parts ("STEP/PART").
  std::set<std::string> in_parts_;
  Position position_;
  std::uint64_t only_last_ = 0;
  std::uint64_t watch_ = 0;
  std::mutex mutex_;
  std::function<void()> ready_;
  std::shared_ptr<const End> end_;
  bool status_told_ = false;
  bool over_ = false;
  std::chrono::steady_clock::time_point last_progress_ = std::chrono::steady_clock::now();
};

/// All feeds that are open. Core thread only, but for what they are given out for.
class OutputFeeds {
 public:
  static constexpr std::size_t kMost = 256;
  /// Registers with `commands`: before the core starts. Both outlive it.
  OutputFeeds(Commands& commands, store::OutputStore& outputs);
  /// Errors "feed.unknown" (no such invocation), "feed.many" (kMost are open). `last`: begin so many bytes before the end; 0: all.
  Result<std::shared_ptr<OutputFeed>> open(store::Txn& txn, const std::string& command, const std::string& instance,
                                           OutputFeed::Position from, std::uint64_t last);

 private:
  void invocationEnded(store::Txn& txn, const Invocation& invocation);
  json::Object report(const Invocation& invocation) const;

  Commands& commands_;
  store::OutputStore& outputs_;
  std::multimap<std::string, std::weak_ptr<OutputFeed>, std::less<>> open_;
};

}  // namespace sp::services::ssm

#include "daemon/stream_front.h"

#include <functional>
#include <optional>
#include <utility>
#include <variant>

#include <fmt/format.h>

#include "base/strings.h"
#include "json/json.h"

namespace sp::daemon {
namespace {

using services::events::Follower;
using services::ssm::OutputFeed;

net::Response refusal(int status, std::string_view code, std::string_view message) {
  net::Response response;
  response.status = status;
  response.headers.push_back({"Content-Type", "application/x-amz-json-1.1"});
  response.body = json::toText(json::Object{{"__type", code}, {"message", message}});
  return response;
}

net::Response refusal(const Error& error) {
  if (error.code == "schedule.pattern")
    return refusal(400, "InvalidEventPatternException", fmt::format("Event pattern is not valid. Reason: {}", error.message));
  if (error.code == "events.unknown") return refusal(404, "ResourceNotFoundException", error.message);
  if (error.code == "feed.unknown") return refusal(404, "InvocationDoesNotExist", error.message);
  return refusal(503, error.code == "feed.many" ? "TooManyStreams" : "ServiceUnavailable", error.message);
}

class FeedSource final : public net::LiveSource {
 public:
  explicit FeedSource(std::shared_ptr<OutputFeed> feed) : feed_(std::move(feed)) {}
  Result<std::string> read(std::size_t limit) override { return feed_->read(limit); }
  bool over() const override { return feed_->over(); }
  void onReady(std::function<void()> ready) override { feed_->onReady(std::move(ready)); }
  std::string keepAlive() override { return ": still here\n\n"; }

 private:
  std::shared_ptr<OutputFeed> feed_;
};

class FollowerSource final : public net::LiveSource {
 public:
  explicit FollowerSource(std::shared_ptr<Follower> follower) : follower_(std::move(follower)) {}
  Result<std::string> read(std::size_t limit) override { return std::exchange(greeting_, "") + follower_->read(limit); }
  bool over() const override { return false; }
  void onReady(std::function<void()> ready) override { follower_->onReady(std::move(ready)); }
  std::string keepAlive() override { return ": still here\n\n"; }

 private:
  std::shared_ptr<Follower> follower_;
  // Whoever reads it sees that it follows.
  std::string greeting_ = ": following\n\n";
};

/// What is asked for.
struct WantedOutput {
  std::string command;
  std::string instance;
  std::uint64_t last = 0;
};
struct WantedEvents {
  std::string bus = "default";
  std::string pattern;
};
using Wanted = std::variant<WantedOutput, WantedEvents>;

std::optional<Wanted> wantedOutput(const std::vector<std::string_view>& parts, std::string_view query) {
  WantedOutput wanted;
  if (!query.empty()) {
    const auto last = query.starts_with("last=") ? parseInt(query.substr(5)) : std::nullopt;
    if (!last || *last < 0) return std::nullopt;
    wanted.last = static_cast<std::uint64_t>(*last);
  }
  if (parts.size() != 3) return std::nullopt;
  wanted.command = percentDecode(parts[1]).value_or("");
  wanted.instance = percentDecode(parts[2]).value_or("");
  return wanted;
}

std::optional<Wanted> wantedEvents(std::string_view query) {
  WantedEvents wanted;
  if (query.empty()) return wanted;
  for (const auto each : split(query, '&')) {
    const auto equals = each.find('=');
    if (equals == std::string_view::npos) return std::nullopt;
    const auto value = percentDecode(each.substr(equals + 1));
    if (!value) return std::nullopt;
    if (each.substr(0, equals) == "bus") wanted.bus = *value;
    else if (each.substr(0, equals) == "pattern") wanted.pattern = *value;
    else return std::nullopt;
  }
  return wanted;
}

std::optional<Wanted> wantedOf(std::string_view target) {
  const auto question = std::min(target.find('?'), target.size());
  const auto query = target.substr(std::min(question + 1, target.size()));
  const auto parts = split(target.substr(StreamFront::kPrefix.size(), question - StreamFront::kPrefix.size()), '/');
  if (parts.size() == 1 && parts[0] == "events") return wantedEvents(query);
  return !parts.empty() && parts[0] == "commands" ? wantedOutput(parts, query) : std::nullopt;
}

class StreamExchange final : public net::Exchange {
 public:
  StreamExchange(runtime::Core& core, services::ssm::OutputFeeds& feeds, services::events::Events& events, net::RequestHead head)
      : core_(core), feeds_(feeds), events_(events), head_(std::move(head)), wanted_(wantedOf(head_.target)) {}

  std::optional<net::Response> answerEarly() override {
    if (head_.method != "GET") return refusal(405, "MethodNotAllowed", "A stream is asked for by GET.");
    if (!wanted_)
      return refusal(404, "ResourceNotFoundException",
                     "There is no such stream: ask for /_stream/commands/COMMAND/INSTANCE[?last=BYTES] or "
                     "/_stream/events[?bus=NAME][&pattern=PATTERN].");
    return std::nullopt;
  }
  std::optional<net::Response> body(std::string_view) override { return refusal(400, "ValidationException", "This request has no body."); }
  void finish(std::function<void(net::Response)> reply) override {
    const auto opened = std::make_shared<Result<std::shared_ptr<net::LiveSource>>>();
    core_.post(
        [open = std::visit([this](const auto& wanted) { return opener(wanted); }, *wanted_), opened](store::Txn& txn) {
          *opened = open(txn);
          return true;
        },
        [opened, reply = std::move(reply)](const Error* error) { reply(answer(error, *opened)); });
  }

 private:
  using Open = std::function<Result<std::shared_ptr<net::LiveSource>>(store::Txn&)>;

  Open opener(const WantedOutput& wanted) {
    auto from = OutputFeed::Position::parse(net::findHeader(head_.headers, "Last-Event-ID").value_or(""));
    return [&feeds = feeds_, wanted, from = std::move(from)](store::Txn& txn) -> Result<std::shared_ptr<net::LiveSource>> {
      SP_TRY(auto feed, feeds.open(txn, wanted.command, wanted.instance, from, from.steps.empty() ? wanted.last : 0));
      return std::make_shared<FeedSource>(std::move(feed));
    };
  }
  Open opener(const WantedEvents& wanted) {
    return [&events = events_, wanted](store::Txn& txn) -> Result<std::shared_ptr<net::LiveSource>> {
      SP_TRY(auto follower, events.follow(txn, wanted.bus, wanted.pattern));
      return std::make_shared<FollowerSource>(std::move(follower));
    };
  }

  static net::Response answer(const Error* error, const Result<std::shared_ptr<net::LiveSource>>& opened) {
    if (error != nullptr) return refusal(503, "ServiceUnavailable", error->message);
    if (!opened) return refusal(opened.error());
    net::Response response;
    response.headers = {{"Content-Type", "text/event-stream; charset=utf-8"}, {"Cache-Control", "no-store"}};
    response.live = *opened;
    return response;
  }

  runtime::Core& core_;
  services::ssm::OutputFeeds& feeds_;
  services::events::Events& events_;
  const net::RequestHead head_;
  const std::optional<Wanted> wanted_;
};

}  // namespace

std::unique_ptr<net::Exchange> StreamFront::begin(net::RequestHead head) {
  return std::make_unique<StreamExchange>(core_, feeds_, events_, std::move(head));
}

}  // namespace sp::daemon

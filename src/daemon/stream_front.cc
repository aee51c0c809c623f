#include "daemon/stream_front.h"

#include <optional>

#include <fmt/format.h>

#include "base/strings.h"
#include "json/json.h"

namespace sp::daemon {
namespace {

using services::ssm::OutputFeed;

net::Response refusal(int status, std::string_view code, std::string_view message) {
  net::Response response;
  response.status = status;
  response.headers.push_back({"Content-Type", "application/x-amz-json-1.1"});
  response.body = json::toText(json::Object{{"__type", code}, {"message", message}});
  return response;
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

/// What is asked for.
struct Wanted {
  std::string command;
  std::string instance;
  std::uint64_t last = 0;
};

std::optional<Wanted> wantedOf(std::string_view target) {
  Wanted wanted;
  const auto question = target.find('?');
  if (question != std::string_view::npos) {
    const auto query = target.substr(question + 1);
    const auto last = query.starts_with("last=") ? parseInt(query.substr(5)) : std::nullopt;
    if (!last || *last < 0) return std::nullopt;
    wanted.last = static_cast<std::uint64_t>(*last);
  }
  const auto parts = split(target.substr(StreamFront::kPrefix.size(), question - StreamFront::kPrefix.size()), '/');
  if (parts.size() != 3 || parts[0] != "commands") return std::nullopt;
  wanted.command = percentDecode(parts[1]).value_or("");
  wanted.instance = percentDecode(parts[2]).value_or("");
  return wanted;
}

class StreamExchange final : public net::Exchange {
 public:
  StreamExchange(runtime::Core& core, services::ssm::OutputFeeds& feeds, net::RequestHead head)
      : core_(core), feeds_(feeds), head_(std::move(head)), wanted_(wantedOf(head_.target)) {}

  std::optional<net::Response> answerEarly() override {
    if (head_.method != "GET") return refusal(405, "MethodNotAllowed", "A stream is asked for by GET.");
    if (!wanted_)
      return refusal(404, "ResourceNotFoundException", "There is no such stream: ask for /_stream/commands/COMMAND/INSTANCE[?last=BYTES].");
    return std::nullopt;
  }
  std::optional<net::Response> body(std::string_view) override { return refusal(400, "ValidationException", "This request has no body."); }
  void finish(std::function<void(net::Response)> reply) override {
    auto from = OutputFeed::Position::parse(net::findHeader(head_.headers, "Last-Event-ID").value_or(""));
    const auto opened = std::make_shared<Result<std::shared_ptr<OutputFeed>>>();
    core_.post(
        [&feeds = feeds_, wanted = *wanted_, from = std::move(from), opened](store::Txn& txn) {
          *opened = feeds.open(txn, wanted.command, wanted.instance, from, from.steps.empty() ? wanted.last : 0);
          return true;
        },
        [opened, reply = std::move(reply)](const Error* error) { reply(answer(error, *opened)); });
  }

 private:
  static net::Response answer(const Error* error, const Result<std::shared_ptr<OutputFeed>>& opened) {
    if (error != nullptr) return refusal(503, "ServiceUnavailable", error->message);
    if (!opened)
      return opened.error().code == "feed.unknown" ? refusal(404, "InvocationDoesNotExist", opened.error().message)
                                                   : refusal(503, "TooManyStreams", opened.error().message);
    net::Response response;
    response.headers = {{"Content-Type", "text/event-stream; charset=utf-8"}, {"Cache-Control", "no-store"}};
    response.live = std::make_shared<FeedSource>(*opened);
    return response;
  }

  runtime::Core& core_;
  services::ssm::OutputFeeds& feeds_;
  const net::RequestHead head_;
  const std::optional<Wanted> wanted_;
};

}  // namespace

std::unique_ptr<net::Exchange> StreamFront::begin(net::RequestHead head) {
  return std::make_unique<StreamExchange>(core_, feeds_, std::move(head));
}

}  // namespace sp::daemon

// tail: what a script prints, while it runs.
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include <fmt/format.h>

#include "base/hash.h"
#include "base/strings.h"
#include "cli/api.h"
#include "cli/verbs/verbs.h"
#include "cli/views/event_stream.h"

namespace sp::cli {
namespace {

constexpr int kPauseMs = 200;
/// A server that restarts is waited for so long: 30 s.
constexpr int kTriesMax = 150;
constexpr int kOtherFailure = 1;

int complain(const Error& error) {
  fmt::print(stderr, "stillpoint: {}: {}\n", error.code, error.text());
  return kOtherFailure;
}

/// The only machine the command was sent to.
Result<std::string> onlyInstance(Api& api, const std::string& command) {
  SP_TRY(const auto listed, api.call("ssm", "AmazonSSM.ListCommandInvocations", {{"CommandId", command}}));
  std::vector<std::string> ids;
  if (const auto* list = json::find(listed, "CommandInvocations"); list != nullptr && list->is_array())
    for (const auto& each : list->get_array())
      if (each.is_object()) ids.push_back(json::textOr(each.get_object(), "InstanceId"));
  if (ids.empty()) return fail("cli.usage", fmt::format("there is no command '{}', or it was sent to no machine", command));
  if (ids.size() == 1) return ids.front();
  return fail("cli.usage", fmt::format("command {} was sent to {} machines: name one of them ({}{})", command, ids.size(),
                                       join({ids.begin(), ids.begin() + std::min<std::ptrdiff_t>(5, std::ssize(ids))}, ", "),
                                       ids.size() > 5 ? " …" : ""));
}

/// Why nothing may come of a command that has not ended on that machine; empty: its agent is connected. nullopt: it has ended, or who
/// knows.
std::optional<std::string> whySilent(Api& api, const std::string& command, const std::string& instance) {
  const auto listed = api.call("ssm", "AmazonSSM.ListCommandInvocations", {{"CommandId", command}, {"InstanceId", instance}});
  const auto* invocations = listed ? json::find(*listed, "CommandInvocations") : nullptr;
  if (invocations == nullptr || !invocations->is_array() || invocations->get_array().empty()) return std::nullopt;
  const auto state = json::textOr(invocations->get_array().front().as_object(), "Status");
  if (state != "Pending" && state != "InProgress" && state != "Delayed" && state != "Cancelling") return std::nullopt;
  const auto agents = api.call("stillpoint", "Stillpoint_20261101.ListAgents", {{"InstanceId", instance}});
  const auto* list = agents ? json::find(*agents, "Agents") : nullptr;
  if (list == nullptr || !list->is_array() || list->get_array().empty()) return std::nullopt;
  const auto status = json::textOr(list->get_array().front().as_object(), "Status");
  if (status == "Online") return "";
  if (status == "Revoked")
    return fmt::format("the agent of {0} is revoked: this waits until it is enrolled again (stillpoint enrol --instance {0})", instance);
  return fmt::format("the agent of {} is not connected: this waits until it is", instance);
}

class Tail {
 public:
  Tail(Api& api, const TailOptions& options) : api_(api), looks_(api.target()), options_(options) {}
  Result<int> run(const std::string& instance);

 private:
  Result<void> take(const ServerEvent& event);
  /// Says whether the machine's agent is away, or back, if that is news.
  void look(const std::string& instance);
  void print(const json::Object& data);
  void newLine();
  int exitCode() const;

  Api& api_;
  /// The other has its hands full with the stream.
  Api looks_;
  const TailOptions& options_;
  std::string position_;
  /// Why nothing comes, as it was said last.
  std::string said_;
  json::Object report_;
  bool over_ = false;
  bool complete_ = false;
  /// The last that was printed to where standard error goes ended within a line.
  bool within_line_ = false;
  int tries_ = 0;
};

Result<int> Tail::run(const std::string& instance) {
  const auto path = fmt::format("/_stream/commands/{}/{}{}", percentEncode(options_.command), percentEncode(instance),
                                options_.all ? "" : fmt::format("?last={}", options_.last));
  look(instance);
  EventStream events;
  while (!over_) {
    events.reset();
    const auto take_bytes = [&](std::string_view bytes) {
      tries_ = 0;
      bool silent = true;
      auto taken = events.feed(bytes, [&](const ServerEvent& event) {
        silent = false;
        return take(event);
      });
      // The server says so every ten seconds.
      if (silent) look(instance);
      return taken;
    };
    const auto streamed = api_.stream("stillpoint", path, position_, take_bytes);
    if (over_) break;
    if (!streamed && !streamed.error().code.starts_with("net.")) return std::unexpected(streamed.error());
    if (!streamed && ++tries_ > kTriesMax) return std::unexpected(streamed.error());
    ::poll(nullptr, 0, kPauseMs);
  }
  const auto status = json::textOr(report_, "StatusDetails");
  if (!options_.json && status != "Success") {
    const auto message = json::textOr(report_, "Message");
    newLine();
    fmt::print(stderr, "stillpoint: {} on {}{}{}\n", status, instance, message.empty() ? "" : ": ", message);
  }
  if (!complete_) {
    newLine();
    fmt::print(stderr, "stillpoint: the agent has not sent the rest of the output; try again when it is connected\n");
  }
  return exitCode();
}

void Tail::look(const std::string& instance) {
  const auto why = whySilent(looks_, options_.command, instance);
  if (!why || *why == said_) return;
  newLine();
  if (why->empty()) fmt::print(stderr, "stillpoint: the agent of {} is connected again\n", instance);
  else fmt::print(stderr, "stillpoint: {}\n", *why);
  std::fflush(nullptr);
  said_ = *why;
}

Result<void> Tail::take(const ServerEvent& event) {
  SP_TRY(const auto parsed, withContext(json::parse(event.data), "read an event"));
  if (!parsed.is_object()) return fail("cli.stream", "the server sent an event that is no object");
  const auto& data = parsed.get_object();
  position_ = event.id;
  if (options_.json) {
    fmt::print("{}\n", json::toText(json::Object{{"event", event.event}, {"id", event.id}, {"data", data}}));
  } else if (event.event == "output") {
    print(data);
  } else if (event.event == "gap") {
    newLine();
    fmt::print(stderr, "stillpoint: {} bytes of {} are missing here: the server had no room for them\n", json::intOr(data, "bytes", 0),
               json::textOr(data, "stream"));
  }
  if (event.event == "status") report_ = data;
  if (event.event == "end") {
    over_ = true;
    complete_ = json::boolOr(data, "complete", false);
  }
  // Each event as it comes, into pipes too; a reader that has gone ends it.
  if (std::fflush(nullptr) != 0) return fail("cli.output", "cannot write what the script printed");
  return {};
}

// Whether both are one terminal, pipe or file.
bool outputsAreOne() {
  struct stat out{};
  struct stat err{};
  return ::fstat(STDOUT_FILENO, &out) == 0 && ::fstat(STDERR_FILENO, &err) == 0 && out.st_dev == err.st_dev && out.st_ino == err.st_ino;
}

// What is told of a script stands on a line of its own.
void Tail::newLine() {
  if (within_line_) fmt::print(stderr, "\n");
  within_line_ = false;
}

void Tail::print(const json::Object& data) {
  auto* const to = json::textOr(data, "stream") == "stderr" ? stderr : stdout;
  const auto* encoded = json::find(data, "base64");
  const auto bytes = encoded == nullptr ? json::textOr(data, "text") : fromBase64(json::textOr(data, "base64")).value_or("");
  std::fwrite(bytes.data(), 1, bytes.size(), to);
  if (!bytes.empty() && (to == stderr || outputsAreOne())) within_line_ = bytes.back() != '\n';
}

// The script's own, where it has one; where it never ran, or its fate is not known, 1.
int Tail::exitCode() const {
  const auto code = json::intOr(report_, "ExitCode", -1);
  if (json::textOr(report_, "Status") == "Success") return static_cast<int>(std::clamp<std::int64_t>(code, 0, 255));
  return code > 0 && code <= 255 ? static_cast<int>(code) : kOtherFailure;
}

}  // namespace

int tailVerb(const Target& target, const TailOptions& options) {
  Api api(target);
  auto instance = options.instance.empty() ? onlyInstance(api, options.command) : Result<std::string>(options.instance);
  if (!instance) return complain(instance.error());
  const auto code = Tail(api, options).run(*instance);
  return code ? *code : complain(code.error());
}

}  // namespace sp::cli

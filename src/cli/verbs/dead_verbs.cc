// events dead: what could not be delivered and stands in the list of the queue that its target names.
#include <cstdio>

#include <fmt/format.h>

#include "base/time_format.h"
#include "cli/api.h"
#include "cli/verbs/verbs.h"
#include "cli/views/schedule_words.h"
#include "cli/views/terminal.h"

namespace sp::cli {
namespace {

constexpr std::size_t kAtOnce = 100;

int failed(const Error& error) {
  fmt::print(stderr, "stillpoint: {}: {}\n", error.code, error.text());
  return 1;
}

Result<json::Object> call(Api& api, std::string_view operation, const json::Object& input) {
  return api.call("stillpoint", fmt::format("Stillpoint_20261101.{}", operation), input);
}

// All pages of a listing.
Result<json::Array> all(Api& api, std::string_view operation, json::Object input, std::string_view member) {
  json::Array out;
  while (true) {
    SP_TRY(const auto answer, call(api, operation, input));
    for (const auto& each : answer.at(member).as_array()) out.push_back(each);
    const auto token = json::textOr(answer, "NextToken");
    if (token.empty()) return out;
    input["NextToken"] = token;
  }
}

std::string localTime(const json::Object& object, std::string_view key) {
  const auto text = json::textOr(object, key);
  const auto at = parseIso8601(text);
  return at ? localIso8601(*at) : text;
}

void printQueue(const json::Object& queue) {
  const auto dropped = json::intOr(queue, "Dropped", 0);
  fmt::print("{}  {} letter{}, {}, the oldest of {}{}\n", json::textOr(queue, "QueueName"), json::intOr(queue, "Letters", 0),
             json::intOr(queue, "Letters", 0) == 1 ? "" : "s", humanBytes(static_cast<double>(json::intOr(queue, "Bytes", 0))),
             localTime(queue, "Oldest"), dropped > 0 ? fmt::format(", {} dropped for newer ones", dropped) : "");
}

void printLetter(const json::Object& letter) {
  const auto& attributes = letter.at("Attributes").as_object();
  const auto rule = json::textOr(attributes, "RULE_ARN", json::textOr(attributes, "SCHEDULE_ARN"));
  fmt::print("{}  {}  {}\n  {} -> {}\n  {}\n", json::textOr(letter, "LetterId"), localTime(letter, "Since"),
             json::textOr(attributes, "ERROR_CODE"), rule, json::textOr(attributes, "TARGET_ARN"),
             json::textOr(attributes, "ERROR_MESSAGE"));
}

// One call for each hundred, or for all that were there at the first.
Result<std::int64_t> each(Api& api, std::string_view operation, const DeadOptions& options, json::Array& missing) {
  std::int64_t count = 0;
  std::string token;
  for (std::size_t at = 0; at < options.letters.size() || options.all;) {
    json::Object input{{"QueueName", options.queue}};
    json::Array ids;
    for (; at < options.letters.size() && ids.size() < kAtOnce; ++at) ids.emplace_back(options.letters[at]);
    if (!options.all) input["LetterIds"] = std::move(ids);
    if (!token.empty()) input["NextToken"] = token;
    SP_TRY(const auto answer, call(api, operation, input));
    count += json::intOr(answer, "Count", 0);
    for (const auto& id : answer.at("Missing").as_array()) missing.push_back(id);
    token = json::textOr(answer, "NextToken");
    if (options.all && token.empty()) break;
  }
  return count;
}

}  // namespace

int deadListVerb(const Target& target, const DeadOptions& options) {
  Api api(target);
  const bool queues = options.queue.empty();
  const auto found =
      queues ? all(api, "ListDeadLetterQueues", {}, "Queues") : all(api, "ListDeadLetters", {{"QueueName", options.queue}}, "Letters");
  if (!found) return failed(found.error());
  if (options.json) {
    fmt::print("{}\n", json::toText(*found));
    return 0;
  }
  if (found->empty()) fmt::print("nothing that could not be delivered{}\n", queues ? "" : " stands in " + options.queue);
  for (const auto& one : *found) {
    if (queues) printQueue(one.as_object());
    else printLetter(one.as_object());
  }
  return 0;
}

int deadShowVerb(const Target& target, const DeadOptions& options) {
  Api api(target);
  const auto letter = call(api, "DescribeDeadLetter", {{"QueueName", options.queue}, {"LetterId", options.letters.at(0)}});
  if (!letter) return failed(letter.error());
  if (options.json) {
    fmt::print("{}\n", json::toText(*letter));
    return 0;
  }
  fmt::print("{}  given up {}, kept until {}\n", json::textOr(*letter, "LetterId"), localTime(*letter, "Since"),
             localTime(*letter, "Until"));
  for (const auto& attribute : letter->at("Attributes").as_object())
    fmt::print("  {}  {}\n", std::string_view(attribute.key().data(), attribute.key().size()), json::toView(attribute.value().as_string()));
  const auto message = json::textOr(*letter, "Message");
  const auto parsed = json::parse(message, 1010);
  fmt::print("{}\n", parsed ? json::toPrettyText(*parsed) : message);
  return 0;
}

int deadSendVerb(const Target& target, const DeadOptions& options, bool send) {
  if (options.letters.empty() != options.all) {
    fmt::print(stderr, "stillpoint: cli.usage: give the letters' ids, or --all\n");
    return 2;
  }
  Api api(target);
  json::Array missing;
  const auto count = each(api, send ? "RedriveDeadLetters" : "DeleteDeadLetters", options, missing);
  if (!count) return failed(count.error());
  if (options.json) {
    fmt::print("{}\n", json::toText(json::Object{{"Count", *count}, {"Missing", missing}}));
  } else {
    fmt::print("{} {}\n", *count, send ? "sent again" : "deleted");
    for (const auto& id : missing) fmt::print(stderr, "stillpoint: {} is not there\n", json::toView(id.as_string()));
  }
  return missing.empty() ? 0 : 1;
}

}  // namespace sp::cli

// instance list, add, power, tag, remove.
#include <poll.h>

#include <chrono>
#include <iostream>
#include <iterator>

#include <fmt/format.h>

#include "base/strings.h"
#include "cli/api.h"
#include "cli/verbs/verbs.h"
#include "cli/views/terminal.h"
#include "os/file.h"

namespace sp::cli {
namespace {

constexpr std::string_view kPrefix = "Stillpoint_20261101.";
// A driver's preflight and one look; a holder that is away may take longer, which is said.
constexpr std::chrono::seconds kSettlePatience{90};

int complain(const Error& error) {
  fmt::print(stderr, "stillpoint: {}: {}\n", error.code, error.message);
  return error.code == "cli.usage" ? 2 : 1;
}

Result<json::Object> call(Api& api, std::string_view operation, const json::Object& input) {
  return api.call("stillpoint", std::string(kPrefix) + std::string(operation), input);
}

/// A JSON list of words, or words with blanks between them: what needs quotes needs the list.
Result<json::Array> wordsOf(std::string_view option, const std::string& text) {
  const auto given = trim(text);
  if (given.starts_with("[")) {
    const auto parsed = json::parse(given);
    if (!parsed || !parsed->is_array()) return fail("cli.usage", fmt::format("{} is no JSON list of words: {}", option, text));
    return parsed->get_array();
  }
  if (given.find_first_of("'\"\\`$|&;<>") != std::string_view::npos)
    return fail("cli.usage",
                fmt::format("{} is run without a shell: give a JSON list of words where quotes or shell signs are needed", option));
  json::Array words;
  for (const auto word : split(given, ' '))
    if (!word.empty()) words.emplace_back(word);
  return words;
}

Result<json::Object> powerFile(const std::string& path) {
  std::string text;
  if (path == "-") text.assign(std::istreambuf_iterator<char>(std::cin), {});
  else { SP_TRY(text, os::readFile(path, 1U << 20U)); }
  SP_TRY(auto parsed, withContext(json::parse(text), path));
  if (!parsed.is_object()) return fail("cli.usage", path + " holds no JSON object");
  return std::move(parsed.get_object());
}

/// Driver, Power, HeldBy, Volumes, HostName as given.
Result<json::Object> specOf(const InstanceOptions& options) {
  json::Object input;
  json::Object power;
  if (!options.power_file.empty()) { SP_TRY(power, powerFile(options.power_file)); }
  const std::array commands{std::tuple{"--start", "Start", &options.start}, std::tuple{"--stop", "Stop", &options.stop},
                            std::tuple{"--status", "Status", &options.status}, std::tuple{"--force-stop", "ForceStop", &options.force_stop},
                            std::tuple{"--argv", "Argv", &options.argv}};
  for (const auto& [option, member, text] : commands) {
    if (text->empty()) continue;
    SP_TRY(power[member], wordsOf(option, *text));
  }
  if (!options.guest_agent.empty()) power["GuestAgent"] = options.guest_agent;
  if (options.stop_timeout != 0) power["StopTimeoutInSeconds"] = options.stop_timeout;
  auto driver = options.driver;
  if (driver.empty() && power.contains("Argv")) driver = "qemu";
  if (driver.empty() && (power.contains("Start") || power.contains("Status"))) driver = "exec";
  if (!driver.empty()) input["Driver"] = driver;
  if (!power.empty()) input["Power"] = std::move(power);
  if (!options.held_by.empty()) input["HeldBy"] = options.held_by;
  if (!options.hostname.empty()) input["HostName"] = options.hostname;
  if (options.no_volumes) input["Volumes"] = json::Array{};
  else if (!options.volumes.empty()) input["Volumes"] = json::Array(options.volumes.begin(), options.volumes.end());
  return input;
}

Result<json::Array> tagsOf(const InstanceOptions& options) {
  json::Array tags;
  if (!options.name.empty()) tags.push_back(json::Object{{"Key", "Name"}, {"Value", options.name}});
  for (const auto& text : options.tags) {
    const auto at = text.find('=');
    if (at == std::string::npos || at == 0) return fail("cli.usage", fmt::format("a tag is KEY=VALUE: '{}'", text));
    tags.push_back(json::Object{{"Key", text.substr(0, at)}, {"Value", text.substr(at + 1)}});
  }
  return tags;
}

/// Waits until the driver has told the machine's state, or why it cannot.
Result<json::Object> awaitKnown(Api& api, json::Object instance) {
  const auto deadline = std::chrono::steady_clock::now() + kSettlePatience;
  const auto id = json::textOr(instance, "InstanceId");
  while (!json::boolOr(instance, "PowerKnown", true) && json::textOr(instance, "PowerError").empty() &&
         std::chrono::steady_clock::now() < deadline) {
    ::poll(nullptr, 0, 100);
    SP_TRY(const auto answer, call(api, "ListInstances", {{"InstanceId", id}}));
    instance = answer.at("Instances").as_array().at(0).as_object();
  }
  return instance;
}

int show(Api& api, const Result<json::Object>& given, bool json) {
  if (!given) return complain(given.error());
  const auto settled = awaitKnown(api, *given);
  if (!settled) return complain(settled.error());
  const auto id = json::textOr(*settled, "InstanceId");
  if (json) fmt::print("{}\n", json::toText(*settled));
  else fmt::print("{}  {}  {}\n", id, json::textOr(*settled, "State"), json::textOr(*settled, "Driver"));
  if (const auto error = json::textOr(*settled, "PowerError"); !error.empty()) {
    fmt::print(stderr, "stillpoint: {} is kept, but its power driver does not work: {}\n", id, error);
    return 1;
  }
  if (!json::boolOr(*settled, "PowerKnown", true)) {
    fmt::print(stderr, "stillpoint: the agent '{}', which holds the driver of {}, has not answered yet\n", json::textOr(*settled, "HeldBy"),
               id);
    return 1;
  }
  return 0;
}

}  // namespace

int instanceAddVerb(const Target& target, const InstanceOptions& options) {
  Api api(target);
  auto input = specOf(options);
  if (!input) return complain(input.error());
  if (!input->contains("Driver"))
    return complain(fail("cli.usage", "give --driver none, or what powers it (--start … or --argv …)").error());
  auto tags = tagsOf(options);
  if (!tags) return complain(tags.error());
  if (!tags->empty()) (*input)["Tags"] = std::move(*tags);
  return show(api, call(api, "AddInstance", *input), options.json);
}

int instancePowerVerb(const Target& target, const InstanceOptions& options) {
  Api api(target);
  auto input = specOf(options);
  if (!input) return complain(input.error());
  if (input->empty()) return complain(fail("cli.usage", "nothing to change: give a driver, a holder, a host name or volumes").error());
  (*input)["InstanceId"] = options.instance;
  return show(api, call(api, "SetInstancePower", *input), options.json);
}

int instanceTagVerb(const Target& target, const InstanceOptions& options) {
  Api api(target);
  auto tags = tagsOf(options);
  if (!tags) return complain(tags.error());
  if (tags->empty() && options.removed_tags.empty()) return complain(fail("cli.usage", "give KEY=VALUE or --remove KEY").error());
  json::Object input{{"InstanceId", options.instance}};
  if (!tags->empty()) input["Tags"] = std::move(*tags);
  if (!options.removed_tags.empty()) input["RemoveTagKeys"] = json::Array(options.removed_tags.begin(), options.removed_tags.end());
  const auto answer = call(api, "TagInstance", input);
  if (!answer) return complain(answer.error());
  if (options.json) fmt::print("{}\n", json::toText(*answer));
  else
    for (const auto& tag : answer->at("Tags").as_object())
      fmt::print("{}={}\n", std::string_view(tag.key().data(), tag.key().size()), json::toView(tag.value().as_string()));
  return 0;
}

int instanceRemoveVerb(const Target& target, const InstanceOptions& options) {
  Api api(target);
  const auto answer = call(api, "RemoveInstance", {{"InstanceId", options.instance}});
  if (!answer) return complain(answer.error());
  if (options.json) fmt::print("{}\n", json::toText(*answer));
  else fmt::print("{} is forgotten; the machine itself was left as it is\n", options.instance);
  return 0;
}

int instanceListVerb(const Target& target, bool json) {
  Api api(target);
  json::Array all;
  std::string token;
  do {
    json::Object input;
    if (!token.empty()) input["NextToken"] = token;
    const auto answer = call(api, "ListInstances", input);
    if (!answer) return complain(answer.error());
    for (const auto& each : answer->at("Instances").as_array()) all.push_back(each);
    token = json::textOr(*answer, "NextToken");
  } while (!token.empty());
  if (json) {
    fmt::print("{}\n", json::toText(all));
    return 0;
  }
  Terminal terminal;
  if (all.empty())
    fmt::print(
        "no machines yet (stillpoint instance add --help; for demo machines: aws ec2 run-instances --image-id ami-demo --count 1)\n");
  for (const auto& element : all) {
    const auto& instance = element.as_object();
    const auto state = json::textOr(instance, "State");
    const auto colour = state == "running" ? Colour::green : state == "terminated" ? Colour::dim : Colour::yellow;
    const auto error = json::textOr(instance, "PowerError");
    std::string tags;
    for (const auto& tag : instance.at("Tags").as_object())
      tags += fmt::format(" {}={}", std::string_view(tag.key().data(), tag.key().size()), json::toView(tag.value().as_string()));
    const auto holder = json::textOr(instance, "InUseBy");
    fmt::print("{}  {}  {}  {}{}{}{}\n", json::textOr(instance, "InstanceId"), padded(terminal.paint(state, colour), 13),
               padded(json::textOr(instance, "ImageId", json::textOr(instance, "Driver")), 9),
               padded(json::textOr(instance, "Agent", "–"), 8), tags, holder.empty() ? "" : "  in use by " + holder,
               error.empty() ? "" : "  " + terminal.paint("power: " + error, Colour::red));
  }
  return 0;
}

}  // namespace sp::cli

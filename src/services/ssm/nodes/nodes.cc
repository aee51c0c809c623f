#include "services/ssm/nodes/nodes.h"

#include <fmt/format.h>

#include "agentwire/messages.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/strings.h"
#include "base/time_format.h"
#include "model/power.h"

namespace sp::services::ssm {
namespace {

constexpr std::string_view kGone = "ssm.token_gone";
/// An expired token is shown for so long.
constexpr auto kShownExpired = std::chrono::hours(24 * 30);
/// Fits into the text's own bytes: there is one for each session.
constexpr std::size_t kEnrolmentDigits = 12;
constexpr std::size_t kPage = 1000;
constexpr std::size_t kHostnameMost = 255;

std::unexpected<runtime::AgentRefusal> refuse(std::string_view code, std::string message) {
  return std::unexpected(runtime::AgentRefusal{std::string(code), std::move(message)});
}

runtime::AgentRefusal revokedRefusal(const Registration& registration) {
  return {std::string(agentwire::kRevoked),
          fmt::format("the agent of {} was revoked by {} at {}: enrol it again with a token of `stillpoint enrol --instance {}`",
                      registration.instance, registration.revoked_by, toIso8601Seconds(registration.revoked), registration.instance)};
}

runtime::AgentRefusal unknownRefusal(std::string_view agent) {
  return {std::string(agentwire::kUnknownAgent),
          fmt::format("there is no machine {} here, or it is terminated: enrol this host with a new token (`stillpoint enrol`)", agent)};
}

}  // namespace

Nodes::Nodes(Context& context, ec2::Instances& instances, runtime::AgentAuthority& authority)
    : context_(context), instances_(instances), authority_(authority) {
  context_.core.onTimer(std::string(kGone), [](store::Txn& txn, const store::Timer& timer) { eraseToken(txn, timer.id); });
  instances_.onSettled([this](store::Txn& txn, const Instance& instance, const std::string&) {
    if (instance.state != InstanceState::terminated) return;
    eraseRegistration(txn, instance.id);
    txn.afterCommit([this, id = instance.id] { authority_.bar(id, unknownRefusal(id)); });
  });
}

void Nodes::recover(store::Txn& txn) {
  std::string after;
  while (true) {
    const auto page = registrationsAfter(txn, after, kPage);
    for (const auto& registration : page) {
      if (registration.isRevoked()) authority_.bar(registration.instance, revokedRefusal(registration));
      else authority_.admit(registration.instance, registration.enrolment);
    }
    if (page.size() < kPage) return;
    after = page.back().instance;
  }
}

std::expected<Nodes::NewToken, aws::ApiError> Nodes::create(store::Txn& txn, EnrolmentToken token) {
  if (!token.instance.empty()) {
    const auto instance = instances_.find(txn, token.instance);
    if (!instance || instance->isGone()) return aws::refuse("ResourceNotFoundException", "there is no machine " + token.instance);
  }
  token.created = txn.now();
  const auto code = fmt::format("{}.{}", createToken(txn, context_.random, token), authority_.pin());
  txn.timers().set({std::string(kGone), token.id, token.expires + kShownExpired, ""});
  log::info("enrolment token made", {{"token", token.id}, {"uses", token.limit}, {"instance", token.instance}, {"by", token.by}});
  return NewToken{token, fmt::format("{}.{}", token.id, code), code};
}

std::expected<Nodes::Granted, runtime::AgentRefusal> Nodes::enrol(store::Txn& txn, const Request& request) {
  const auto text = readTokenText(request.token);
  auto token = text ? findToken(txn, text->id) : std::nullopt;
  if (!token || !equalConstantTime(token->secret_hash, sha256Hex(text->secret)))
    return refuse(agentwire::kBadToken,
                  "this token is none of this server's: it was mistyped or revoked. Make a new one with `stillpoint enrol`");
  const auto key_hash = sha256Hex(request.public_key);
  if (const auto earlier = findRegistration(txn, token->id, key_hash)) {
    // The answer was lost on its way: the machine asks again.
    if (earlier->isRevoked()) return std::unexpected(revokedRefusal(*earlier));
    return Granted{earlier->instance, earlier->certificate};
  }
  if (token->expires <= txn.now())
    return refuse(agentwire::kSpentToken, fmt::format("the token {} expired at {}. Make a new one with `stillpoint enrol`", token->id,
                                                      toIso8601Seconds(token->expires)));
  if (token->used >= token->limit)
    return refuse(agentwire::kSpentToken, fmt::format("the token {} was used by {} of {} machines. Make a new one with `stillpoint enrol`",
                                                      token->id, token->used, token->limit));
  auto instance = machineOf(txn, *token, request);
  if (!instance) return std::unexpected(std::move(instance.error()));
  return grant(txn, std::move(*token), *instance, request, key_hash);
}

std::expected<Instance, runtime::AgentRefusal> Nodes::machineOf(store::Txn& txn, const EnrolmentToken& token, const Request& request) {
  if (!token.instance.empty()) {
    auto bound = instances_.find(txn, token.instance);
    if (!bound || bound->isGone()) return std::unexpected(unknownRefusal(token.instance));
    return std::move(*bound);
  }
  auto tags = token.tags;
  if (!token.name.empty()) tags.emplace("Name", token.name);
  return instances_.addEnrolled(txn, std::string(cutText(json::textOr(request.facts, "hostname"), kHostnameMost)), std::move(tags));
}

std::expected<Nodes::Granted, runtime::AgentRefusal> Nodes::grant(store::Txn& txn, EnrolmentToken token, const Instance& instance,
                                                                  const Request& request, const std::string& key_hash) {
  Registration registration;
  registration.instance = instance.id;
  registration.enrolment = context_.random.hex(kEnrolmentDigits);
  const auto signed_by_us = authority_.certify(instance.id, registration.enrolment, request.public_key);
  if (!signed_by_us) {
    log::error("cannot issue a certificate", {{"instance", instance.id}, {"error", signed_by_us.error().text()}});
    return refuse("internal", "the server could not issue the certificate: " + signed_by_us.error().message);
  }
  registration.token = token.id;
  registration.key_hash = key_hash;
  registration.certificate = signed_by_us->certificate;
  registration.certificate_expires = signed_by_us->expires;
  registration.enrolled = txn.now();
  registration.machine = json::textOr(request.facts, "machine");
  registration.by_activation = token.activation;
  registration.role = token.role;
  saveRegistration(txn, registration);
  ++token.used;
  saveToken(txn, token);
  log::info("machine enrolled", {{"instance", instance.id}, {"token", token.id}, {"remote", request.remote}});
  txn.afterCommit([this, id = instance.id, enrolment = registration.enrolment] { authority_.admit(id, enrolment); });
  return Granted{instance.id, registration.certificate};
}

std::expected<runtime::SignedCertificate, runtime::AgentRefusal> Nodes::renew(store::Txn& txn, std::string_view agent,
                                                                              std::string_view enrolment, const std::string& public_key) {
  if (!instances_.admits(txn, agent)) return std::unexpected(unknownRefusal(agent));
  auto registration = findRegistration(txn, agent);
  if (registration && registration->isRevoked()) return std::unexpected(revokedRefusal(*registration));
  if ((registration ? std::string_view(registration->enrolment) : std::string_view()) != enrolment)
    return refuse(agentwire::kSuperseded, fmt::format("{} was enrolled anew: this certificate is of an earlier enrolment", agent));
  auto renewed = authority_.certify(agent, enrolment, public_key);
  if (!renewed) {
    log::error("cannot renew a certificate", {{"agent", agent}, {"error", renewed.error().text()}});
    return refuse("internal", "the server could not issue the certificate: " + renewed.error().message);
  }
  if (registration && !registration->enrolment.empty()) {
    registration->certificate = renewed->certificate;
    registration->certificate_expires = renewed->expires;
    saveRegistration(txn, *registration);
  }
  log::info("certificate renewed", {{"agent", agent}, {"until", toIso8601Seconds(renewed->expires)}});
  return std::move(*renewed);
}

std::optional<runtime::AgentRefusal> Nodes::greet(store::Txn& txn, const std::string& agent, const json::Object& hello) {
  if (!instances_.admits(txn, agent)) return unknownRefusal(agent);
  auto registration = findRegistration(txn, agent);
  if (!registration) return std::nullopt;
  if (registration->isRevoked()) return revokedRefusal(*registration);
  const auto machine = json::textOr(hello, "machine");
  if (machine == registration->machine) return std::nullopt;
  if (machine.empty())
    return runtime::AgentRefusal{
        std::string(agentwire::kCloned),
        fmt::format(
            "{} is bound to its hardware, and this agent cannot tell the name of the hardware that it runs on: it may be a copy. Run "
            "it as root, or with the --machine-id-file that it was enrolled with; a copy is enrolled by itself (`stillpoint enrol`)",
            agent)};
  if (!registration->machine.empty())
    return runtime::AgentRefusal{
        std::string(agentwire::kCloned),
        fmt::format("this is not the machine that enrolled as {}: its hardware has another name. A copy of a machine is enrolled by itself "
                    "(`stillpoint enrol`); if the hardware of {} was replaced, enrol it with `stillpoint enrol --instance {}`",
                    agent, agent, agent)};
  registration->machine = machine;
  saveRegistration(txn, *registration);
  return std::nullopt;
}

std::expected<void, aws::ApiError> Nodes::revoke(store::Txn& txn, std::string_view instance, std::string_view by) {
  const auto machine = instances_.find(txn, instance);
  if (!machine || machine->isGone()) return aws::refuse("InvalidInstanceId", fmt::format("there is no machine '{}'", instance));
  auto registration = findRegistration(txn, instance).value_or(Registration{});
  registration.instance = instance;
  if (registration.isRevoked()) return {};
  registration.revoked_by = by;
  registration.revoked = txn.now();
  saveRegistration(txn, registration);
  log::warn("agent revoked", {{"instance", registration.instance}, {"by", registration.revoked_by}});
  txn.afterCommit([this, registration] { authority_.bar(registration.instance, revokedRefusal(registration)); });
  return {};
}

std::expected<void, aws::ApiError> Nodes::deregister(store::Txn& txn, std::string_view instance, std::string_view by) {
  const auto registration = findRegistration(txn, instance);
  const auto machine = instances_.find(txn, instance);
  if (!registration || registration->enrolment.empty() || !machine || machine->isGone())
    return aws::refuse("InvalidInstanceId", fmt::format("'{}' is no managed instance: no machine with that id has enrolled.", instance));
  if (machine->driver != kNoPower) return revoke(txn, instance, by);
  // The machine itself is left as it is; its command history stays.
  const auto removed = instances_.terminate(txn, instance, false, "api");
  if (!removed) return aws::refuse("InvalidInstanceId", removed.error().message);
  return {};
}

}  // namespace sp::services::ssm

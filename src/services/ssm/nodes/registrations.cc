#include "services/ssm/nodes/registrations.h"

#include <fmt/format.h>

#include "base/log.h"
#include "json/json.h"

namespace sp::services::ssm {
namespace {

constexpr std::string_view kKind = "registration";
constexpr std::string_view kEnrolledBy = "enrolled_by";

std::optional<Registration> decode(const store::Record& record) {
  const auto parsed = json::parse(record.body);
  if (!parsed || !parsed->is_object()) {
    log::error("a registration's record is broken", {{"instance", record.key}});
    return std::nullopt;
  }
  const auto& body = parsed->get_object();
  return Registration{record.key,
                      json::textOr(body, "enrolment"),
                      json::textOr(body, "token"),
                      json::textOr(body, "keyHash"),
                      json::textOr(body, "certificate"),
                      fromMicros(json::intOr(body, "certificateExpires", 0)),
                      fromMicros(json::intOr(body, "enrolled", 0)),
                      json::textOr(body, "machine"),
                      json::boolOr(body, "byActivation", false),
                      json::textOr(body, "role"),
                      json::textOr(body, "revokedBy"),
                      fromMicros(json::intOr(body, "revoked", 0))};
}

std::string enrolledBy(std::string_view token, std::string_view key_hash) { return fmt::format("{}/{}", token, key_hash); }

}  // namespace

void saveRegistration(store::Txn& txn, const Registration& registration) {
  txn.records().put(kKind, registration.instance,
                    json::toText(json::Object{{"enrolment", registration.enrolment},
                                              {"token", registration.token},
                                              {"keyHash", registration.key_hash},
                                              {"certificate", registration.certificate},
                                              {"certificateExpires", toMicros(registration.certificate_expires)},
                                              {"enrolled", toMicros(registration.enrolled)},
                                              {"machine", registration.machine},
                                              {"byActivation", registration.by_activation},
                                              {"role", registration.role},
                                              {"revokedBy", registration.revoked_by},
                                              {"revoked", toMicros(registration.revoked)}}));
  txn.records().index(kKind, registration.instance, kEnrolledBy,
                      registration.token.empty() ? "" : enrolledBy(registration.token, registration.key_hash));
}

std::optional<Registration> findRegistration(store::Txn& txn, std::string_view instance) {
  auto body = txn.records().get(kKind, instance);
  return body ? decode({std::string(instance), std::move(*body)}) : std::nullopt;
}

std::optional<Registration> findRegistration(store::Txn& txn, std::string_view token, std::string_view key_hash) {
  const auto found = txn.records().findBy(kKind, kEnrolledBy, enrolledBy(token, key_hash), "", 1);
  return found.empty() ? std::nullopt : decode(found.front());
}

std::vector<Registration> registrationsAfter(store::Txn& txn, std::string_view instance, std::size_t limit) {
  std::vector<Registration> found;
  for (const auto& record : txn.records().scan(kKind, "", instance, limit))
    if (auto registration = decode(record)) found.push_back(std::move(*registration));
  return found;
}

void eraseRegistration(store::Txn& txn, std::string_view instance) { txn.records().erase(kKind, instance); }

}  // namespace sp::services::ssm

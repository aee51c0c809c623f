#include "services/ssm/nodes/tokens.h"

#include "base/hash.h"
#include "base/log.h"
#include "json/json.h"

namespace sp::services::ssm {
namespace {

constexpr std::string_view kKind = "enrolment_token";
constexpr std::size_t kSecretDigits = 64;
constexpr std::size_t kIdDigits = 12;

std::optional<EnrolmentToken> decode(const store::Record& record) {
  const auto parsed = json::parse(record.body);
  if (!parsed || !parsed->is_object()) {
    log::error("an enrolment token's record is broken", {{"token", record.key}});
    return std::nullopt;
  }
  const auto& body = parsed->get_object();
  EnrolmentToken token;
  token.id = record.key;
  token.secret_hash = json::textOr(body, "secretHash");
  token.description = json::textOr(body, "description");
  token.name = json::textOr(body, "name");
  if (const auto* tags = json::find(body, "tags"); tags != nullptr && tags->is_object())
    for (const auto& [key, value] : tags->get_object())
      if (value.is_string()) token.tags.emplace(std::string(key), json::toStd(value.get_string()));
  token.instance = json::textOr(body, "instance");
  token.limit = json::intOr(body, "limit", 1);
  token.used = json::intOr(body, "used", 0);
  token.created = fromMicros(json::intOr(body, "created", 0));
  token.expires = fromMicros(json::intOr(body, "expires", 0));
  token.role = json::textOr(body, "role");
  token.by = json::textOr(body, "by");
  token.activation = json::boolOr(body, "activation", false);
  return token;
}

}  // namespace

std::string createToken(store::Txn& txn, Random& random, EnrolmentToken& token) {
  token.id = token.activation ? random.uuid() : "et-" + random.hex(kIdDigits);
  auto secret = random.hex(kSecretDigits);
  token.secret_hash = sha256Hex(secret);
  saveToken(txn, token);
  return secret;
}

void saveToken(store::Txn& txn, const EnrolmentToken& token) {
  json::Object tags;
  for (const auto& [key, value] : token.tags) tags.emplace(key, value);
  txn.records().put(kKind, token.id,
                    json::toText(json::Object{{"secretHash", token.secret_hash},
                                              {"description", token.description},
                                              {"name", token.name},
                                              {"tags", std::move(tags)},
                                              {"instance", token.instance},
                                              {"limit", token.limit},
                                              {"used", token.used},
                                              {"created", toMicros(token.created)},
                                              {"expires", toMicros(token.expires)},
                                              {"role", token.role},
                                              {"by", token.by},
                                              {"activation", token.activation}}));
}

std::optional<EnrolmentToken> findToken(store::Txn& txn, std::string_view id) {
  auto body = txn.records().get(kKind, id);
  return body ? decode({std::string(id), std::move(*body)}) : std::nullopt;
}

std::vector<EnrolmentToken> tokensAfter(store::Txn& txn, std::string_view id, std::size_t limit) {
  std::vector<EnrolmentToken> found;
  for (const auto& record : txn.records().scan(kKind, "", id, limit))
    if (auto token = decode(record)) found.push_back(std::move(*token));
  return found;
}

bool eraseToken(store::Txn& txn, std::string_view id) { return txn.records().erase(kKind, id); }

std::optional<TokenText> readTokenText(std::string_view text) {
  const auto first = text.find('.');
  if (first == std::string_view::npos) return std::nullopt;
  const auto rest = text.substr(first + 1);
  TokenText read{text.substr(0, first), rest.substr(0, rest.find('.'))};
  const auto hexadecimal = [](std::string_view part) { return part.find_first_not_of("0123456789abcdef") == std::string_view::npos; };
  const bool good = !read.id.empty() && read.id.size() <= 40 && read.secret.size() == kSecretDigits && hexadecimal(read.secret);
  return good ? std::optional(read) : std::nullopt;
}

}  // namespace sp::services::ssm

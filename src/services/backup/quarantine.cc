#include "services/backup/quarantine.h"

#include "base/log.h"
#include "services/backup/recovery_points.h"
#include "services/backup/table.h"

namespace sp::services::backup {
namespace {

constexpr std::size_t kAll = 100'000;

std::string prefixOf(std::string_view vault, std::string_view instance) {
  return instance.empty() ? fmt::format("{}/", vault) : fmt::format("{}/{}/", vault, instance);
}

json::Array texts(const std::vector<std::string>& values) {
  json::Array out;
  for (const auto& value : values) out.emplace_back(value);
  return out;
}

std::string encode(const runtime::VaultSnapshot& snapshot) {
  return json::toText(json::Object{{"id", snapshot.id},
                                   {"time", snapshot.time},
                                   {"host", snapshot.host},
                                   {"user", snapshot.user},
                                   {"paths", texts(snapshot.paths)},
                                   {"tags", texts(snapshot.tags)},
                                   {"problem", snapshot.problem}});
}

Result<runtime::VaultSnapshot> decode(const std::string& body) {
  SP_TRY(const auto parsed, json::parse(body));
  if (!parsed.is_object()) return fail("record.form", "not a JSON object");
  json::Reader reader(parsed.get_object(), "vault_quarantine");
  runtime::VaultSnapshot out{reader.text("id"),       reader.text("time"),    reader.text("host"),   reader.text("user"),
                             reader.textsIf("paths"), reader.textsIf("tags"), reader.text("problem")};
  SP_CHECK_OK(reader.finish());
  return out;
}

}  // namespace

Quarantine::Quarantine(Context& context, runtime::VaultKeeper& keeper, Vaults& vaults, RecoveryPoints& points)
    : context_(context), keeper_(keeper), vaults_(vaults), points_(points) {}

// Recovery points, what jobs under way have stored, and what is to be forgotten.
std::set<std::string> Quarantine::known(store::Txn& txn, const std::string& vault, const std::string& instance) const {
  std::set<std::string> out;
  for (auto& point : points_.of(txn, vault, instance)) out.insert(std::move(point.snapshot));
  for (const auto& record : txn.records().findBy(kJobKind, "machine", instance, "", kAll)) {
    const auto job = decodeRecord<Job>(kJobKind, record.key, record.body);
    if (!job || job->vault != vault) continue;
    out.insert(job->snapshot);
    out.insert(job->superseded.begin(), job->superseded.end());
  }
  const auto prefix = prefixOf(vault, instance);
  for (const auto& record : txn.records().scan(kForgetKind, prefix, "", kAll)) out.insert(record.key.substr(prefix.size()));
  return out;
}

bool Quarantine::looking(std::string_view vault, std::string_view instance) const {
  return looking_.contains(fmt::format("{}/{}", vault, instance));
}

void Quarantine::look(store::Txn& txn, const std::string& vault, const std::string& instance) {
  const auto repository = vaults_.repository(txn, vault, instance);
  if (!repository || repository->state != "ready" || looking(vault, instance)) return;
  txn.afterCommit([this, repository = *repository, known = known(txn, vault, instance)] {
    // Two that asked in one commit need but one answer.
    if (!looking_.insert(fmt::format("{}/{}", repository.vault, repository.name)).second) return;
    auto& core = context_.core;
    keeper_.look({repository.vault, repository.name, repository.key}, known,
                 [this, &core, repository](const Result<std::vector<runtime::VaultSnapshot>>& result) {
                   core.post(
                       [this, repository, result](store::Txn& later) {
                         looked(later, repository.vault, repository.name, result);
                         return true;
                       },
                       [this, key = fmt::format("{}/{}", repository.vault, repository.name)](const Error*) { looking_.erase(key); });
                 });
  });
}

void Quarantine::looked(store::Txn& txn, const std::string& vault, const std::string& instance,
                        const Result<std::vector<runtime::VaultSnapshot>>& result) const {
  auto repository = vaults_.repository(txn, vault, instance);
  if (!repository) return;
  repository->look_error = result ? "" : result.error().text();
  if (result) repository->looked = txn.now();
  vaults_.saveRepository(txn, *repository);
  if (!result)
    return log::warn("a repository could not be looked through",
                     {{"repository", vaults_.pathOf(*repository)}, {"error", repository->look_error}});
  // A job may have stored one since.
  const auto known_now = known(txn, vault, instance);
  const auto prefix = prefixOf(vault, instance);
  std::set<std::string> strange;
  for (const auto& snapshot : *result) {
    if (known_now.contains(snapshot.id)) continue;
    const auto key = prefix + snapshot.id;
    strange.insert(key);
    const auto text = encode(snapshot);
    const auto before = txn.records().get(kQuarantineKind, key);
    if (!before)
      log::warn("a snapshot in a repository is of no known job: it is left alone",
                {{"repository", vaults_.pathOf(*repository)}, {"snapshot", snapshot.id}, {"host", snapshot.host}, {"time", snapshot.time}});
    if (before != text) txn.records().put(kQuarantineKind, key, text);
  }
  for (const auto& record : txn.records().scan(kQuarantineKind, prefix, "", kAll))
    if (!strange.contains(record.key)) txn.records().erase(kQuarantineKind, record.key);
}

std::vector<runtime::VaultSnapshot> Quarantine::found(store::Txn& txn, std::string_view vault, std::string_view instance,
                                                      std::size_t limit) const {
  std::vector<runtime::VaultSnapshot> out;
  for (const auto& record : txn.records().scan(kQuarantineKind, prefixOf(vault, instance), "", limit)) {
    auto snapshot = decode(record.body);
    if (snapshot) out.push_back(std::move(*snapshot));
    else log::error("a record cannot be read", {{"kind", kQuarantineKind}, {"key", record.key}, {"error", snapshot.error().text()}});
  }
  return out;
}

}  // namespace sp::services::backup

// restore, vault key export, vault show.
#include <poll.h>

#include <cstdlib>
#include <filesystem>

#include <fmt/format.h>

#include "base/strings.h"
#include "base/time_format.h"
#include "cli/api.h"
#include "cli/verbs/patience.h"
#include "cli/verbs/verbs.h"
#include "cli/views/terminal.h"

namespace sp::cli {
namespace {

int complain(const Error& error) {
  fmt::print(stderr, "stillpoint: {}: {}\n", error.code, error.text());
  return 1;
}

Result<json::Object> restoreInput(Api& api, const RestoreOptions& options) {
  if (options.instance.empty() && options.in_place)
    return fail("cli.usage", "--in-place is for machines (--instance ID): on the server's own host give --to an empty directory");
  if (options.target_path.empty() && !options.in_place)
    return fail("cli.usage", options.instance.empty() ? "give --to DIRECTORY, which must be empty or absent"
                                                      : "give --to DIRECTORY, or --in-place to restore over the files at their own paths");
  json::Object metadata;
  metadata["targetInstanceId"] = options.instance.empty() ? "host" : options.instance;
  // A relative path means this shell's directory when the restore is on this host.
  if (!options.target_path.empty())
    metadata["targetPath"] =
        options.instance.empty() ? std::filesystem::absolute(options.target_path).lexically_normal().string() : options.target_path;
  if (!options.include_paths.empty())
    metadata["includePaths"] = json::toText(json::Array(options.include_paths.begin(), options.include_paths.end()));
  if (options.in_place) metadata["inPlace"] = "true";
  SP_TRY(const auto account, api.account());
  return json::Object{
      {"RecoveryPointArn", options.recovery_point},
      {"Metadata", metadata},
      {"IamRoleArn", options.role.empty() ? fmt::format("arn:aws:iam::{}:role/stillpoint-restore", account) : options.role}};
}

}  // namespace

int restoreVerb(const Target& target, const RestoreOptions& options) {
  Api api(target);
  const auto input = restoreInput(api, options);
  if (!input) {
    complain(input.error());
    return input.error().code == "cli.usage" ? 2 : 1;
  }
  const auto started = api.rest("backup", "PUT", "/restore-jobs", *input);
  if (!started) return complain(started.error());
  const auto id = json::textOr(*started, "RestoreJobId");
  Terminal terminal;
  constexpr int kPauseMs = 100;
  Patience patience;
  while (true) {
    const auto job = api.rest("backup", "GET", "/restore-jobs/" + id, {});
    if (!job) {
      if (!patience.bears(job.error())) return complain(job.error());
      ::poll(nullptr, 0, kPauseMs);
      continue;
    }
    patience.answered();
    const auto status = json::textOr(*job, "Status");
    const double percent = std::strtod(json::textOr(*job, "PercentDone", "0").c_str(), nullptr);
    const auto bytes = static_cast<double>(json::intOr(*job, "BackupSizeInBytes", 0));
    if (!options.json && terminal.live())
      terminal.redraw({fmt::format("restore {}  {} {:3.0f} %  {}", terminal.paint(status, Colour::blue), progressBar(percent / 100, 20),
                                   percent, humanBytes(bytes))});
    if (status == "COMPLETED" || status == "FAILED" || status == "ABORTED") {
      if (options.json) fmt::print("{}\n", json::toText(*job));
      else if (status == "COMPLETED") fmt::print("restored {}\n", options.target_path.empty() ? "in place" : "into " + options.target_path);
      else fmt::print(stderr, "stillpoint: restore {}: {}\n", status, json::textOr(*job, "StatusMessage"));
      return status == "COMPLETED" ? 0 : 1;
    }
    ::poll(nullptr, 0, kPauseMs);
  }
}

int vaultKeyExportVerb(const Target& target, const std::string& vault, bool json) {
  Api api(target);
  json::Object input;
  if (!vault.empty()) input["BackupVaultName"] = vault;
  const auto answer = api.call("stillpoint", "Stillpoint_20261101.ExportVaultKeys", input);
  if (!answer) return complain(answer.error());
  if (json) {
    fmt::print("{}\n", json::toText(*answer));
    return 0;
  }
  const auto* keys = json::find(*answer, "Keys");
  if (keys == nullptr || !keys->is_array() || keys->get_array().empty()) {
    fmt::print("no repository yet: one is made when a machine is first backed up into a vault\n");
    return 0;
  }
  fmt::print("# Keep this apart from the server. Restore without Stillpoint: restic -r REPOSITORY snapshots (RESTIC_PASSWORD=KEY)\n");
  for (const auto& element : keys->get_array()) {
    const auto& key = element.get_object();
    fmt::print("{}\t{}\t{}\t{}\n", json::textOr(key, "BackupVaultName"), json::textOr(key, "InstanceId"), json::textOr(key, "Repository"),
               json::textOr(key, "Key"));
  }
  return 0;
}

namespace {

/// Looked through anew; the answer once that has ended.
Result<json::Object> lookedThrough(Api& api, const std::string& vault) {
  constexpr auto kPatience = std::chrono::minutes(3);
  json::Object input{{"Look", true}};
  if (!vault.empty()) input["BackupVaultName"] = vault;
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (true) {
    SP_TRY(auto answer, api.call("stillpoint", "Stillpoint_20261101.ListRepositories", input));
    bool looking = false;
    for (const auto& element : answer["Repositories"].as_array()) looking = looking || json::boolOr(element.as_object(), "Looking", false);
    if (!looking || std::chrono::steady_clock::now() > until) return answer;
    input["Look"] = false;
    ::poll(nullptr, 0, 100);
  }
}

void printRepository(const json::Object& repository) {
  fmt::print("{}/{}  {}", json::textOr(repository, "BackupVaultName"), json::textOr(repository, "InstanceId"),
             json::textOr(repository, "State"));
  if (const auto pending = json::intOr(repository, "PendingDeletions", 0); pending > 0) fmt::print("  {} to be deleted", pending);
  if (const auto when = json::textOr(repository, "MaintainedAt"); !when.empty()) fmt::print("  space freed {}", when);
  fmt::print("\n");
  for (const auto* member : {"Error", "MaintenanceError", "LookError"})
    if (const auto why = json::textOr(repository, member); !why.empty()) fmt::print("  {}\n", why);
  for (const auto& element : repository.at("Quarantined").as_array()) {
    const auto& snapshot = element.as_object();
    fmt::print("  quarantined: snapshot {} of no known job", json::textOr(snapshot, "SnapshotId"));
    if (const auto why = json::textOr(snapshot, "Problem"); !why.empty()) {
      fmt::print(", unreadable: {}\n", why);
      continue;
    }
    std::vector<std::string> paths;
    for (const auto& path : snapshot.at("Paths").as_array()) paths.push_back(json::toStd(path.as_string()));
    fmt::print(", made {} on {} by {} of {}\n", json::textOr(snapshot, "Time"), json::textOr(snapshot, "Host"),
               json::textOr(snapshot, "User"), join(paths, ", "));
  }
}

}  // namespace

int vaultShowVerb(const Target& target, const std::string& vault, bool json) {
  Api api(target);
  const auto answer = lookedThrough(api, vault);
  if (!answer) return complain(answer.error());
  if (json) {
    fmt::print("{}\n", json::toText(*answer));
    return 0;
  }
  const auto& repositories = answer->at("Repositories").as_array();
  if (repositories.empty()) fmt::print("no repository yet: one is made when a machine is first backed up into a vault\n");
  for (const auto& element : repositories) printRepository(element.as_object());
  return 0;
}

}  // namespace sp::cli

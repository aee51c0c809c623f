// Gathers what the server tells of itself, has folders counted in the background every hour, and writes the use of the disk to the log: at
// every start and once a day. Core thread only.
#pragma once
#include <optional>
#include <string>

#include "services/backup/places.h"
#include "services/context.h"
#include "services/ec2/instances.h"
#include "services/stillpoint/status/server_status.h"
#include "store/disk_use.h"
#include "store/output_store.h"

namespace sp::services::stillpoint {

/// What does not change while the server runs.
struct StatusSettings {
  std::string version;
  /// In it lie store.db, blobs/ and vaults/.
  std::string data_dir;
  std::int64_t executions_kept_days = 0;
  std::int64_t history_events = 0;
  std::int64_t commands_kept_days = 0;
};

class StatusKeeper {
 public:
  /// Registers its timers: before the core starts. All given outlive it. The server counts as started now.
  StatusKeeper(Context& context, const ec2::Instances& instances, const store::OutputStore& outputs, const backup::Places& places,
               StatusSettings settings);
  StatusKeeper(const StatusKeeper&) = delete;
  StatusKeeper& operator=(const StatusKeeper&) = delete;

  /// Counts, and tells the log, soon: at every start of the server.
  static void begin(store::Txn& txn);
  /// As it is now. What takes a walk over files is as the last count found it, and the next one begins.
  ServerStatus look(store::Txn& txn);

 private:
  const Survey& survey(store::Txn& txn);
  void countAgents(store::Txn& txn, Survey& survey) const;
  std::vector<ServerStatus::FileSystem> fileSystems(Instant now) const;
  void tellLog(store::Txn& txn) const;

  Context& context_;
  const ec2::Instances& instances_;
  const store::OutputStore& outputs_;
  const backup::Places& places_;
  const StatusSettings settings_;
  const Instant started_;
  const std::string objects_;
  const std::string vaults_;
  store::FolderSizes sizes_;
  std::optional<Survey> survey_;
  /// On the boot clock: the survey is good until then.
  Duration survey_until_{0};
};

}  // namespace sp::services::stillpoint

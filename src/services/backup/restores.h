// Restore jobs: a recovery point's files back into a machine, or into a folder of the server's own host. Core thread only.
// AWS: https://docs.aws.amazon.com/aws-backup/latest/devguide/API_StartRestoreJob.html
#pragma once
#include <expected>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "aws/operation.h"
#include "services/backup/records.h"
#include "services/backup/table.h"
#include "services/context.h"
#include "services/watch.h"

namespace sp::services::ec2 {
class Instances;
}

namespace sp::services::backup {

class Vaults;
class Grants;
class RecoveryPoints;

/// StartRestoreJob's input, decoded.
struct RestoreSpec {
  /// UUID.
  std::string recovery_point;
  std::string role_arn;
  std::string token;
  /// targetInstanceId (an instance id or "host"), targetPath, includePaths (a JSON list of paths, or one path), inPlace.
  TextMap metadata;
};

class Restores {
 public:
  /// Registers its handlers: before the core starts. All given outlive it.
  Restores(Context& context, ec2::Instances& instances, Vaults& vaults, Grants& grants, RecoveryPoints& points);
  Restores(const Restores&) = delete;
  Restores& operator=(const Restores&) = delete;

  std::expected<RestoreJob, aws::ApiError> start(store::Txn& txn, const RestoreSpec& spec);
  std::optional<RestoreJob> find(store::Txn& txn, std::string_view id) const;
  /// Those that `wanted` accepts.
  Listed<RestoreJob> list(store::Txn& txn, const ListAsk& ask, const std::function<bool(const RestoreJob&)>& wanted) const;
  /// Whether a restore that has not ended reads from that vault.
  bool usesVault(store::Txn& txn, std::string_view vault) const;
  /// Recovery points that restores which have not ended read or are about to read: their UUIDs.
  std::set<std::string> pointsInUse(store::Txn& txn) const;
  /// In the transaction in which a restore ends.
  using Ended = std::function<void(store::Txn&, const RestoreJob&)>;
  void onEnded(Ended listener) { ended_ = std::move(listener); }
  void recover(store::Txn& txn);

  /// Every write of a restore job.
  void watch(Watch<RestoreJob> watch) { watch_ = std::move(watch); }

 private:
  struct Live {
    RestoreJob figures;
    Instant moved;
    std::uint64_t seen_bytes = 0;
  };
  std::optional<aws::ApiError> check(store::Txn& txn, const RestoreSpec& spec, RestoreJob& job) const;
  void save(store::Txn& txn, const RestoreJob& job) const;
  std::vector<RestoreJob> open(store::Txn& txn) const;
  std::optional<RestoreJob> openJob(store::Txn& txn, const json::Object& message) const;
  void begin(store::Txn& txn, RestoreJob& job);
  void dispatch(store::Txn& txn, RestoreJob& job);
  void tellOfAgent(Live& live) const;
  void openGrant(const RestoreJob& job);
  void handleProgress(store::Txn& txn, const json::Object& message);
  void handleResult(store::Txn& txn, const json::Object& message);
  void end(store::Txn& txn, RestoreJob& job, RestoreStatus status, const std::string& message);
  void wake(store::Txn& txn);
  void settledPower(store::Txn& txn, const std::string& instance);
  void watch(store::Txn& txn, const std::string& id);
  /// The server ends it, and tells its agent.
  void breakOff(store::Txn& txn, RestoreJob& job, const std::string& why);

  Context& context_;
  ec2::Instances& instances_;
  Vaults& vaults_;
  Grants& grants_;
  RecoveryPoints& points_;
  std::map<std::string, Live, std::less<>> live_;
  Ended ended_;
  Watch<RestoreJob> watch_;
};

}  // namespace sp::services::backup

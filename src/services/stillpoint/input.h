// The input of PrePostBackup: workflows/PrePostBackup.schema.json in code. Pure.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "json/json.h"
#include "services/stillpoint/ports.h"

namespace sp::services::stillpoint {

/// BackupDetails.StartWindowMinutes of an input that does not tell it: AWS Backup's.
inline constexpr std::int64_t kStartWindowDefault = 480;

struct RunInput {
  /// Either a tag or ids.
  std::string tag_key;
  std::string tag_value;
  std::vector<std::string> instances;
  bool by_tag = false;
  bool stop_start = false;
  std::optional<Script> pre;
  std::optional<Script> post;
  std::string vault;
  std::string role;
  /// Of its recovery points; 0: kept for ever.
  std::int64_t delete_after_days = 0;
  std::map<std::string, std::string> point_tags;
  /// Minutes that a machine is waited for; 0: without an end, as runs were recorded before there was a default.
  std::int64_t start_window = kStartWindowDefault;
  /// Minutes; 0: as StartBackupJob has it.
  std::int64_t completion_window = 0;
  /// OnBadTarget "abort": one bad id and nothing is touched.
  bool abort_on_bad_target = false;
  std::int64_t stall_timeout_seconds = 600;
  /// Pre- and post-script alone: nothing is stopped and nothing backed up. Then there is both, and neither vault nor role.
  bool rehearsal = false;

  /// 1 to 8, as the table of paths numbers them.
  int path() const;
};

/// Error code "Stillpoint.InvalidInput"; the message names the property and the value. Nothing is looked up.
Result<RunInput> parseInput(const json::Value& input);

json::Object encode(const RunInput& input);
RunInput decodeRunInput(const json::Object& record);

}  // namespace sp::services::stillpoint

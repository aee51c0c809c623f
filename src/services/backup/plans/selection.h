// Which machines a backup plan is for. Pure; asked anew at each run.
// https://docs.aws.amazon.com/aws-backup/latest/devguide/API_BackupSelection.html
#pragma once
#include <expected>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "aws/operation.h"

namespace sp::services::backup {

class Selection {
 public:
  /// From BackupSelection's JSON. InvalidParameterValueException or MissingParameterValueException name the member.
  static std::expected<Selection, aws::ApiError> parse(const json::Object& selection, const Realm& realm);

  const std::string& name() const { return name_; }
  const std::string& role() const { return role_; }
  /// ARNs, some with wildcards.
  const std::vector<std::string>& resources() const { return resources_; }
  /// Named by Resources or by one of ListOfTags (any machine if neither is given), and all Conditions hold, and not named by
  /// NotResources.
  bool wants(std::string_view arn, const std::map<std::string, std::string>& tags) const;

 private:
  struct Condition {
    bool equal = true;
    bool like = false;
    std::string key;
    std::string value;
  };
  std::string name_;
  std::string role_;
  std::vector<std::string> resources_;
  std::vector<std::string> not_resources_;
  std::vector<std::pair<std::string, std::string>> tags_;
  std::vector<Condition> conditions_;
};

}  // namespace sp::services::backup

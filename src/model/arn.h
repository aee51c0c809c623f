// Amazon Resource Names: arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE.
#pragma once
#include <string>
#include <string_view>

#include "base/result.h"

namespace sp {

/// The account and region this installation answers for.
struct Realm {
  std::string account = "000000000000";
  std::string region = "us-east-1";

  /// arn:aws:SERVICE:REGION:ACCOUNT:RESOURCE
  std::string arn(std::string_view service, std::string_view resource) const;
};

struct Arn {
  std::string partition, service, region, account, resource;

  /// Error code "arn.format".
  static Result<Arn> parse(std::string_view text);
  std::string text() const;
  /// arn:PARTITION:iam::ACCOUNT:role/NAME, the account of 12 digits.
  bool isRole() const;
};

}  // namespace sp

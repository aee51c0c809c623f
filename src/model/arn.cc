#include "model/arn.h"

#include <fmt/format.h>

#include "base/strings.h"

namespace sp {

std::string Realm::arn(std::string_view service, std::string_view resource) const {
  return fmt::format("arn:aws:{}:{}:{}:{}", service, region, account, resource);
}

Result<Arn> Arn::parse(std::string_view text) {
  const auto parts = split(text, ':');
  if (parts.size() < 6 || parts[0] != "arn" || parts[1].empty() || parts[2].empty() || parts[5].empty())
    return fail("arn.format", fmt::format("'{}' is not an ARN (arn:aws:SERVICE:REGION:ACCOUNT:RESOURCE)", cutText(text, 256)));
  std::size_t resource_at = 0;
  for (std::size_t i = 0; i < 5; ++i) resource_at += parts[i].size() + 1;
  return Arn{std::string(parts[1]), std::string(parts[2]), std::string(parts[3]), std::string(parts[4]),
             std::string(text.substr(resource_at))};
}

std::string Arn::text() const { return fmt::format("arn:{}:{}:{}:{}:{}", partition, service, region, account, resource); }

bool Arn::isRole() const {
  constexpr std::string_view kRole = "role/";
  const bool of_account = account.size() == 12 && account.find_first_not_of("0123456789") == std::string::npos;
  return of_account && service == "iam" && region.empty() && resource.starts_with(kRole) && resource.size() > kRole.size();
}

}  // namespace sp

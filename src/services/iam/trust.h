// Who may take a role: what its trust policy says.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
#pragma once
#include <string_view>

#include "model/arn.h"
#include "store/store.h"

namespace sp::services::iam {

/// Whether the trust policy `document` lets the principal `taker` (an ARN) call sts:AssumeRole: some Allow names it, its account
/// or everybody, and no Deny does. Conditions cannot be checked: an Allow with one is passed over, a Deny with one holds.
bool trusts(std::string_view document, std::string_view taker);

/// Whether some Allow lets the service ("ssm.amazonaws.com") take the role. Its conditions (aws:SourceAccount …) are of this account
/// alone and are not looked at.
bool trustsService(std::string_view document, std::string_view service);

/// Whether the role `arn` is there and trusts `taker`. Roles of other accounts are nobody's here.
bool mayAssume(store::Txn& txn, const Realm& realm, std::string_view arn, std::string_view taker);

}  // namespace sp::services::iam

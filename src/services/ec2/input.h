// What the operations of EC2 have in common: reading their inputs, filters, pages, and the forms of their answers.
#pragma once
#include <expected>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "aws/operation.h"
#include "model/instance.h"
#include "services/ec2/instances.h"

namespace sp::services::ec2 {

template <class T>
using Checked = std::expected<T, aws::ApiError>;

/// Texts of a list member ("InstanceId"); empty if absent.
std::vector<std::string> texts(const json::Object& input, std::string_view key);
/// "true" or true.
bool flag(const json::Object& input, std::string_view key);
std::unexpected<aws::ApiError> missing(std::string_view parameter);
/// The refusal that a dry run ends with when all else was right.
std::unexpected<aws::ApiError> dryRun();

/// `prefix` ("i-") and 8 or 17 hex digits.
bool hasIdForm(std::string_view id, std::string_view prefix);
/// The machines of `ids` (each once), or InvalidInstanceID.Malformed or .NotFound as EC2 says it for one and for many.
Checked<std::vector<Instance>> findInstances(store::Txn& txn, const Instances& instances, const std::vector<std::string>& ids);
/// InstanceId's machines; MissingParameter if there is none.
Checked<std::vector<Instance>> namedInstances(const aws::Call& call, const Instances& instances);

struct Filter {
  std::string name;
  /// With EC2's wildcards.
  std::vector<std::string> values;
};
/// Filter.N; MissingParameter for one without a name or values.
Checked<std::vector<Filter>> readFilters(const json::Object& input);
/// Values that a filter of that name is compared with; nullopt: there is no such filter.
using FilterSource = std::function<std::optional<std::vector<std::string>>(std::string_view name)>;
/// InvalidParameterValue for the first filter `source` does not know.
Checked<bool> passes(const std::vector<Filter>& filters, const FilterSource& source);
/// Filters "tag:K" and "tag-key" over these tags; nullopt for any other name.
std::optional<std::vector<std::string>> tagFilter(const std::map<std::string, std::string>& tags, std::string_view name);
/// The filters of DescribeInstances and DescribeInstanceStatus over a machine's attributes.
std::optional<std::vector<std::string>> instanceFilter(const Instance& instance, const Realm& realm, std::string_view name);

/// A page of what is listed in a fixed order: positions are texts that grow.
struct Page {
  std::size_t limit = 0;
  std::string after;
  /// What the tokens of this call are bound to.
  std::string bound_to;
};
/// Where an operation's pages differ from those of DescribeInstances.
struct PageRule {
  /// What EC2 calls the ids that it does not page.
  std::string_view set = "instancesSet";
  std::int64_t most = 1000;
  /// More than `most` counts as `most`; else it is an error.
  bool cuts = false;
};
/// MaxResults (least..most) and NextToken. `by_id`: ids were given.
Checked<Page> readPage(const aws::Call& call, std::string_view operation, std::int64_t least, bool by_id, const PageRule& rule = {});
/// Sets nextToken.
void setNext(json::Object& output, const Page& page, std::string_view position);

json::Object stateMember(InstanceState state);
json::Array tagSet(const std::map<std::string, std::string>& tags);
std::string availabilityZone(const Realm& realm);
/// One machine as DescribeInstances and RunInstances show it.
json::Object describe(const Instance& instance, const Realm& realm);
/// instancesSet of StartInstances and its like: {instanceId, currentState, previousState}.
json::Object stateChange(const Instance& before, const Instance& after);

/// ResourceId's machines for CreateTags and DeleteTags (1 to 1000); InvalidID for ids of anything else.
Checked<std::vector<Instance>> taggedInstances(const aws::Call& call, const Instances& instances);
/// EC2's rules for tags given by a caller: keys 1..127 characters, not "aws:…", values to 256, no key twice.
Checked<std::map<std::string, std::string>> readTags(const json::Object& holder);
/// More than 50 on one machine: TagLimitExceeded.
std::optional<aws::ApiError> tooManyTags(const std::map<std::string, std::string>& tags);

}  // namespace sp::services::ec2

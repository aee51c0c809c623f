// How services tell the wire what they serve, without knowing sockets.
//
// Every operation is a row: its name, how it is reached, what it does. Input and output are JSON objects whatever the
// protocol: the codec turns queries, forms, paths and XML into them and back. Handlers run on the core thread inside
// their job's transaction, unless `detached`.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "aws/api_error.h"
#include "base/clock.h"
#include "json/json.h"
#include "model/arn.h"

namespace sp::store {
class Txn;
}

namespace sp::aws {

enum class Protocol { json10, json11, restJson, query, ec2, restXml };

/// Who calls: today always the root key of the account.
struct Principal {
  std::string access_key;
  std::string arn;
  std::string user_id;
  std::string account;
};

/// How a handler says that there is nothing to answer yet (a long poll): it fills this in, changes nothing and is called
/// again when the topic rings (runtime/waiters.h) or the time is over.
struct LongPoll {
  std::string topic;
};

/// What a handler knows of its call besides the input.
struct Call {
  const json::Object& input;
  /// Null for detached operations only.
  store::Txn* txn = nullptr;
  const Principal& principal;
  const Realm& realm;
  std::string_view request_id;
  /// amz-sdk-invocation-id: the same for all retries of one call; empty if the client sends none.
  std::string_view invocation_id;
  Instant now;
  /// Null: whoever calls cannot wait, or has waited long enough.
  LongPoll* poll = nullptr;
};

using OperationHandler = std::function<Outcome(const Call&)>;

/// Where REST-JSON operations are found. Pattern segments in braces are members: "/backup-vaults/{BackupVaultName}";
/// a trailing "+" takes the rest ("{ResourceArn+}").
struct RestRoute {
  std::string method;
  std::string pattern;
  /// Query parameter → member name; values stay strings, except those in `integers`, which must be whole numbers.
  std::vector<std::pair<std::string, std::string>> query;
  std::vector<std::string> integers;
  /// Status of success.
  int status = 200;
};

struct Operation {
  std::string name;
  OperationHandler handler;
  RestRoute route;
  /// Needs no store: runs on the network thread (GetCallerIdentity).
  bool detached = false;
  /// How long the operation may keep its caller waiting; zero: it never does.
  Duration patience{0};
};

/// A service: its signing name, protocol and operations. S3 is not one (services/s3: its bodies are streams).
struct ServiceTable {
  /// In the credential scope: "states", "dynamodb", "ssm", "ec2", "sts", "iam", "backup", "stillpoint".
  std::string signing_name;
  Protocol protocol = Protocol::json11;
  /// X-Amz-Target's prefix ("AmazonSSM") for the JSON protocols; XML namespace for query and ec2.
  std::string target_or_namespace;
  /// Query protocols: the Version the client must send.
  std::string version;
  std::vector<Operation> operations;
};

/// One page token for all services: opaque text that binds a position to the operation and its arguments.
std::string makePageToken(std::string_view bound_to, std::string_view position);
/// The position, or nullopt if the text is not a token made for `bound_to`.
std::optional<std::string> readPageToken(std::string_view bound_to, std::string_view token);

}  // namespace sp::aws

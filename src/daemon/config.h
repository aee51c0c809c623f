// The configuration of `serve`: one TOML file, overridden by flags. Every key has a default; an unknown key or a value of
// the wrong type is an error with file, line and column.
#pragma once
#include <map>
#include <optional>
#include <string>

#include "base/log.h"
#include "base/result.h"
#include "model/arn.h"
#include "net/http_server.h"
#include "services/states/machines.h"

namespace sp::daemon {

struct Config {
  std::string data_dir;
  std::string listen = "127.0.0.1:4747";
  /// Accepted for the console; nothing listens there yet.
  std::string console_listen = "127.0.0.1:4748";
  std::string agent_listen = "127.0.0.1:4749";
  /// Allows addresses that are not loopback without TLS.
  bool insecure = false;
  std::optional<net::TlsFiles> tls;
  Realm realm;
  /// [lambda] endpoint: where functions are invoked, "http://HOST:PORT" or "https://HOST:PORT"; empty: nowhere.
  std::string lambda_endpoint;
  /// [events] ca_file: PEM, authorities that API destinations' certificates may be signed by, beside the system's; empty: none.
  std::string events_ca_file;
  log::Level log_level = log::Level::info;
  log::Format log_format = log::Format::text;
  /// [executions] kept_days: how long an execution and its history stay after its end.
  std::int64_t executions_kept_days = 90;
  /// [executions] history_events: the last event an execution may have. Built-in machines have no such limit.
  std::int64_t history_events = 25'000;
  /// [executions] most_open, most_state_machines, most_activities.
  services::states::Quotas quotas;
  /// [commands] kept_days: how long commands and their invocations stay after SendCommand.
  std::int64_t commands_kept_days = 30;
  /// [commands] most_open_invocations: a command with which more would be open ends at once.
  std::int64_t most_open_invocations = 1'000'000;
  /// [runs] freeze_lease_seconds: a machine that hears nothing of the server for so long wakes itself; one that was stopped is started.
  std::int64_t freeze_lease_seconds = 300;
  /// [machines] stop_timeout_seconds: what a machine is given to shut down.
  std::int64_t stop_timeout_seconds = 120;
  /// [agents] certificate_seconds: what an agent's certificate lasts; it is renewed at two thirds of it.
  std::int64_t certificate_seconds = 30LL * 24 * 3600;
  /// [commands] output_quota_bytes: what all outputs of scripts together may take; 0: half of what the disk has free when the server
  /// starts. output_free_bytes: what of the disk they leave free.
  std::int64_t output_quota_bytes = 0;
  std::int64_t output_free_bytes = 1LL << 30;
  /// [backups] at_once: how many backups run at once; the others wait in a fair queue.
  std::int64_t backups_at_once = 32;
  /// Where the file has a key ("realm.account", "tls"): "FILE:LINE:COLUMN". Not one that a flag has replaced.
  std::map<std::string, std::string, std::less<>> places;
  /// "FILE:LINE:COLUMN: " of such a key, else nothing: what an error about its value begins with.
  std::string at(std::string_view key) const;
  /// A fail points file (base/failpoint.h); tests only.
  std::string failpoints;
};

/// Reads FILE over the defaults. Errors: "config.read", "config.syntax", "config.unknown", "config.type".
Result<void> loadConfig(const std::string& file, Config& config);

/// What the values must fulfil beyond their types, with the place of each that comes from a file: realm, endpoints and files that are
/// named can be used; and together: addresses parse, TLS or --insecure beyond loopback, fail points on loopback only.
Result<void> checkConfig(const Config& config);

}  // namespace sp::daemon

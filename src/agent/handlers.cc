#include "agent/handlers.h"

#include "agent/backup/backup_runner.h"
#include "agent/backup/restore_runner.h"
#include "agent/power/power_handler.h"
#include "agent/scripts/script_runner.h"
#include "os/file.h"

namespace sp::agent {

Result<Parts> makeScriptParts(const Identity& identity, Journal& journal) {
  Parts parts;
  SP_CHECK_OK(os::makeDirectories(identity.stateDir() + "/runs"));
  auto scripts = std::make_unique<ScriptRunner>(identity);
  std::vector<std::string> open;
  for (const auto& [id, entry] : journal.entries()) open.push_back(id);
  scripts->sweep(open);
  parts.handlers.push_back(std::move(scripts));
  return parts;
}

Result<Parts> makeParts(const Identity& identity, Journal& journal, Outbox& outbox) {
  SP_TRY(auto parts, makeScriptParts(identity, journal));
  if (!identity.machinesDir().empty()) SP_CHECK_OK(os::makeDirectories(identity.machinesDir(), 0711));
  auto power = std::make_unique<PowerHandler>(identity, outbox);
  parts.on_welcome.push_back([handler = power.get()] { handler->tellAll(); });
  parts.on_lease.push_back([handler = power.get()](const json::Object& message) { handler->onLease(message); });
  parts.handlers.push_back(std::make_unique<BackupRunner>(identity, *power));
  parts.handlers.push_back(std::make_unique<RestoreRunner>(identity));
  parts.handlers.push_back(std::move(power));
  return parts;
}

}  // namespace sp::agent

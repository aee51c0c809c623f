#include "agent/handlers.h"

#include "agent/backup/backup_runner.h"
#include "agent/backup/restore_runner.h"
#include "agent/machines/power_driver.h"
#include "agent/scripts/script_runner.h"
#include "os/file.h"

namespace sp::agent {

Result<Parts> makeParts(const Identity& identity, Journal& journal, Outbox& outbox) {
  Parts parts;
  SP_CHECK_OK(os::makeDirectories(identity.stateDir() + "/runs"));
  auto scripts = std::make_unique<ScriptRunner>(identity);
  scripts->sweep(journal.openIds());
  parts.handlers.push_back(std::move(scripts));
  parts.handlers.push_back(std::make_unique<BackupRunner>());
  parts.handlers.push_back(std::make_unique<RestoreRunner>());
  if (!identity.machinesDir().empty()) {
    SP_CHECK_OK(os::makeDirectories(identity.machinesDir(), 0711));
    auto power = std::make_unique<PowerDriver>(identity, outbox);
    parts.on_welcome.push_back([driver = power.get()] { driver->tellAll(); });
    parts.handlers.push_back(std::move(power));
  }
  return parts;
}

}  // namespace sp::agent

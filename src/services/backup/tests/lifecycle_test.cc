// Lifecycles, maintenance and quarantine, day by day of the injected clock.
#include "services/backup/quarantine.h"
#include "services/backup/tests/backup_fixture.h"

namespace sp::services::backup {
namespace {

constexpr auto kDay = std::chrono::days(1);

class LifecycleTest : public BackupTest {
 protected:
  StartSpec keptFor(std::int64_t days) const {
    auto out = spec();
    out.delete_after_days = days;
    return out;
  }
  /// One a day, the oldest first; their points' ids.
  std::vector<std::string> daily(const std::string& names, std::int64_t days) {
    std::vector<std::string> out;
    for (const char name : names) {
      out.push_back(taken(name, keptFor(days)));
      advance(kDay);
    }
    return out;
  }
  void maintained(const Result<void>& result = {}) {
    keeper_.answer(result);
    server_->core.runPending();
  }
  std::string restore(const std::string& id, const std::string& target = "host") {
    std::string out;
    server_->run([&](store::Txn& txn) {
      const auto started = server_->backup.restores().start(txn, {id, "", "", {{"targetInstanceId", target}, {"targetPath", "/tmp/x"}}});
      ASSERT_TRUE(started.has_value()) << started.error().message;
      out = started->id;
    });
    return out;
  }
  Repository repository() {
    Repository out;
    server_->run([&](store::Txn& txn) { out = server_->backup.vaults().repository(txn, "Default", kMachine).value(); });
    return out;
  }
};

TEST_F(LifecycleTest, AHundredDailyBackupsKeepAWeek) {
  std::vector<std::string> points;
  for (int day = 0; day < 100; ++day) {
    points.push_back(taken('a', keptFor(7)));
    advance(kDay);
    maintained();
  }
  std::size_t left = 0;
  for (const auto& id : points)
    if (point(id)) ++left;
  // The last one is a day old by now, and the look is once a day.
  EXPECT_GE(left, 6U);
  EXPECT_LE(left, 7U);
  EXPECT_FALSE(point(points[80]).has_value());
  EXPECT_TRUE(point(points.back()).has_value());
  server_->run([&](store::Txn& txn) { EXPECT_EQ(server_->backup.vaults().find(txn, "Default")->points, static_cast<std::int64_t>(left)); });
}

TEST_F(LifecycleTest, TheLastThreeStayUntilThereAreNewerOnes) {
  const auto points = daily("abcd", 1);
  EXPECT_EQ(point(points[0])->status, "DELETING");
  maintained();
  EXPECT_FALSE(point(points[0]).has_value());
  for (int day = 0; day < 30; ++day) advance(kDay);
  for (std::size_t i = 1; i < 4; ++i) {
    EXPECT_EQ(point(points[i])->status, "COMPLETED");
    EXPECT_NE(point(points[i])->held.find("one of the last 3"), std::string::npos);
  }
  // A failed backup and one with unread files take nobody's place.
  const auto failed = start(keptFor(1));
  result(failed, "FAILED");
  const auto partial = start(keptFor(1));
  snapshot(partial, std::string(64, '9'));
  server_->report({{"type", "backup.result"}, {"id", "job/" + partial}, {"state", "PARTIAL"}, {"failedFiles", json::Array{"/x"}}});
  advance(3 * kDay);
  EXPECT_EQ(point(server_->job(partial).recovery_point)->status, "DELETING");
  EXPECT_EQ(point(points[1])->status, "COMPLETED");
  maintained();
  const auto newer = taken('e', spec());
  advance(kDay);
  EXPECT_EQ(point(points[1])->status, "DELETING");
  EXPECT_NE(point(points[1])->message.find("ended 1 days after"), std::string::npos);
  EXPECT_EQ(point(newer)->status, "COMPLETED");
}

TEST_F(LifecycleTest, WhatCameDueWhileTheServerWasDownGoesAtItsStart) {
  const auto points = daily("abcd", 5);
  EXPECT_EQ(point(points[0])->status, "COMPLETED");
  server_.reset();
  clock_.advance(2 * kDay);
  boot();
  EXPECT_EQ(point(points[0])->status, "DELETING");
  advance(std::chrono::seconds(5));
  EXPECT_EQ(keeper_.forgotten, std::vector<std::string>{std::string(64, 'a')});
}

TEST_F(LifecycleTest, AClockThatWasSetBackEndsNothing) {
  const auto points = daily("abcde", 30);
  clock_.jump(-100 * kDay);
  server_->core.runPending();
  boot();
  for (const auto& id : points) EXPECT_EQ(point(id)->status, "COMPLETED");
}

TEST_F(LifecycleTest, AfterAClockThatWasAYearAheadItIsLookedDailyAgain) {
  const auto points = daily("abcd", 5);
  clock_.jump(400 * kDay);
  server_->core.runPending();
  clock_.jump(-400 * kDay);
  server_->core.runPending();
  maintained();
  EXPECT_EQ(point(points[1])->status, "COMPLETED");
  taken('e', keptFor(50));
  for (int day = 0; day < 7; ++day) advance(kDay);
  EXPECT_EQ(point(points[1])->status, "DELETING");
}

TEST_F(LifecycleTest, APointThatARestoreReadsGoesWhenTheRestoreHasEnded) {
  const auto points = daily("abcd", 5);
  advance(kDay - std::chrono::minutes(1));
  const auto job = restore(points[0]);
  advance(std::chrono::minutes(1));
  EXPECT_EQ(point(points[0])->status, "COMPLETED");
  EXPECT_NE(point(points[0])->held.find("until the restore"), std::string::npos);
  EXPECT_TRUE(keeper_.forgotten.empty());
  server_->report({{"type", "restore.result"}, {"id", "restore/" + job}, {"state", "COMPLETED"}, {"bytes", 5}, {"files", 1}});
  EXPECT_EQ(point(points[0])->status, "DELETING");
  EXPECT_EQ(keeper_.forgotten, std::vector<std::string>{std::string(64, 'a')});
}

TEST_F(LifecycleTest, ARestoreThatWaitsForItsMachineHoldsItsPointToo) {
  const auto points = daily("abcd", 5);
  server_->run([&](store::Txn& txn) { server_->locks.acquire(txn, kMachine, "run:x"); });
  restore(points[0], kMachine);
  advance(2 * kDay);
  EXPECT_EQ(point(points[0])->status, "COMPLETED");
}

TEST_F(LifecycleTest, WhatCannotBeRemovedIsExpiredAndTriedAgain) {
  const auto points = daily("abcd", 1);
  maintained(fail("vault.restic", "no space left on device"));
  EXPECT_EQ(point(points[0])->status, "EXPIRED");
  EXPECT_NE(point(points[0])->message.find("no space left on device"), std::string::npos);
  EXPECT_NE(repository().maintenance_error.find("no space left"), std::string::npos);
  EXPECT_EQ(repository().state, "ready") << "backups go on";
  // One, two, four … minutes, at most a quarter of an hour.
  for (int minutes : {1, 2, 4, 8, 15, 15}) {
    const auto before = keeper_.forgotten.size();
    advance(std::chrono::minutes(minutes) - std::chrono::seconds(1));
    EXPECT_EQ(keeper_.forgotten.size(), before);
    advance(std::chrono::seconds(1));
    EXPECT_EQ(keeper_.forgotten.size(), before + 1);
    maintained(fail("vault.restic", "no space left on device"));
  }
  server_->run([&](store::Txn& txn) {
    const auto refused =
        server_->backup.restores().start(txn, {points[0], "", "", {{"targetInstanceId", "host"}, {"targetPath", "/tmp/x"}}});
    EXPECT_EQ(refused.error().code, "ResourceNotFoundException");
  });
  advance(std::chrono::minutes(15));
  maintained();
  EXPECT_FALSE(point(points[0]).has_value());
  EXPECT_EQ(repository().maintenance_error, "");
  EXPECT_EQ(repository().maintained, clock_.now());
}

TEST_F(LifecycleTest, AfterAWholeLeaseJobsHaveTheirTurn) {
  const auto points = daily("abcd", 1);
  maintained(fail("vault.ended", "restic prune was ended after 2700 s"));
  EXPECT_EQ(point(points[0])->status, "EXPIRED");
  advance(std::chrono::hours(6) - std::chrono::seconds(1));
  EXPECT_EQ(keeper_.forgotten.size(), 1U);
  advance(std::chrono::seconds(1));
  EXPECT_EQ(keeper_.forgotten.size(), 2U);
}

TEST_F(LifecycleTest, MaintenanceWaitsForAChangeThatOutlivesItsJob) {
  const auto old = taken('a', spec());
  const auto id = start(spec());
  const runtime::VaultGrant grant{id, kMachine, "Default", kMachine, runtime::VaultDirection::backup};
  auto& access = server_->backup.access();
  server_->run(
      [&](store::Txn& txn) { server_->backup.recoveryPoints().remove(txn, *server_->backup.recoveryPoints().find(txn, old), false); });
  ASSERT_TRUE(access.beginChange(grant));
  ASSERT_TRUE(access.beginChange(grant));
  result(id, "FAILED");
  EXPECT_FALSE(access.beginChange(grant)) << "its job has ended";
  EXPECT_TRUE(keeper_.forgotten.empty());
  access.changed(grant);
  server_->core.runPending();
  EXPECT_TRUE(keeper_.forgotten.empty()) << "the other is still under way";
  access.changed(grant);
  server_->core.runPending();
  EXPECT_EQ(keeper_.forgotten, std::vector<std::string>{std::string(64, 'a')});
  maintained();
  EXPECT_FALSE(point(old).has_value());
}

class RemovalTest : public LifecycleTest {
 protected:
  static constexpr auto kVault = "removed";
  void SetUp() override {
    LifecycleTest::SetUp();
    make();
  }
  void make() {
    server_->run([&](store::Txn& txn) { server_->backup.vaults().create(txn, Vault{kVault, txn.now(), "", "", {}, 0}); });
  }
  void erase() {
    server_->run([&](store::Txn& txn) { server_->backup.vaults().erase(txn, kVault); });
  }
  StartSpec there() const {
    auto out = spec();
    out.vault = kVault;
    return out;
  }
  std::optional<Repository> in() {
    std::optional<Repository> out;
    server_->run([&](store::Txn& txn) { out = server_->backup.vaults().repository(txn, kVault, kMachine); });
    return out;
  }
  bool isThere() {
    bool out = false;
    server_->run([&](store::Txn& txn) { out = server_->backup.vaults().find(txn, kVault).has_value(); });
    return out;
  }
  /// A failed backup: the vault's repository is made, and a snapshot is to be forgotten in it.
  void fails(char name) {
    const auto id = start(there());
    if (!keeper_.waiting.empty()) madeRepository();
    snapshot(id, std::string(64, name));
    result(id, "FAILED");
  }
  std::string toldBy(const std::string& operation) {
    std::string out;
    const json::Object input{{"BackupVaultName", kVault}};
    const aws::Principal who;
    const auto table = server_->backup.makeBackup();
    const auto& row = *std::ranges::find(table.operations, operation, &aws::Operation::name);
    server_->run([&](store::Txn& txn) {
      const auto answer = row.handler(aws::Call{input, &txn, who, server_->realm, "", "", txn.now(), nullptr});
      if (!answer) out = json::textOr(answer.error().extra, "Code") + ": " + answer.error().message;
    });
    return out;
  }
};

TEST_F(RemovalTest, IsTakenUpAfterAKillAndAwaitedByAVaultOfTheSameName) {
  fails('a');
  maintained();
  const auto key = in()->key;
  erase();
  ASSERT_EQ(keeper_.removed, std::vector<std::string>{kVault});
  keeper_.waiting.clear();
  boot();
  EXPECT_EQ(keeper_.removed.size(), 2U) << "begun again";
  make();
  keeper_.created.clear();
  const auto job = start(there());
  EXPECT_NE(in()->key, key);
  EXPECT_TRUE(keeper_.created.empty()) << "the old folder lies where it would be made";
  maintained();
  ASSERT_EQ(keeper_.created.size(), 1U);
  maintained();
  EXPECT_EQ(server_->job(job).state, JobState::running);
  boot();
  EXPECT_EQ(keeper_.removed.size(), 2U) << "done once";
}

TEST_F(RemovalTest, IsTriedAgainAndTheSecondDeletionOfTheNameIsTheSame) {
  erase();
  make();
  erase();
  maintained(fail("vault.remove", "no"));
  EXPECT_EQ(keeper_.removed.size(), 1U);
  advance(std::chrono::minutes(1));
  EXPECT_EQ(keeper_.removed.size(), 2U);
  maintained(fail("vault.left", "some of it is left"));
  advance(std::chrono::hours(1));
  EXPECT_EQ(keeper_.removed.size(), 2U) << "the name is free";
  EXPECT_FALSE(isThere());
}

TEST_F(RemovalTest, WaitsForWhoWorksThere) {
  // Made while its vault is deleted, and made again in the new one.
  server_->run([&](store::Txn& txn) { server_->backup.vaults().ensure(txn, kVault, kMachine); });
  ASSERT_EQ(keeper_.waiting.size(), 1U);
  erase();
  make();
  const auto job = start(there());
  EXPECT_TRUE(keeper_.removed.empty());
  maintained();
  EXPECT_EQ(keeper_.removed.size(), 1U);
  EXPECT_EQ(in()->state, "creating") << "what was made is not this one";
  maintained();
  maintained();
  EXPECT_EQ(server_->job(job).state, JobState::running);
  result(job, "FAILED");
  // The same of one that is maintained.
  fails('b');
  ASSERT_EQ(in()->state, "maintenance");
  erase();
  EXPECT_EQ(keeper_.removed.size(), 1U);
  maintained();
  EXPECT_EQ(keeper_.removed.size(), 2U);
  EXPECT_EQ(keeper_.removed_known, std::set<std::string>{fmt::format("{}/{}", kMachine, std::string(64, 'b'))});
}

TEST_F(RemovalTest, ASnapshotThatNobodyKnowsPutsTheVaultBackWithItsKey) {
  fails('a');
  const auto key = in()->key;
  erase();
  EXPECT_FALSE(isThere());
  maintained();
  keeper_.forgotten.clear();
  maintained(fail("vault.strange", "a snapshot"));
  EXPECT_TRUE(isThere());
  EXPECT_EQ(in()->key, key);
  EXPECT_EQ(keeper_.forgotten, std::vector<std::string>{std::string(64, 'a')}) << "what was to be forgotten is so still";
  maintained();
  EXPECT_EQ(in()->state, "ready");
  // A vault that was made meanwhile gets what lies there, and jobs go on with it.
  erase();
  make();
  const auto job = start(there());
  EXPECT_NE(in()->key, key);
  maintained(fail("vault.strange", "a snapshot"));
  EXPECT_EQ(in()->key, key);
  EXPECT_EQ(server_->job(job).state, JobState::running);
}

TEST_F(RemovalTest, DeleteBackupVaultLooksItself) {
  fails('a');
  maintained();
  keeper_.present = {{std::string(64, 'f'), "", "", "", {}, {}, ""}};
  EXPECT_TRUE(toldBy("DeleteBackupVault").starts_with("ERROR_9104")) << toldBy("DeleteBackupVault");
  EXPECT_NE(toldBy("DeleteBackupVault").find(std::string(64, 'f')), std::string::npos);
  keeper_.unlisted = "no such luck";
  EXPECT_TRUE(toldBy("DeleteBackupVault").starts_with("ERROR_9104"));
  EXPECT_NE(toldBy("DeleteBackupVault").find("no such luck"), std::string::npos);
  keeper_.unlisted.clear();
  keeper_.present.clear();
  auto blind = *in();
  blind.look_error = "was blind";
  server_->run([&](store::Txn& txn) { server_->backup.vaults().saveRepository(txn, blind); });
  EXPECT_NE(toldBy("DeleteBackupVault").find("was blind"), std::string::npos);
  blind.look_error.clear();
  server_->run([&](store::Txn& txn) { server_->backup.vaults().saveRepository(txn, blind); });
  EXPECT_EQ(toldBy("DeleteBackupVault"), "");
  EXPECT_TRUE(keeper_.removed_known.empty());
  EXPECT_EQ(keeper_.removed.size(), 1U);
}

TEST_F(LifecycleTest, APersonsDeletionStaysADeletion) {
  const auto id = taken('a', spec());
  server_->run(
      [&](store::Txn& txn) { server_->backup.recoveryPoints().remove(txn, *server_->backup.recoveryPoints().find(txn, id), false); });
  server_->core.runPending();
  maintained(fail("vault.restic", "locked"));
  EXPECT_EQ(point(id)->status, "DELETING");
  EXPECT_NE(point(id)->message.find("tried again. locked"), std::string::npos) << point(id)->message;
}

TEST_F(LifecycleTest, JobsAndRestoresWaitForTheLeaseAndItSurvivesTheServer) {
  const auto points = daily("abcd", 1);
  ASSERT_EQ(repository().state, "maintenance");
  const auto job = start(spec());
  const auto read = restore(points[3]);
  EXPECT_EQ(server_->job(job).state, JobState::created);
  keeper_.waiting.clear();
  boot();
  EXPECT_EQ(repository().state, "maintenance") << "nothing gets in between";
  EXPECT_EQ(server_->job(job).state, JobState::created);
  EXPECT_EQ(keeper_.forgotten.size(), 2U) << "begun again";
  maintained();
  EXPECT_EQ(server_->job(job).state, JobState::running);
  server_->run([&](store::Txn& txn) { EXPECT_EQ(server_->backup.restores().find(txn, read)->status, RestoreStatus::running); });
  EXPECT_FALSE(point(points[0]).has_value());
}

TEST_F(LifecycleTest, ARunThatHoldsTheMachineGoesFirst) {
  const auto points = daily("abcd", 5);
  server_->run([&](store::Txn& txn) { server_->locks.acquire(txn, kMachine, "run:x"); });
  advance(2 * kDay);
  EXPECT_EQ(point(points[0])->status, "DELETING");
  EXPECT_TRUE(keeper_.forgotten.empty()) << "its machine may be frozen, and its backup must not wait";
  auto asked = spec();
  asked.by = "run:x";
  const auto job = start(asked);
  EXPECT_EQ(server_->job(job).state, JobState::running);
  snapshot(job, std::string(64, 'e'));
  result(job, "COMPLETED");
  EXPECT_EQ(keeper_.forgotten.size(), 1U) << "its backup has been taken";
}

TEST_F(LifecycleTest, AJobThatExpiresUnbegunTakesNoRepositoryFromARun) {
  const auto points = daily("abcd", 5);
  server_->run([&](store::Txn& txn) { server_->locks.acquire(txn, kMachine, "run:x"); });
  advance(2 * kDay);
  const auto waiting = start(spec());
  server_->run([&](store::Txn& txn) {
    auto plans = spec();
    plans.by = "run:y";
    EXPECT_TRUE(server_->backup.jobs().expire(txn, plans, "the window has ended").has_value());
  });
  advance(kDay);
  EXPECT_EQ(server_->job(waiting).state, JobState::expired);
  EXPECT_TRUE(keeper_.forgotten.empty());
  EXPECT_EQ(repository().state, "ready") << "its machine may be frozen, and its backup must not wait";
}

TEST_F(LifecycleTest, ARepositoryInUseIsNotTakenByATimerThatCameDueWhileTheServerWasDown) {
  const auto points = daily("abcd", 5);
  const auto job = start(spec());
  EXPECT_EQ(server_->job(job).state, JobState::running);
  server_->run([&](store::Txn& txn) { server_->backup.vaults().dropLeftovers(txn, "Default", kMachine); });
  EXPECT_TRUE(keeper_.forgotten.empty());
  // Its timer again, as a lane's end would set it.
  server_->run([&](store::Txn& txn) { server_->backup.vaults().dropLeftovers(txn, "Default", kMachine); });
  server_.reset();
  clock_.advance(std::chrono::hours(1));
  boot();
  EXPECT_TRUE(keeper_.forgotten.empty()) << "restic is still writing into it";
  snapshot(job, std::string(64, 'e'));
  result(job, "COMPLETED");
  EXPECT_FALSE(keeper_.forgotten.empty());
}

TEST_F(LifecycleTest, AtMostTwoRepositoriesAreMaintainedAtOnceAndAllInTheEnd) {
  std::vector<std::string> vaults{"v1", "v2", "v3", "v4", "v5"};
  for (const auto& vault : vaults) {
    server_->run([&](store::Txn& txn) { server_->backup.vaults().create(txn, Vault{vault, txn.now(), "", "", {}, 0}); });
    auto asked = keptFor(1);
    asked.vault = vault;
    for (const char name : {'a', 'b', 'c', 'd'}) taken(name, asked);
  }
  advance(2 * kDay);
  std::size_t done = 0;
  while (!keeper_.waiting.empty()) {
    EXPECT_LE(keeper_.waiting.size(), runtime::VaultKeeper::kMaintainedAtOnce);
    done += keeper_.waiting.size();
    maintained();
  }
  EXPECT_EQ(done, vaults.size());
}

TEST_F(LifecycleTest, ASnapshotOfNoJobIsQuarantinedAndNeverForgotten) {
  const auto points = daily("abcd", 1);
  maintained();
  keeper_.present = {{std::string(64, 'b'), "t", "h", "u", {"/"}, {}, ""}, {std::string(64, '7'), "t", "h", "u", {"/home"}, {"x"}, ""}};
  const auto found = [&](std::string_view instance) {
    std::vector<runtime::VaultSnapshot> out;
    server_->run([&](store::Txn& txn) { out = server_->backup.quarantine().found(txn, "Default", instance, 10); });
    return out;
  };
  EXPECT_TRUE(found("").empty());
  advance(kDay);
  ASSERT_EQ(found("").size(), 1U);
  EXPECT_EQ(found(kMachine)[0].id, std::string(64, '7'));
  EXPECT_EQ(found(kMachine)[0].paths, std::vector<std::string>{"/home"});
  EXPECT_TRUE(repository().looked.has_value());
  advance(300 * kDay);
  EXPECT_EQ(std::ranges::count(keeper_.forgotten, std::string(64, '7')), 0);
  // Its owner removed it.
  keeper_.present.pop_back();
  advance(kDay);
  EXPECT_TRUE(found("").empty());
}

TEST_F(LifecycleTest, PointsOfBeforeAreFoundByTheirRepositoryAfterAnUpgrade) {
  const auto points = daily("abcd", 9);
  server_->run([&](store::Txn& txn) {
    for (const auto& record : txn.records().scan("recovery_point", "", "", 100))
      txn.records().index("recovery_point", record.key, "repository", "");
    txn.records().erase("upgrade", "recovery_points_by_machine");
    EXPECT_TRUE(server_->backup.recoveryPoints().of(txn, "Default", kMachine).empty());
  });
  boot();
  server_->run([&](store::Txn& txn) { EXPECT_EQ(server_->backup.recoveryPoints().of(txn, "Default", kMachine).size(), points.size()); });
}

}  // namespace
}  // namespace sp::services::backup

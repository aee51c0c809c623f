// Jobs, repositories and restores: what is sent, what is decided, what survives a restart.
#include "services/backup/tests/backup_fixture.h"

namespace sp::services::backup {
namespace {

TEST_F(BackupTest, AJobWaitsForItsRepositoryThenRunsOnTheMachine) {
  const auto id = start();
  EXPECT_EQ(server_->job(id).state, JobState::created);
  ASSERT_EQ(keeper_.created.size(), 1U);
  EXPECT_EQ(keeper_.created[0].key.size(), 64U);
  madeRepository();
  EXPECT_EQ(server_->job(id).state, JobState::running);
  const auto request = agents_.last("backup.run");
  EXPECT_EQ(agents_.sent.back().first, kMachine);
  EXPECT_EQ(json::textOr(request, "id"), "job/" + id);
  EXPECT_EQ(json::textOr(request, "key"), keeper_.created[0].key);
  EXPECT_EQ(json::boolOr(request, "outside", true), false);
  // Only the hash of the secret is kept, and it opens exactly this repository to exactly this agent.
  const auto secret = json::textOr(request, "secret");
  EXPECT_EQ(server_->job(id).secret_hash, sha256Hex(secret));
  EXPECT_TRUE(server_->backup.access().admit(kMachine, id, secret).has_value());
  EXPECT_FALSE(server_->backup.access().admit("i-1", id, secret).has_value());
  EXPECT_FALSE(server_->backup.access().admit(kMachine, id, secret + "x").has_value());
  server_->report({{"type", "progress"}, {"id", "job/" + id}, {"bytesDone", 3}, {"bytesTotal", 7}, {"filesDone", 1}, {"percent", 42.5}});
  EXPECT_EQ(server_->job(id).bytes_done, 3);
  EXPECT_EQ(server_->job(id).percent, 42.5);
  snapshot(id, std::string(64, 'a'));
  result(id, "COMPLETED");
  const auto job = server_->job(id);
  EXPECT_EQ(job.bytes_done, 7);
  EXPECT_EQ(job.files_done, 2);
  EXPECT_EQ(job.state, JobState::completed);
  EXPECT_EQ(job.percent, 100);
  EXPECT_FALSE(server_->backup.access().admit(kMachine, id, secret).has_value());
  server_->run([&](store::Txn& txn) {
    const auto point = server_->backup.recoveryPoints().find(txn, job.recovery_point);
    ASSERT_TRUE(point.has_value());
    EXPECT_EQ(point->snapshot, std::string(64, 'a'));
    EXPECT_EQ(point->status, "COMPLETED");
    EXPECT_EQ(point->size, 7);
    EXPECT_EQ(server_->backup.vaults().find(txn, "Default")->points, 1);
    EXPECT_FALSE(server_->locks.holder(txn, kMachine).has_value());
  });
}

TEST_F(BackupTest, SuccessWithoutASnapshotIsNoSuccess) {
  const auto id = start();
  madeRepository();
  result(id, "COMPLETED");
  EXPECT_EQ(server_->job(id).state, JobState::failed);
  EXPECT_NE(server_->job(id).message.find("no snapshot"), std::string::npos);
}

TEST_F(BackupTest, UnreadFilesMakeItPartialAndAreNamed) {
  const auto id = start();
  madeRepository();
  snapshot(id, std::string(64, 'b'));
  server_->report(
      {{"type", "backup.result"}, {"id", "job/" + id}, {"state", "PARTIAL"}, {"failedFiles", json::Array{"/srv/bad"}}, {"failedCount", 3}});
  const auto job = server_->job(id);
  EXPECT_EQ(job.state, JobState::partial);
  EXPECT_EQ(job.message, "3 of the machine's files could not be read: /srv/bad and 2 more");
}

TEST_F(BackupTest, AStoppedMachineIsReadFromOutsideAndMustStaySo) {
  server_->setMachine(InstanceState::stopped, 4);
  const auto id = start();
  madeRepository();
  EXPECT_EQ(agents_.sent.back().first, "host");
  EXPECT_TRUE(json::boolOr(agents_.last("backup.run"), "outside", false));
  server_->run([&](store::Txn& txn) { EXPECT_EQ(server_->instances.find(txn, kMachine)->reading_job, id); });
  snapshot(id, std::string(64, 'c'));
  server_->setMachine(InstanceState::stopped, 5);
  result(id, "COMPLETED");
  EXPECT_EQ(server_->job(id).state, JobState::failed);
  EXPECT_NE(server_->job(id).message.find("did not stay stopped"), std::string::npos);
  // Its snapshot is nobody's: it is forgotten.
  server_->core.runPending();
  EXPECT_EQ(keeper_.forgotten, std::vector<std::string>{std::string(64, 'c')});
}

TEST_F(BackupTest, AMachineThatRebootsAfterItsPreScriptIsNotReadOn) {
  server_->hello("one", 0);
  const auto prepared = [&](const std::string& boot) {
    auto asked = spec();
    asked.by = "run:x";
    asked.boot = boot;
    return start(asked);
  };
  const auto rebooted =
      fmt::format("Instance {} was rebooted after its pre-script had prepared it: the copy would not be consistent.", kMachine);
  const auto id = prepared("one/0");
  madeRepository();
  ASSERT_EQ(server_->job(id).state, JobState::running);
  // The agent was started again, and upgraded to one that tells more.
  for (const std::int64_t init : {0, 5, 5}) server_->hello("one", init);
  EXPECT_EQ(agents_.count("cancel"), 0U);
  boot();
  server_->hello("two", 5);
  EXPECT_EQ(json::textOr(agents_.last("cancel"), "target"), "job/" + id);
  // What it had read in both boots comes to nothing.
  snapshot(id, std::string(64, 'c'));
  result(id, "COMPLETED");
  EXPECT_EQ(server_->job(id).state, JobState::failed);
  EXPECT_EQ(server_->job(id).message, rebooted);
  server_->core.runPending();
  EXPECT_EQ(keeper_.forgotten, std::vector<std::string>{std::string(64, 'c')});
  madeRepository();
  // Between pre-script and job; machines that share a kernel differ by their first process only.
  const auto asked = agents_.count("backup.run");
  for (const char* before : {"one/5", "two/4"}) {
    const auto late = prepared(before);
    EXPECT_EQ(server_->job(late).state, JobState::failed);
    EXPECT_EQ(server_->job(late).message, rebooted);
  }
  EXPECT_EQ(agents_.count("backup.run"), asked);
  // Others are read in whatever boot.
  const auto plain = prepared("");
  server_->hello("three", 1);
  snapshot(plain, std::string(64, 'd'));
  result(plain, "COMPLETED");
  EXPECT_EQ(server_->job(plain).state, JobState::completed);
}

TEST_F(BackupTest, AJobPreparedBeforeItsMachineStoppedIsReadFromOutside) {
  server_->hello("one", 5);
  server_->setMachine(InstanceState::stopped, 4);
  auto asked = spec();
  asked.boot = "zero/5";
  asked.needs_stopped = true;
  const auto id = start(asked);
  madeRepository();
  snapshot(id, std::string(64, 'c'));
  result(id, "COMPLETED");
  EXPECT_EQ(server_->job(id).state, JobState::completed) << server_->job(id).message;
}

TEST_F(BackupTest, AMachineThatWasStoppedForItsBackupIsNotReadWhileItRuns) {
  server_->setMachine(InstanceState::stopped, 1);
  auto asked = spec();
  asked.needs_stopped = true;
  const auto id = start(asked);
  // Somebody starts it while the job waits for its repository.
  server_->setMachine(InstanceState::running, 2);
  boot();
  madeRepository();
  EXPECT_EQ(server_->job(id).state, JobState::failed);
  EXPECT_NE(server_->job(id).message.find("was started before its files were read"), std::string::npos);
  EXPECT_EQ(agents_.count("backup.run"), 0U);
}

TEST_F(BackupTest, OneJobAMachineAtATimeInOrder) {
  const auto first = start();
  madeRepository();
  const auto second = start();
  EXPECT_EQ(server_->job(second).state, JobState::created);
  EXPECT_EQ(agents_.count("backup.run"), 1U);
  result(first, "FAILED");
  EXPECT_EQ(server_->job(first).state, JobState::failed);
  EXPECT_EQ(server_->job(second).state, JobState::running);
}

TEST_F(BackupTest, AJobOfARunNeedsNoLockOfItsOwnAndOthersWait) {
  server_->run([&](store::Txn& txn) { server_->locks.acquire(txn, kMachine, "run:x"); });
  auto asked = spec();
  asked.by = "run:x";
  const auto mine = start(asked);
  const auto other = start();
  madeRepository();
  EXPECT_EQ(server_->job(mine).state, JobState::running);
  EXPECT_EQ(server_->job(other).state, JobState::created);
  snapshot(mine, std::string(64, 'd'));
  result(mine, "COMPLETED");
  EXPECT_EQ(server_->job(other).state, JobState::created);
  server_->run([&](store::Txn& txn) { server_->locks.release(txn, kMachine, "run:x"); });
  EXPECT_EQ(server_->job(other).state, JobState::running);
}

TEST_F(BackupTest, TheSameTokenIsTheSameJob) {
  auto asked = spec();
  asked.token = "t";
  const auto id = start(asked);
  EXPECT_EQ(start(asked), id);
  asked.options["StallTimeoutInSeconds"] = "5";
  EXPECT_EQ(tryStart(asked).error().code, "InvalidRequestException");
}

TEST_F(BackupTest, StoppingAbortsAfterTheAgentHasStopped) {
  const auto id = start();
  madeRepository();
  server_->run([&](store::Txn& txn) { ASSERT_TRUE(server_->backup.jobs().stop(txn, id).has_value()); });
  EXPECT_EQ(server_->job(id).state, JobState::aborting);
  EXPECT_EQ(json::textOr(agents_.last("cancel"), "target"), "job/" + id);
  result(id, "ABORTED");
  EXPECT_EQ(server_->job(id).state, JobState::aborted);
  EXPECT_EQ(server_->job(id).message, "Backup job was stopped by user.");
  server_->run([&](store::Txn& txn) { EXPECT_EQ(server_->backup.jobs().stop(txn, id).error().code, "InvalidRequestException"); });
}

TEST_F(BackupTest, AnAgentThatNeverAnswersACancelDoesNotHoldTheJob) {
  const auto id = start();
  madeRepository();
  server_->run([&](store::Txn& txn) { ASSERT_TRUE(server_->backup.jobs().stop(txn, id).has_value()); });
  clock_.advance(std::chrono::seconds(41));
  server_->core.runPending();
  EXPECT_EQ(server_->job(id).state, JobState::aborted);
  EXPECT_EQ(agents_.withdrawn.back(), "job/" + id);
}

TEST_F(BackupTest, WindowsExpire) {
  agents_.up = false;
  const auto first = start();
  madeRepository();
  const auto second = start();
  clock_.advance(std::chrono::minutes(480));
  server_->core.runPending();
  EXPECT_EQ(server_->job(first).state, JobState::expired);
  EXPECT_EQ(server_->job(second).state, JobState::expired);
  agents_.up = true;
  auto asked = spec();
  asked.start_window_minutes = 60;
  asked.complete_window_minutes = 60;
  const auto third = start(asked);
  EXPECT_EQ(server_->job(third).state, JobState::running);
  for (int i = 0; i < 60; ++i) {
    clock_.advance(std::chrono::minutes(1));
    server_->report({{"type", "progress"}, {"id", "job/" + third}, {"bytesDone", i}, {"percent", 1.5}});
  }
  agents_.up = false;
  server_->core.runPending();
  result(third, "ABORTED");
  EXPECT_EQ(server_->job(third).state, JobState::expired);
  EXPECT_EQ(server_->job(third).message, "Backup job expired before completion.");
}

TEST_F(BackupTest, WithoutMovementItFails) {
  auto asked = spec();
  asked.options["StallTimeoutInSeconds"] = "20";
  const auto id = start(asked);
  madeRepository();
  agents_.up = false;
  for (int i = 0; i < 4; ++i) {
    clock_.advance(std::chrono::seconds(11));
    server_->core.runPending();
    EXPECT_EQ(server_->job(id).state, JobState::running);
  }
  clock_.advance(std::chrono::seconds(11));
  server_->core.runPending();
  EXPECT_EQ(server_->job(id).state, JobState::failed);
  EXPECT_EQ(server_->job(id).message, "No byte moved and no file was finished for 20 seconds.");
}

TEST_F(BackupTest, ARunningJobAndItsCredentialSurviveTheServer) {
  const auto id = start();
  madeRepository();
  const auto secret = json::textOr(agents_.last("backup.run"), "secret");
  snapshot(id, std::string(64, 'e'));
  boot();
  EXPECT_TRUE(server_->backup.access().admit(kMachine, id, secret).has_value());
  EXPECT_EQ(server_->job(id).state, JobState::running);
  EXPECT_EQ(agents_.count("backup.run"), 1U);
  // An interrupted read was begun anew by the agent: the newer snapshot is the job's, the older one goes.
  snapshot(id, std::string(64, 'f'));
  result(id, "COMPLETED");
  EXPECT_EQ(server_->job(id).state, JobState::completed);
  EXPECT_EQ(server_->job(id).snapshot, std::string(64, 'f'));
  server_->core.runPending();
  EXPECT_EQ(keeper_.forgotten, std::vector<std::string>{std::string(64, 'e')});
}

TEST_F(BackupTest, ASnapshotNobodyHeardOfAgainIsRemovedInTheEnd) {
  const auto id = start();
  madeRepository();
  const auto coming = [&](char name) {
    bool wanted = false;
    server_->run([&](store::Txn& txn) { wanted = server_->backup.jobs().snapshotComing(txn, id, std::string(64, name)); });
    return wanted;
  };
  // Server and agent died between the file and its record: the agent began anew.
  EXPECT_TRUE(coming('e'));
  boot();
  EXPECT_TRUE(coming('f'));
  snapshot(id, std::string(64, 'f'));
  EXPECT_TRUE(coming('f')) << "restic sends it again when the answer was lost";
  result(id, "COMPLETED");
  EXPECT_EQ(server_->job(id).snapshot, std::string(64, 'f'));
  EXPECT_FALSE(coming('d')) << "the job has ended";
  server_->core.runPending();
  EXPECT_EQ(keeper_.forgotten, std::vector<std::string>{std::string(64, 'e')});
}

TEST_F(BackupTest, AFullDiskFailsTheJobNamesTheDiskAndClearsWhatWasLeft) {
  const auto id = start();
  madeRepository();
  for (int again = 0; again < 2; ++again)
    server_->run([&](store::Txn& txn) { server_->backup.jobs().diskFull(txn, id, "cannot write /v/x: No space left on device"); });
  EXPECT_EQ(server_->job(id).state, JobState::running) << "until its agent has stopped";
  EXPECT_EQ(agents_.count("cancel"), 1U);
  result(id, "ABORTED");
  EXPECT_EQ(server_->job(id).state, JobState::failed);
  EXPECT_EQ(server_->job(id).message, "The disk of vault Default is full: cannot write /v/x: No space left on device");
  server_->core.runPending();
  EXPECT_EQ(keeper_.forgotten, std::vector<std::string>{"leftovers"});
  keeper_.answer();
  server_->core.runPending();
  const auto next = start();
  EXPECT_EQ(server_->job(next).state, JobState::running);
}

TEST_F(BackupTest, ADeletedPointGoesOnlyWhenNobodyUsesTheRepository) {
  const auto id = start();
  madeRepository();
  snapshot(id, std::string(64, 'a'));
  result(id, "COMPLETED");
  const auto point = server_->job(id).recovery_point;
  const auto second = start();
  EXPECT_EQ(server_->job(second).state, JobState::running);
  const auto find = [&] {
    std::optional<RecoveryPoint> out;
    server_->run([&](store::Txn& txn) { out = server_->backup.recoveryPoints().find(txn, point); });
    return out;
  };
  server_->run(
      [&](store::Txn& txn) { server_->backup.recoveryPoints().remove(txn, *server_->backup.recoveryPoints().find(txn, point), false); });
  server_->core.runPending();
  EXPECT_EQ(find()->status, "DELETING");
  EXPECT_TRUE(keeper_.forgotten.empty());
  result(second, "FAILED");
  EXPECT_EQ(keeper_.forgotten.size(), 1U);
  // While it is being cleared, jobs wait.
  const auto third = start();
  EXPECT_EQ(server_->job(third).state, JobState::created);
  keeper_.answer();
  server_->core.runPending();
  EXPECT_FALSE(find().has_value());
  EXPECT_EQ(server_->job(third).state, JobState::running);
  server_->run([&](store::Txn& txn) { EXPECT_EQ(server_->backup.vaults().find(txn, "Default")->points, 0); });
}

TEST_F(BackupTest, ARepositoryThatCannotBeMadeFailsTheJobAndIsTriedAgain) {
  const auto id = start();
  keeper_.answer(fail("vault.restic", "no space"));
  server_->core.runPending();
  EXPECT_EQ(server_->job(id).state, JobState::failed);
  EXPECT_NE(server_->job(id).message.find("no space"), std::string::npos);
  const auto second = start();
  ASSERT_EQ(keeper_.created.size(), 2U);
  EXPECT_EQ(keeper_.created[0].key, keeper_.created[1].key);
  madeRepository();
  EXPECT_EQ(server_->job(second).state, JobState::running);
}

TEST_F(BackupTest, PreparingMakesTheRepositoryOnce) {
  server_->run([&](store::Txn& txn) {
    server_->backup.jobs().prepare(txn, "Default", kMachine);
    server_->backup.jobs().prepare(txn, "Default", kMachine);
    server_->backup.jobs().prepare(txn, "unknown", kMachine);
  });
  EXPECT_EQ(keeper_.created.size(), 1U);
  madeRepository();
  const auto id = start();
  EXPECT_EQ(server_->job(id).state, JobState::running);
  server_->run([&](store::Txn& txn) {
    const auto keys = exportVaultKeys(txn, server_->backup, "Default");
    ASSERT_TRUE(keys.has_value());
    ASSERT_EQ(keys->size(), 1U);
    EXPECT_EQ(keys->front().path, std::string("/data/vaults/Default/") + kMachine);
    EXPECT_EQ(keys->front().key, keeper_.created[0].key);
    EXPECT_EQ(exportVaultKeys(txn, server_->backup, "none").error().code, "ResourceNotFoundException");
  });
}

TEST_F(BackupTest, BadInputIsRefusedByName) {
  const auto refused = [&](const std::function<void(StartSpec&)>& change) {
    auto asked = spec();
    change(asked);
    const auto job = tryStart(asked);
    EXPECT_FALSE(job.has_value());
    return job ? std::string() : job.error().code;
  };
  EXPECT_EQ(refused([](auto& s) { s.vault = "none"; }), "ResourceNotFoundException");
  EXPECT_EQ(refused([](auto& s) { s.resource_arn = "arn:aws:ec2:us-east-1:000000000000:instance/i-fff"; }), "ResourceNotFoundException");
  EXPECT_EQ(refused([](auto& s) { s.resource_arn = "arn:aws:s3:::bucket"; }), "InvalidParameterValueException");
  EXPECT_EQ(refused([](auto& s) { s.role_arn = "arn:aws:iam::000000000000:user/x"; }), "InvalidParameterValueException");
  EXPECT_EQ(refused([](auto& s) { s.start_window_minutes = 59; }), "InvalidParameterValueException");
  EXPECT_EQ(refused([](auto& s) { s.options["Paths"] = "relative"; }), "InvalidParameterValueException");
  EXPECT_EQ(refused([](auto& s) { s.options["Paths"] = "/var/lib/stillpoint-agent/journal"; }), "InvalidParameterValueException");
  EXPECT_EQ(refused([](auto& s) { s.options["Nonsense"] = "1"; }), "InvalidParameterValueException");
}

TEST_F(BackupTest, ARestoreReadsOnlyAndEndsByItsReport) {
  const auto id = start();
  madeRepository();
  snapshot(id, std::string(64, 'a'));
  result(id, "COMPLETED");
  std::string restore;
  const auto point = server_->job(id).recovery_point;
  server_->run([&](store::Txn& txn) {
    const auto started = server_->backup.restores().start(
        txn, {point, "", "", {{"targetInstanceId", "host"}, {"targetPath", "/tmp/x"}, {"includePaths", "[\"/srv\"]"}}});
    ASSERT_TRUE(started.has_value()) << started.error().message;
    restore = started->id;
  });
  const auto request = agents_.last("restore.run");
  EXPECT_EQ(agents_.sent.back().first, "host");
  EXPECT_EQ(json::textOr(request, "snapshotId"), std::string(64, 'a'));
  const auto grant = server_->backup.access().admit("host", restore, json::textOr(request, "secret"));
  ASSERT_TRUE(grant.has_value());
  EXPECT_EQ(grant->direction, runtime::VaultDirection::restore);
  server_->report({{"type", "restore.result"}, {"id", "restore/" + restore}, {"state", "COMPLETED"}, {"bytes", 5}, {"files", 1}});
  server_->run([&](store::Txn& txn) {
    EXPECT_EQ(server_->backup.restores().find(txn, restore)->status, RestoreStatus::completed);
    EXPECT_TRUE(server_->backup.recoveryPoints().find(txn, point)->restored.has_value());
  });
}

TEST_F(BackupTest, ARestoreTellsThatItsAgentIsNotThereAndEndsIfItStaysAway) {
  const auto id = start();
  madeRepository();
  snapshot(id, std::string(64, 'a'));
  result(id, "COMPLETED");
  const auto point = server_->job(id).recovery_point;
  std::string restore;
  const auto begin = [&] {
    server_->run([&](store::Txn& txn) {
      const auto started = server_->backup.restores().start(txn, {point, "", "", {{"targetInstanceId", kMachine}, {"targetPath", "/x"}}});
      ASSERT_TRUE(started.has_value()) << started.error().message;
      restore = started->id;
    });
  };
  const auto found = [&] {
    RestoreJob job;
    server_->run([&](store::Txn& txn) { job = server_->backup.restores().find(txn, restore).value(); });
    return job;
  };
  const auto after = [&](std::chrono::seconds while_) {
    clock_.advance(while_);
    server_->run([](store::Txn&) {});
  };
  agents_.up = false;
  begin();
  EXPECT_EQ(found().status, RestoreStatus::running);
  EXPECT_EQ(found().message,
            fmt::format("Waits for the agent of {}, which is not connected; fails after 600 seconds without a byte.", kMachine));
  agents_.up = true;
  after(std::chrono::seconds(10));
  EXPECT_EQ(found().message, "");
  agents_.up = false;
  for (int i = 0; i < 64; ++i) after(std::chrono::seconds(10));
  EXPECT_EQ(found().status, RestoreStatus::failed);
  EXPECT_EQ(found().message,
            fmt::format("The agent of {} is not connected. No byte moved for 600 seconds. Start it, and the restore again.", kMachine));
}

}  // namespace
}  // namespace sp::services::backup

// Lists: how many records they look at, how they go on, and what times may bound them.
#include "aws/operation.h"
#include "services/backup/shapes.h"
#include "services/backup/table.h"
#include "services/backup/tests/backup_fixture.h"

namespace sp::services::backup {
namespace {

using std::chrono::days;
using std::chrono::minutes;

class ListsTest : public BackupTest {
 protected:
  aws::Outcome call(std::string_view operation, const json::Object& input) {
    const auto table = server_->backup.makeBackup();
    const auto found = std::ranges::find(table.operations, operation, &aws::Operation::name);
    EXPECT_NE(found, table.operations.end()) << operation;
    aws::Outcome out;
    const aws::Principal principal{};
    server_->run([&](store::Txn& txn) { out = found->handler({input, &txn, principal, server_->realm, "", "", clock_.now()}); });
    return out;
  }
  /// The values of `id` in `member` on all pages, in order; how many pages there were.
  std::pair<std::vector<std::string>, int> all(std::string_view operation, json::Object input, std::string_view member,
                                               std::string_view id) {
    std::vector<std::string> out;
    for (int pages = 1;; ++pages) {
      const auto answer = call(operation, input);
      EXPECT_TRUE(answer.has_value()) << answer.error().message;
      if (!answer) return {out, pages};
      for (const auto& one : answer->at(member).as_array()) out.push_back(json::textOr(one.as_object(), id));
      const auto token = json::textOr(*answer, "NextToken");
      if (token.empty()) return {out, pages};
      input["NextToken"] = token;
    }
  }
  void keepJobs(int count, Duration age, JobState state = JobState::completed) {
    server_->run([&](store::Txn& txn) {
      for (int i = 0; i < count; ++i) {
        Job job;
        job.id = fmt::format("{}-{:05}", age.count(), i);
        job.created = clock_.now() - age + Duration(i);
        job.state = state;
        job.vault = "Default";
        saveRecord(txn, kJobKind, job);
      }
    });
  }
  void keepPoints(int count, const std::string& vault, const std::string& instance) {
    server_->run([&](store::Txn& txn) {
      for (int i = 0; i < count; ++i) {
        RecoveryPoint point;
        point.id = fmt::format("{}-{}-{:05}", vault, instance, i);
        point.vault = vault;
        point.instance = instance;
        point.resource_arn = server_->realm.arn("ec2", "instance/" + instance);
        point.created = clock_.now() + Duration(i);
        server_->backup.recoveryPoints().save(txn, point);
      }
    });
  }
};

TEST_F(ListsTest, JobsThatAreTooOldToBeShownAreNotLookedAt) {
  keepJobs(10'000, days(40));
  keepJobs(3, days(1));
  std::size_t looked = 0;
  server_->run([&](store::Txn& txn) {
    const ListAsk ask{"", timeKey(clock_.now() - days(30), ""), 1000};
    const auto listed = server_->backup.jobs().list(txn, ask, [&](const Job&) { return ++looked > 0; });
    EXPECT_EQ(listed.entries.size(), 3U);
    EXPECT_EQ(listed.next, "");
  });
  EXPECT_EQ(looked, 3U);
  const auto answer = call("ListBackupJobs", {});
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->at("BackupJobs").as_array().size(), 3U);
  EXPECT_FALSE(answer->contains("NextToken"));
}

TEST_F(ListsTest, AFilterThatSkipsManyGivesShortPagesWhichFindAll) {
  keepJobs(2, minutes(30), JobState::failed);
  keepJobs(11'000, minutes(20));
  keepJobs(2, minutes(10), JobState::failed);
  std::size_t looked = 0;
  server_->run([&](store::Txn& txn) {
    const auto listed = server_->backup.jobs().list(txn, {"", "", 1}, [&](const Job&) { return ++looked == 0; });
    EXPECT_TRUE(listed.entries.empty());
    EXPECT_NE(listed.next, "");
  });
  EXPECT_EQ(looked, kLookedAt);
  const auto [found, pages] = all("ListBackupJobs", {{"ByState", "FAILED"}}, "BackupJobs", "BackupJobId");
  EXPECT_EQ(found, (std::vector<std::string>{"600000000-00001", "600000000-00000", "1800000000-00001", "1800000000-00000"}));
  EXPECT_EQ(pages, 3);
  const auto [everything, many] = all("ListBackupJobs", {{"MaxResults", 900}}, "BackupJobs", "BackupJobId");
  EXPECT_EQ(everything.size(), 11'004U);
  EXPECT_EQ(std::set(everything.begin(), everything.end()).size(), 11'004U);
  EXPECT_EQ(many, 13);
  // As many as one page holds, and no page after it.
  EXPECT_EQ(
      all("ListBackupJobs", {{"ByState", "FAILED"}, {"MaxResults", 2}, {"ByCreatedAfter", toEpochSeconds(clock_.now() - minutes(15))}},
          "BackupJobs", "BackupJobId")
          .second,
      1);
}

TEST_F(ListsTest, MomentsOfCreationBoundWhatIsLookedAt) {
  keepJobs(6'000, minutes(30));
  keepJobs(1, minutes(20));
  keepJobs(6'000, minutes(10));
  const auto at = toEpochSeconds(clock_.now() - minutes(20));
  const json::Object around{{"ByCreatedAfter", at - 0.001}, {"ByCreatedBefore", at + 0.001}};
  const auto [found, pages] = all("ListBackupJobs", around, "BackupJobs", "BackupJobId");
  EXPECT_EQ(found, std::vector<std::string>{"1200000000-00000"});
  EXPECT_EQ(pages, 1);
  // Neither moment is included.
  EXPECT_TRUE(all("ListBackupJobs", {{"ByCreatedAfter", at}, {"ByCreatedBefore", at + 1}}, "BackupJobs", "BackupJobId").first.empty());
  EXPECT_TRUE(all("ListBackupJobs", {{"ByCreatedAfter", at - 1}, {"ByCreatedBefore", at}}, "BackupJobs", "BackupJobId").first.empty());
}

TEST_F(ListsTest, PointsAreFoundByTheirMachineAndVault) {
  const std::string other = "i-00000000000000002";
  ASSERT_TRUE(call("CreateBackupVault", {{"BackupVaultName", "second"}}).has_value());
  keepPoints(2, "Default", other);
  advance(minutes(1));
  keepPoints(2, "second", other);
  advance(minutes(1));
  keepPoints(6'000, "Default", kMachine);
  const auto resource = server_->realm.arn("ec2", "instance/" + other);
  const auto list = [&](std::string_view operation, const json::Object& input) {
    return all(operation, input, "RecoveryPoints", "RecoveryPointArn");
  };
  const auto arn = [&](const std::string& name) { return server_->backup.recoveryPoints().arn(name + "-" + other); };
  const std::vector<std::string> here{arn("Default") + "-00001", arn("Default") + "-00000"};
  auto both = std::vector<std::string>{arn("second") + "-00001", arn("second") + "-00000"};
  EXPECT_EQ(list("ListRecoveryPointsByBackupVault", {{"BackupVaultName", "second"}}), std::pair(both, 1));
  both.insert(both.end(), here.begin(), here.end());
  EXPECT_EQ(list("ListRecoveryPointsByResource", {{"ResourceArn", resource}}), std::pair(both, 1));
  EXPECT_EQ(list("ListRecoveryPointsByResource", {{"ResourceArn", resource}, {"MaxResults", 3}}), std::pair(both, 2));
  EXPECT_EQ(list("ListRecoveryPointsByBackupVault", {{"BackupVaultName", "Default"}, {"ByResourceArn", resource}}), std::pair(here, 1));
  EXPECT_EQ(list("ListRecoveryPointsByBackupVault", {{"BackupVaultName", "Default"}}).first.size(), 6'002U);
  EXPECT_TRUE(list("ListRecoveryPointsByResource", {{"ResourceArn", "arn:aws:ec2:us-east-1:000000000000:volume/vol-1"}}).first.empty());
}

TEST_F(ListsTest, MomentsThatNoClockShowsAreRefused) {
  for (const char* member : {"ByCreatedAfter", "ByCompleteBefore"}) {
    for (const json::Value& time : {json::Value("9223372036854775807"), json::Value("-9223372036854775808"), json::Value("100000000001"),
                                    json::Value(1e300), json::Value(-1e300), json::Value(std::int64_t{9'223'372'036'854'775'807})}) {
      for (const char* operation : {"ListBackupJobs", "ListRestoreJobs"}) {
        const auto answer = call(operation, {{member, time}});
        ASSERT_FALSE(answer.has_value()) << json::toText(time);
        EXPECT_EQ(answer.error().code, "InvalidParameterValueException");
        EXPECT_NE(answer.error().message.find(member), std::string::npos);
      }
    }
    EXPECT_TRUE(call("ListBackupJobs", {{member, "100000000000"}}).has_value());
    EXPECT_TRUE(call("ListBackupJobs", {{member, -1e11}}).has_value());
  }
}

}  // namespace
}  // namespace sp::services::backup

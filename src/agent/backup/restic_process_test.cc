#include "agent/backup/restic_process.h"

#include <gtest/gtest.h>

namespace sp::agent {
namespace {

// The words of restic 0.14, as runRestic() joins its lines.
TEST(TellsOfAbsence, WhenTheServerDidNotAnswer) {
  const std::string where = "; Is there a repository at the following location?; rest:https://job:***@127.0.0.1:4749/vault/V/i-1/";
  const std::string head = "Fatal: unable to open config file: client.Head: Head \"https://job:***@127.0.0.1:4749/vault/V/i-1/config\": ";
  EXPECT_TRUE(tellsOfAbsence(head + "dial tcp 127.0.0.1:4749: connect: connection refused" + where));
  EXPECT_TRUE(tellsOfAbsence(head + "EOF" + where));
  EXPECT_TRUE(tellsOfAbsence(head + "read tcp 127.0.0.1:5->127.0.0.1:4749: read: connection reset by peer" + where));
  EXPECT_TRUE(tellsOfAbsence("Fatal: unable to open config file: unexpected HTTP response (503): 503 Service Unavailable" + where));
  EXPECT_TRUE(
      tellsOfAbsence("Save(<lock/1234>) returned error, retrying after 1s: server response unexpected: 500 Internal Server Error (500); "
                     "server response unexpected: 500 Internal Server Error (500)"));
}

TEST(TellsOfAbsence, NeverOfWhatWouldBeSaidAgain) {
  const std::string where = "; Is there a repository at the following location?; rest:https://job:***@127.0.0.1:4749/vault/V/i-1/";
  EXPECT_FALSE(tellsOfAbsence(""));
  EXPECT_FALSE(tellsOfAbsence("Fatal: wrong password or no key found"));
  EXPECT_FALSE(tellsOfAbsence("Fatal: unable to open config file: unexpected HTTP response (401): 401 Unauthorized" + where));
  EXPECT_FALSE(tellsOfAbsence("Fatal: unable to open config file: <config/> does not exist" + where));
  EXPECT_FALSE(tellsOfAbsence("server response unexpected: 507 Insufficient Storage (507)"));
  EXPECT_FALSE(
      tellsOfAbsence("Fatal: unable to open config file: client.Head: Head \"https://job:***@127.0.0.1:4749/vault/V/i-1/config\": "
                     "x509: certificate signed by unknown authority" +
                     where));
  // A request that broke and succeeded when it was sent again is not why restic ended.
  EXPECT_FALSE(
      tellsOfAbsence("Save(<data/12>) returned error, retrying after 1s: client.Post: Post \"https://127.0.0.1:4749/vault/V/i-1/data/12\": "
                     "EOF; Fatal: unable to save snapshot: permission denied"));
  EXPECT_FALSE(tellsOfAbsence(
      "Save(<data/12>) returned error, retrying after 1s: client.Post: Post \"https://127.0.0.1:4749/vault/V/i-1/data/12\": EOF"));
}

// Behind the reason restic 0.14 prints where in its source it was, of which the last lines are kept.
TEST(TellsOfUnwrittenLock, NotOfAnothersLock) {
  EXPECT_TRUE(tellsOfUnwrittenLock(
      "server response unexpected: 507 Insufficient Storage (507); main.runRestore; unable to create lock in backend"));
  EXPECT_FALSE(tellsOfUnwrittenLock(
      "unable to create lock in backend: repository is already locked exclusively by PID 7 on host by root (UID 0, GID 0)"));
  EXPECT_FALSE(tellsOfUnwrittenLock("Fatal: unable to open config file: unexpected HTTP response (503): 503 Service Unavailable"));
}

}  // namespace
}  // namespace sp::agent

#include "worker/pod/supervise.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

#include "base/fs.h"
#include "job/pod_contract.h"
#include "unit/temp_dir.h"
#include "unit/worker/wait_for.h"

namespace pj::worker {
namespace {

// A supervisor in a process of its own above a shell that counts its starts in the file `starts`.
class SuperviseTest : public ::testing::Test {
 protected:
  void TearDown() override {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  void Start(const std::string& script, SuperviseOptions options = {}) {
    options.argv = {"/bin/sh", "-c",
                    "cd " + dir_.str() + "; echo up >>starts; n=$(wc -l <starts)\n" + script};
    pid_ = ::fork();
    ASSERT_GE(pid_, 0);
    if (pid_ == 0) ::_exit(Supervise(options));
  }
  int Wait() {
    int status = -1;
    EXPECT_TRUE(WaitFor([&] { return ::waitpid(pid_, &status, WNOHANG) == pid_; }));
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  std::string File(const std::string& name) {
    return ReadFile(dir_.str() + "/" + name).value_or("");
  }
  size_t Starts() { return File("starts").size() / 3; }
  int PidIn(const std::string& name) {
    EXPECT_TRUE(WaitFor([&] { return File(name).ends_with("\n"); }));
    return std::atoi(File(name).c_str());
  }

  const TempDir dir_;
  pid_t pid_ = -1;
};

TEST_F(SuperviseTest, ADeadAgentIsStartedAgainUntilItEndsWell) {
  Start("[ $n = 1 ] && kill -9 $$; [ $n = 2 ] && exit 1; [ $n = 3 ] && kill -6 $$; exit 0",
        {.first_pause = Millis(1)});
  EXPECT_EQ(Wait(), 0);
  EXPECT_EQ(Starts(), 4U);
}

TEST_F(SuperviseTest, AnAgentThatIsNoLongerWantedIsNotStartedAgain) {
  Start("exit 42");
  EXPECT_EQ(Wait(), job::kExitGone);
  EXPECT_EQ(Starts(), 1U);
}

TEST_F(SuperviseTest, TheFirstDeathCostsNoPauseAndTheNextOnesDo) {
  Start("echo $$ >pid$n; exit 1", {.first_pause = Seconds(3600), .longest_pause = Seconds(3600)});
  const int second = PidIn("pid2");
  EXPECT_TRUE(WaitFor([&] { return ::kill(second, 0) != 0; }));  // reaped: nobody to pass it on to
  ::kill(pid_, SIGTERM);                                         // ends the pause
  EXPECT_EQ(Wait(), 128 + SIGTERM);
  EXPECT_EQ(Starts(), 2U);
}

TEST_F(SuperviseTest, AnOldAgentsDeathIsNoReasonForAPause) {
  Start("[ $n = 20 ] && exit 0; exit 1",
        {.young = Nanos(0), .first_pause = Seconds(3600), .longest_pause = Seconds(3600)});
  EXPECT_EQ(Wait(), 0);
}

TEST_F(SuperviseTest, SigtermIsPassedOnAndTheAgentsEndIsTheEnd) {
  Start("trap 'echo asked >asked; exit 7' TERM; echo $$ >pid; while :; do read x </dev/null; done");
  PidIn("pid");
  ::kill(pid_, SIGTERM);
  EXPECT_EQ(Wait(), 7);
  EXPECT_EQ(File("asked"), "asked\n");
  EXPECT_EQ(Starts(), 1U);
}

TEST_F(SuperviseTest, OrphansAreReaped) {
  Start("(sh -c 'echo $$ >orphan' &); exec sleep 1000");
  const int orphan = PidIn("orphan");
  EXPECT_TRUE(WaitFor([&] { return ::kill(orphan, 0) != 0; }));
}

TEST_F(SuperviseTest, TheAgentDiesWithIt) {
  Start("echo $$ >pid; exec sleep 1000");
  const int agent = PidIn("pid");
  ::kill(pid_, SIGKILL);
  EXPECT_TRUE(WaitFor([&] { return !Alive(agent); }));
}

}  // namespace
}  // namespace pj::worker

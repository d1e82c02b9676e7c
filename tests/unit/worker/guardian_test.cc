#include "worker/guardian.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

#include "base/fs.h"
#include "wait_for.h"
#include "worker/fd_passing.h"

namespace pj::worker {
namespace {

SpawnRequest Shell(const std::string& script) {
  SpawnRequest request;
  request.argv = {"/bin/sh", "-c", script};
  request.env = {{"PATH", "/usr/bin:/bin"}, {"GREETING", "hello"}};
  request.cwd = "/";
  return request;
}

class GuardianTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto started = Guardian::Start();
    ASSERT_TRUE(started);
    guardian_ = std::move(*started);
    auto pair = SeqpacketPair();
    ASSERT_TRUE(pair);
    ours_ = std::move(pair->first);
    theirs_ = std::move(pair->second);
  }
  // Starts `script` with our socket as descriptor 3.
  int Run(const std::string& script) {
    SpawnRequest request = Shell(script);
    request.fds = {theirs_.get()};
    auto pid = guardian_->Spawn(request);
    EXPECT_TRUE(pid) << pid.error().ToString();
    return pid.value_or(-1);
  }
  std::string Receive() { return ReceiveText(ours_.get()); }

  std::unique_ptr<Guardian> guardian_;
  UniqueFd ours_, theirs_;
};

TEST_F(GuardianTest, GivesEnvironmentDirectoryAndDescriptors) {
  const int pid = Run("echo \"$GREETING $(pwd) $$\" >&3");
  EXPECT_EQ(Receive(), "hello / " + std::to_string(pid) + "\n");
}

TEST_F(GuardianTest, AMissingProgramIsAnErrorThatNamesIt) {
  SpawnRequest request = Shell("");
  request.argv[0] = "/no/such/python";
  auto pid = guardian_->Spawn(request);
  ASSERT_FALSE(pid);
  EXPECT_EQ(pid.error().code, Code::kNotFound);
  EXPECT_EQ(pid.error().where, "/no/such/python");
  EXPECT_THAT(pid.error().message, ::testing::HasSubstr("execve"));
  EXPECT_TRUE(guardian_->Spawn(Shell("exit 0")));  // and it still works
}

TEST_F(GuardianTest, AMissingDirectoryIsAnError) {
  SpawnRequest request = Shell("exit 0");
  request.cwd = "/no/such/folder";
  auto pid = guardian_->Spawn(request);
  ASSERT_FALSE(pid);
  EXPECT_THAT(pid.error().message, ::testing::HasSubstr("chdir"));
}

TEST_F(GuardianTest, UnwritableLogsAreDropped) {
  SpawnRequest request = Shell("echo lost; echo done >&3");
  request.stdout_path = "/no/such/folder/log.txt";
  request.fds = {theirs_.get()};
  ASSERT_TRUE(guardian_->Spawn(request));
  EXPECT_EQ(Receive(), "done\n");
}

TEST_F(GuardianTest, KillEndsTheProcessAndItsDaemons) {
  const int pid = Run("setsid sleep 1000 & echo $! >&3; wait");
  const int daemon = std::stoi(Receive());
  EXPECT_TRUE(Alive(pid));
  EXPECT_TRUE(Alive(daemon));
  ASSERT_TRUE(guardian_->Kill(pid));
  EXPECT_TRUE(WaitFor([&] { return !Alive(pid) && !Alive(daemon); }));
}

TEST_F(GuardianTest, OrphansOfAProcessThatEndsAreKilled) {
  const int pid =
      Run("setsid sh -c 'trap \"\" TERM HUP INT; echo $$ >&3; sleep 1000' & read x <&3");
  const int daemon = std::stoi(Receive());
  ASSERT_TRUE(SendMessage(ours_.get(), "\n"));
  EXPECT_TRUE(WaitFor([&] { return !Alive(pid); }));
  guardian_->Sweep();
  EXPECT_TRUE(WaitFor([&] { return !Alive(daemon); }));
}

TEST_F(GuardianTest, KillingAnUnknownProcessIsRefused) {
  EXPECT_FALSE(guardian_->Kill(1));
  EXPECT_FALSE(guardian_->Kill(::getpid()));
}

TEST_F(GuardianTest, ClosingTheSocketEndsEverything) {
  const int pid = Run("setsid sleep 1000 & echo $! >&3; exec sleep 1000");
  const int daemon = std::stoi(Receive());
  const int guardian = guardian_->Facts()->pid;
  guardian_.reset();
  EXPECT_TRUE(WaitFor([&] { return !Alive(pid) && !Alive(daemon); }));
  EXPECT_TRUE(WaitFor([&] { return ::waitpid(guardian, nullptr, WNOHANG) == guardian; }));
}

TEST_F(GuardianTest, AKilledGuardianTakesItsChildrenAlong) {
  const int pid = Run("echo up >&3; exec sleep 1000");
  EXPECT_EQ(Receive(), "up\n");
  ::kill(guardian_->Facts()->pid, SIGKILL);
  EXPECT_TRUE(WaitFor([&] { return !Alive(pid); }));
  auto next = guardian_->Spawn(Shell("exit 0"));
  ASSERT_FALSE(next);
  EXPECT_THAT(next.error().message, ::testing::HasSubstr("guardian"));
}

// The program is killed with SIGKILL: nothing that it started may stay.
TEST(GuardianProgram, AKilledProgramLeavesNothingRunning) {
  auto pair = SeqpacketPair();
  ASSERT_TRUE(pair);
  const pid_t program = ::fork();
  ASSERT_GE(program, 0);
  if (program == 0) {
    auto guardian = Guardian::Start();
    SpawnRequest request = Shell("setsid sleep 1000 & echo $$ $! >&3; wait");
    request.fds = {pair->second.get()};
    if (!guardian || !(*guardian)->Spawn(request)) ::_exit(1);
    while (true) ::pause();
  }
  const std::string pids = ReceiveText(pair->first.get());
  const int child = std::stoi(pids);
  const int daemon = std::stoi(pids.substr(pids.find(' ')));
  EXPECT_TRUE(Alive(child));
  ::kill(program, SIGKILL);
  ::waitpid(program, nullptr, 0);
  EXPECT_TRUE(WaitFor([&] { return !Alive(child) && !Alive(daemon); }));
}

}  // namespace
}  // namespace pj::worker

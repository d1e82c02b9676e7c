// The slot host as a program, and the guardian that an agent has of it.
#include "worker/slot_host.h"

#include <elf.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <string>

#include "base/fs.h"
#include "host_process.h"
#include "unit/temp_dir.h"
#include "wait_for.h"
#include "worker/fd_passing.h"
#include "worker/guardian_wire.h"

namespace pj::worker {
namespace {

using ::testing::HasSubstr;

class SlotHostTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto pair = SeqpacketPair();
    ASSERT_TRUE(pair);
    ours_ = std::move(pair->first);
    theirs_ = std::move(pair->second);
  }
  // Starts `script` with our socket as descriptor 3.
  int Run(Guardian* guardian, const std::string& script,
          std::map<std::string, std::string> env = {}) {
    SpawnRequest request;
    request.argv = {"sh", "-c", script};  // found on the host's PATH
    request.env = std::move(env);
    request.fds = {theirs_.get()};
    auto pid = guardian->Spawn(request);
    EXPECT_TRUE(pid) << pid.error().ToString();
    return pid.value_or(-1);
  }
  std::string Receive() { return ReceiveText(ours_.get()); }
  std::string Path(const std::string& name) const { return dir_.str() + "/" + name; }

  const TempDir dir_;
  const std::string socket_ = dir_.str() + "/host.sock";
  UniqueFd ours_, theirs_;
};

TEST_F(SlotHostTest, TheProgramNeedsNoLibrary) {
  const std::string bytes = ReadFile(PJ_HOST_PROGRAM).value_or("");
  ASSERT_GT(bytes.size(), sizeof(Elf64_Ehdr));
  Elf64_Ehdr header;
  std::memcpy(&header, bytes.data(), sizeof header);
  for (int i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr part;
    std::memcpy(&part, bytes.data() + header.e_phoff + i * sizeof part, sizeof part);
    EXPECT_NE(part.p_type, static_cast<uint32_t>(PT_INTERP));
  }
}

TEST_F(SlotHostTest, TheProgramStartsInAnEmptyRoot) {
  std::filesystem::copy_file(PJ_HOST_PROGRAM, Path("host"));
  const pid_t host = ::fork();
  ASSERT_GE(host, 0);
  if (host == 0) {
    if (::geteuid() != 0) ::unshare(CLONE_NEWUSER);
    if (::chroot(dir_.str().c_str()) != 0 || ::chdir("/") != 0) ::_exit(126);
    ::execl("/host", "host", "/host.sock", nullptr);
    ::_exit(127);
  }
  ConnectTo(socket_);
  ::kill(host, SIGTERM);  // the only agent has gone already
  int status = -1;
  EXPECT_TRUE(WaitFor([&] { return ::waitpid(host, &status, WNOHANG) == host; }));
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}

TEST_F(SlotHostTest, ItsOwnEnvironmentLiesUnderWhatTheAgentSends) {
  const HostProcess host(socket_, {{"IMAGE", "yes"}, {"BOTH", "host"}, {job::kEnvGrace, "5"}});
  const auto agent = ConnectTo(socket_);
  Run(agent.get(), "echo \"$IMAGE $BOTH $SENT ${PARALLELJOB_GRACE_SECONDS-none}\" >&3",
      {{"BOTH", "agent"}, {"SENT", "too"}});
  EXPECT_EQ(Receive(), "yes agent too none\n");
}

TEST_F(SlotHostTest, AProgramThatIsNotOnThePathIsAnError) {
  const HostProcess host(socket_);
  const auto agent = ConnectTo(socket_);
  auto pid = agent->Spawn({.argv = {"no-such-python"}, .env = {}, .cwd = "/"});
  ASSERT_FALSE(pid);
  EXPECT_EQ(pid.error().code, Code::kNotFound);
  EXPECT_EQ(pid.error().where, "no-such-python");
}

TEST_F(SlotHostTest, WhenAnAgentGoesAllOfItsProcessesEndAndTheNextOneIsServed) {
  const HostProcess host(socket_);
  auto agent = ConnectTo(socket_);
  const int pid = Run(agent.get(), "setsid sleep 1000 & echo $! >&3; exec sleep 1000");
  const int daemon = std::stoi(Receive());
  agent.reset();
  const auto next = ConnectTo(socket_);  // greeted when nothing is left
  EXPECT_FALSE(Alive(pid));
  EXPECT_FALSE(Alive(daemon));
  Run(next.get(), "echo again >&3");
  EXPECT_EQ(Receive(), "again\n");
}

TEST_F(SlotHostTest, ANewAgentTakesThePlaceOfTheOldOne) {
  const HostProcess host(socket_);
  const auto old = ConnectTo(socket_);
  const int pid = Run(old.get(), "echo up >&3; exec sleep 1000");
  EXPECT_EQ(Receive(), "up\n");
  const auto next = ConnectTo(socket_);
  EXPECT_FALSE(Alive(pid));
  auto refused = old->Facts();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kUnavailable);
  EXPECT_TRUE(next->Facts());
}

TEST_F(SlotHostTest, WhatRunsBelowItIsNoAgent) {
  const HostProcess host(socket_);
  const auto agent = ConnectTo(socket_);
  Run(agent.get(),
      "setsid python3 -c 'import socket\n"
      "s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)\n"
      "s.connect(\"" +
          socket_ + "\")\nprint(s.recv(64))' >&3; echo $? >&3");
  EXPECT_EQ(Receive(), "b''\n");
  EXPECT_EQ(Receive(), "0\n");
  EXPECT_TRUE(agent->Ready());
}

TEST_F(SlotHostTest, ItEndsWhenNobodyComesAnyMore) {
  HostProcess host(socket_, {{job::kEnvGrace, "0.05"}});
  ConnectTo(socket_).reset();
  EXPECT_EQ(host.WaitForEnd(), 0);
}

TEST_F(SlotHostTest, ToldToEndItStaysForItsAgent) {
  HostProcess host(socket_);
  auto agent = ConnectTo(socket_);
  host.Signal(SIGTERM);
  Run(agent.get(), "echo still >&3");
  EXPECT_EQ(Receive(), "still\n");
  agent.reset();
  EXPECT_EQ(host.WaitForEnd(), 0);
}

TEST_F(SlotHostTest, ToldToEndItDoesNotStayForEver) {
  const pid_t host = ::fork();
  ASSERT_GE(host, 0);
  if (host == 0) {
    const SlotHostOptions options{.socket = socket_, .stop_grace = Millis(20)};
    ::_exit(RunSlotHost(options) ? 0 : 1);
  }
  const auto agent = ConnectTo(socket_);
  const int pid = Run(agent.get(), "exec sleep 1000");
  ::kill(host, SIGTERM);
  int status = -1;
  EXPECT_TRUE(WaitFor([&] { return ::waitpid(host, &status, WNOHANG) == host; }));
  EXPECT_EQ(status, 0);
  EXPECT_FALSE(Alive(pid));
}

TEST_F(SlotHostTest, AKilledHostTakesEverythingAlongAndAnotherOneIsFound) {
  auto host = std::make_unique<HostProcess>(socket_);
  const auto agent = ConnectTo(socket_);
  const int pid = Run(agent.get(), "echo up >&3; exec sleep 1000");
  EXPECT_EQ(Receive(), "up\n");
  host->Kill();
  EXPECT_TRUE(WaitFor([&] { return !Alive(pid); }));
  EXPECT_FALSE(agent->Ready());
  EXPECT_EQ(agent->Kill(pid).error().code, Code::kUnavailable);
  const HostProcess next(socket_);
  EXPECT_TRUE(WaitFor([&] { return agent->Ready(); }));
  EXPECT_EQ(agent->Facts()->pid, next.pid());
}

TEST_F(SlotHostTest, AHostThatStandsStillIsNotWaitedFor) {
  const HostProcess host(socket_);
  const auto agent = Guardian::Remote(socket_, Millis(100));
  EXPECT_TRUE(WaitFor([&] { return agent->Ready(); }));
  host.Signal(SIGSTOP);
  auto facts = agent->Facts();
  ASSERT_FALSE(facts);
  EXPECT_EQ(facts.error().code, Code::kUnavailable);
  EXPECT_FALSE(agent->Ready());  // connects, and is not greeted
  host.Signal(SIGCONT);
  EXPECT_TRUE(WaitFor([&] { return agent->Ready(); }));
}

TEST_F(SlotHostTest, ItSaysWhatItSees) {
  const HostProcess host(socket_, {{"CUDA_VISIBLE_DEVICES", "3,5"}});
  const auto agent = ConnectTo(socket_);
  const auto facts = agent->Facts();
  ASSERT_TRUE(facts);
  EXPECT_EQ(facts->pid, host.pid());
  EXPECT_GE(facts->cores, 1U);
  EXPECT_FALSE(facts->threads_set);
  EXPECT_THAT(facts->gpus, ::testing::ElementsAre("3", "5"));
  const int pid = Run(agent.get(), "echo up >&3; read x <&3");
  EXPECT_EQ(Receive(), "up\n");
  const auto samples = agent->Sample({pid, 999'999'999});
  ASSERT_EQ(samples.size(), 2U);
  ASSERT_TRUE(samples[0]);
  EXPECT_EQ(samples[0]->threads, 1U);
  EXPECT_GT(samples[0]->resident_bytes, 0U);
  EXPECT_FALSE(samples[1]);
}

TEST_F(SlotHostTest, ItSaysThatSomebodyChoseTheThreads) {
  const HostProcess host(socket_, {{"OMP_NUM_THREADS", "7"}});
  const auto facts = ConnectTo(socket_)->Facts();
  ASSERT_TRUE(facts);
  EXPECT_TRUE(facts->threads_set);
}

TEST(HostFactsTest, CoresAreTheQuotaRoundedUpWithinTheMachine) {
  EXPECT_EQ(CoresOf(0, 0, 8), 8U);
  EXPECT_EQ(CoresOf(-1, 100'000, 8), 8U);
  EXPECT_EQ(CoresOf(50'000, 100'000, 8), 1U);
  EXPECT_EQ(CoresOf(250'000, 100'000, 8), 3U);
  EXPECT_EQ(CoresOf(6'400'000, 100'000, 8), 8U);
}

class CopyTest : public SlotHostTest {
 protected:
  // What a copy to `to` came to; "there" for one that was not needed.
  std::string Copy(Guardian* guardian, const std::string& from, const std::string& to) {
    int pipe[2];
    EXPECT_EQ(::pipe2(pipe, O_CLOEXEC), 0);
    const UniqueFd read_end(pipe[0]);
    UniqueFd write_end(pipe[1]);
    auto there = guardian->Copy({from, to, {from + "/left"}}, write_end.get());
    if (!there) return there.error().ToString();
    if (*there) return "there";
    write_end.Reset();
    std::string text(4096, '\0');
    text.resize(static_cast<size_t>(std::max<ssize_t>(0, ::read(pipe[0], text.data(), 4096))));
    Status outcome;
    if (!DecodeOutcome(text, &outcome)) return "no outcome";
    return outcome ? "copied" : outcome.error().ToString();
  }
};

TEST_F(CopyTest, TheCodeIsCopiedByTheHostOnceAndWhole) {
  const HostProcess host(socket_);
  const auto agent = ConnectTo(socket_);
  std::filesystem::create_directories(Path("code/pkg"));
  std::filesystem::create_directories(Path("code/left"));
  const auto script = OpenFile(Path("code/pkg/run.py"), O_WRONLY | O_CREAT);
  ASSERT_TRUE(script && WriteAll(script->get(), "print()", "run.py"));
  std::filesystem::create_directories(Path("slots/slot0.part/of a killed one"));
  EXPECT_EQ(Copy(agent.get(), Path("code"), Path("slots/slot0")), "copied");
  EXPECT_EQ(ReadFile(Path("slots/slot0/pkg/run.py")).value_or(""), "print()");
  EXPECT_FALSE(std::filesystem::exists(Path("slots/slot0/left")));
  EXPECT_FALSE(std::filesystem::exists(Path("slots/slot0.part")));
  EXPECT_FALSE(std::filesystem::exists(Path("slots/slot0/of a killed one")));
  EXPECT_EQ(Copy(agent.get(), Path("code"), Path("slots/slot0")), "there");
}

TEST_F(CopyTest, ACopyThatCannotBeMadeSaysWhy) {
  const HostProcess host(socket_);
  const auto agent = ConnectTo(socket_);
  const std::string why = Copy(agent.get(), Path("no code"), Path("slot0"));
  EXPECT_THAT(why, HasSubstr("cannot read the code folder"));
  EXPECT_THAT(why, HasSubstr(Path("no code")));
  EXPECT_FALSE(std::filesystem::exists(Path("slot0")));
}

}  // namespace
}  // namespace pj::worker

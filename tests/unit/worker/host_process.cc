#include "host_process.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <utility>
#include <vector>

#include "wait_for.h"

namespace pj::worker {

HostProcess::HostProcess(std::string socket, std::map<std::string, std::string> environment)
    : socket_(std::move(socket)) {
  environment.emplace("PATH", "/usr/local/bin:/usr/bin:/bin");
  std::vector<std::string> words;
  for (const auto& [name, value] : environment) words.push_back(name + "=" + value);
  std::vector<char*> env;
  for (std::string& word : words) env.push_back(word.data());
  env.push_back(nullptr);
  pid_ = ::fork();
  if (pid_ != 0) return;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::execle(PJ_HOST_PROGRAM, "paralleljob-host", socket_.c_str(), nullptr, env.data());
  ::_exit(127);
}

HostProcess::~HostProcess() { Kill(); }

void HostProcess::Signal(int signal) const { ::kill(pid_, signal); }

void HostProcess::Kill() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

int HostProcess::WaitForEnd() {
  int status = -1;
  if (!WaitFor([&] { return ::waitpid(pid_, &status, WNOHANG) == pid_; })) return -1;
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

std::unique_ptr<Guardian> ConnectTo(const std::string& socket) {
  std::unique_ptr<Guardian> guardian = Guardian::Remote(socket);
  EXPECT_TRUE(WaitFor([&] { return guardian->Ready(); }));
  return guardian;
}

}  // namespace pj::worker

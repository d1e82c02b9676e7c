#include "worker/guardian_loop.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

#include "worker/code_copy.h"
#include "worker/fd_passing.h"
#include "worker/process_tree.h"
#include "worker/spawn_child.h"

namespace pj::worker {
namespace {

namespace fs = std::filesystem;

constexpr int kSweepMillis = 1000;
constexpr uint64_t kBodyBytes = 16 << 20;

void KillWithGroup(int pid) {
  ::kill(-pid, SIGKILL);
  ::kill(pid, SIGKILL);
}

GuardianReply Failed(int error, const char* stage) {
  GuardianReply reply;
  reply.error = error;
  std::char_traits<char>::copy(reply.stage, stage, std::char_traits<char>::length(stage));
  return reply;
}

// Complete or not there: what a killed copy left behind is made again.
Status CopyWhole(const CodeCopy& copy) {
  const std::string part = copy.to + ".part";
  std::error_code error;
  fs::remove_all(part, error);
  if (Status copied = CopyCode(copy.from, part, copy.exclude); !copied) return copied;
  fs::rename(part, copy.to, error);
  if (error) return FailErrno(error.value(), "cannot name the copy of the code", copy.to);
  return {};
}

bool Send(int socket, const GuardianReply& reply, std::string_view body) {
  const std::string_view bytes(reinterpret_cast<const char*>(&reply), sizeof reply);
  if (body.empty()) return SendMessage(socket, bytes).has_value();
  const Result<UniqueFd> memory = MemfdOf(body, "pj-answer");
  return memory && SendMessage(socket, bytes, {memory->get()});
}

}  // namespace

GuardianLoop::GuardianLoop(std::map<std::string, std::string> environment)
    : environment_(std::move(environment)) {
  sigset_t all;
  sigfillset(&all);
  ::sigprocmask(SIG_SETMASK, &all, nullptr);
  sigset_t heard;
  sigemptyset(&heard);
  sigaddset(&heard, SIGCHLD);
  sigaddset(&heard, SIGTERM);
  signals_.Reset(::signalfd(-1, &heard, SFD_CLOEXEC | SFD_NONBLOCK));
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
}

GuardianLoop::Event GuardianLoop::Round(Sockets sockets, int millis) {
  if (!children_.empty() && (millis < 0 || millis > kSweepMillis)) millis = kSweepMillis;
  pollfd fds[3] = {
      {signals_.get(), POLLIN, 0}, {sockets.program, POLLIN, 0}, {sockets.listener, POLLIN, 0}};
  ::poll(fds, 3, millis);
  DrainSignals();
  if (fds[1].revents != 0 && !HandleMessage(sockets.program)) return Event::kProgramGone;
  Reap();
  KillOrphans();
  return fds[2].revents != 0 ? Event::kNewcomer : Event::kNone;
}

void GuardianLoop::DrainSignals() {
  signalfd_siginfo info;
  while (::read(signals_.get(), &info, sizeof info) > 0) {
    if (info.ssi_signo == SIGTERM) asked_to_end_ = true;
  }
}

// False: the program has gone.
bool GuardianLoop::HandleMessage(int socket) {
  GuardianRequest request;
  Received got = ReceiveMessage(socket, reinterpret_cast<char*>(&request), sizeof request, 0);
  if (got.size != sizeof request) return false;
  if (request.op == GuardianRequest::kSweep) return true;
  std::string body;
  GuardianReply reply = Answer(request, &got.fds, &body);
  reply.bytes = static_cast<uint32_t>(body.size());
  return Send(socket, reply, body);
}

GuardianReply GuardianLoop::Answer(const GuardianRequest& request, std::vector<UniqueFd>* fds,
                                   std::string* body) {
  std::string given;
  if (request.bytes > 0) {
    if (fds->empty() || request.bytes > kBodyBytes) return Failed(EINVAL, "request");
    Result<std::string> read = ReadAt(fds->front().get(), 0, request.bytes, "request");
    if (!read) return Failed(EINVAL, "request");
    given = std::move(*read);
    fds->erase(fds->begin());
  }
  if (request.op == GuardianRequest::kSpawn) return Spawn(request, given, fds);
  if (request.op == GuardianRequest::kCopy) return Copy(given, *fds);
  if (request.op == GuardianRequest::kKill) {
    if (!children_.contains(request.pid)) return Failed(ESRCH, "kill");
    KillWithGroup(request.pid);
    return {};
  }
  if (request.op == GuardianRequest::kFacts) {
    *body = EncodeFacts(OwnFacts());
    return {};
  }
  std::vector<int> pids;
  if (request.op != GuardianRequest::kSample || !DecodePids(given, &pids)) {
    return Failed(EINVAL, "request");
  }
  Samples samples;
  for (const int pid : pids) samples.push_back(report::SampleProcess(pid));
  *body = EncodeSamples(samples);
  return {};
}

GuardianReply GuardianLoop::Spawn(const GuardianRequest& request, std::string_view body,
                                  std::vector<UniqueFd>* fds) {
  SpawnBody start;
  if (!DecodeSpawn(body, &start)) return Failed(EINVAL, "request");
  UniqueFd streams[2];
  for (int i = 0; i < 2; ++i) {
    const uint32_t flag = i == 0 ? GuardianRequest::kHasStdout : GuardianRequest::kHasStderr;
    if ((request.flags & flag) == 0) continue;
    if (fds->empty()) return Failed(EINVAL, "request");
    streams[i] = std::move(fds->front());
    fds->erase(fds->begin());
  }
  const ChildFds given{.out = streams[0].get(), .err = streams[1].get(), .others = std::move(*fds)};
  const GuardianReply reply = SpawnChild(start, given, environment_);
  if (reply.pid > 0) children_.insert(reply.pid);
  return reply;
}

// In a process of its own: the slots of others go on meanwhile.
GuardianReply GuardianLoop::Copy(std::string_view body, const std::vector<UniqueFd>& fds) {
  CodeCopy copy;
  if (!DecodeCopy(body, &copy) || fds.size() != 1) return Failed(EINVAL, "request");
  std::error_code ignored;
  GuardianReply reply;
  if (fs::is_directory(copy.to, ignored)) return reply;
  reply.pid = ::fork();
  if (reply.pid < 0) return Failed(errno, "fork");
  if (reply.pid == 0) {
    ::setsid();
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const std::string outcome = EncodeOutcome(CopyWhole(copy));
    ::_exit(WriteAll(fds[0].get(), outcome, "pipe") ? 0 : 1);
  }
  children_.insert(reply.pid);
  return reply;
}

// False: there are no children at all.
bool GuardianLoop::Reap() {
  while (true) {
    const pid_t pid = ::waitpid(-1, nullptr, WNOHANG);
    if (pid < 0) return errno != ECHILD;
    if (pid == 0) return true;
    children_.erase(pid);
  }
}

// Children that we did not start were left behind by a process below us that has died.
void GuardianLoop::KillOrphans() {
  for (const int pid : ChildrenOf(::getpid())) {
    if (!children_.contains(pid)) KillWithGroup(pid);
  }
}

void GuardianLoop::KillAll() {
  while (true) {
    for (const int pid : ChildrenOf(::getpid())) KillWithGroup(pid);
    if (!Reap()) return;
    // The killed ones' own children come to us now: look again.
    pollfd wait{signals_.get(), POLLIN, 0};
    ::poll(&wait, 1, 5);
    DrainSignals();
  }
}

}  // namespace pj::worker

// What the slots' side must give, be it this machine or a container of the pod: the guardian and a
// zygote below it, copies of the code, facts. None of it is waited for.
#include <fcntl.h>
#include <fmt/core.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/log.h"
#include "worker/dispatcher.h"
#include "worker/guardian_wire.h"
#include "worker/process_logs.h"
#include "worker/slot_job.h"

namespace pj::worker {
namespace {

constexpr Nanos kLookForGuardian = Millis(50);
constexpr size_t kOutcomeBytes = 64 << 10;

}  // namespace

Status Dispatcher::Watch(int fd, uint64_t tag) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = tag;
  if (::epoll_ctl(options_.epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
    return FailErrno(errno, "cannot watch a descriptor of a slot");
  }
  return {};
}

void Dispatcher::TryStartZygote() {
  if (Status started = StartZygote(); !started) {
    Fail(AgentEnd::kError, "PythonFailed", started.error());
  }
}

// Good also when there is no guardian now: then it is tried again.
Status Dispatcher::StartZygote() {
  const bool waited = std::exchange(zygote_wanted_, false);
  const Status started = StartZygoteNow();
  if (started || started.error().code != Code::kUnavailable) return started;
  zygote_.reset();
  zygote_wanted_ = true;
  look_for_guardian_at_ = Now() + kLookForGuardian;
  if (!waited) PJ_INFO("{}: waits for the slot host: {}", options_.job.node, started.error().where);
  return {};
}

Status Dispatcher::StartZygoteNow() {
  const SlotJob& job = options_.job;
  if (!options_.guardian->Ready()) return pj::Fail(Code::kUnavailable, "not there");
  PJ_ASSIGN(facts_, options_.guardian->Facts());
  PJ_ASSIGN(zygote_, ZygoteClient::Start(options_.guardian, job,
                                         SystemLogPath(job.logs_dir, job.node, "zygote")));
  hello_ = false;
  PJ_TRY(Watch(zygote_->socket(), MakeTag(Tag::kZygote, ++zygotes_)));
  // The copies are made while Python starts; the requests wait in the socket.
  for (Slot& slot : slots_) {
    if (!slot.retired) StartProcess(&slot);
  }
  MakeSpare();
  return {};
}

// True: the code lies in slot->cwd. Else a copy has been ordered, and the slot's process is started
// when it is there.
bool Dispatcher::HasCode(Slot* slot) {
  if (slot->copying.valid()) return false;
  CodeCopy copy{
      .from = options_.job.code_dir, .to = slot->cwd, .exclude = options_.job.code_exclude};
  copy.exclude.push_back(options_.job.scratch_dir);
  int pipe[2];
  if (::pipe2(pipe, O_CLOEXEC | O_NONBLOCK) != 0) {
    Fail(AgentEnd::kError, "SlotNotStarted", FailErrno(errno, "cannot make a pipe").error());
    return false;
  }
  UniqueFd outcome(pipe[0]);
  const UniqueFd theirs(pipe[1]);
  const Result<bool> there = options_.guardian->Copy(copy, theirs.get());
  if (!there && there.error().code == Code::kUnavailable) {
    host_lost_ = true;
    return false;
  }
  if (!there) {
    Fail(AgentEnd::kError, "CodeUnreadable", there.error());
    return false;
  }
  if (*there) return true;
  slot->copying = std::move(outcome);
  const Status watched =
      Watch(slot->copying.get(), MakeTag(Tag::kCode, static_cast<uint32_t>(slot->index)));
  if (!watched) Fail(AgentEnd::kError, "SlotNotStarted", watched.error());
  return false;
}

void Dispatcher::OnCodeCopied(Slot* slot) {
  if (!slot->copying.valid()) return;
  std::string text(kOutcomeBytes, '\0');
  const ssize_t got = ::read(slot->copying.get(), text.data(), text.size());
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  slot->copying.Reset();
  text.resize(static_cast<size_t>(std::max<ssize_t>(got, 0)));
  Status outcome;
  if (!DecodeOutcome(text, &outcome)) {
    host_lost_ = true;  // it was killed; usually everything was
  } else if (!outcome) {
    Fail(AgentEnd::kError, "CodeUnreadable", outcome.error());
  } else {
    StartProcess(slot);
  }
}

// True: the memory controller has killed something since we looked last.
bool Dispatcher::OutOfMemoryAgain() {
  const Result<HostFacts> facts = options_.guardian->Facts();
  if (!facts) return false;
  return std::exchange(facts_.oom_kills, facts->oom_kills) < facts->oom_kills;
}

}  // namespace pj::worker

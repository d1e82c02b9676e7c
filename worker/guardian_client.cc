#include "worker/guardian_client.h"

#include <fcntl.h>
#include <fmt/core.h>

#include <utility>

#include "worker/fd_passing.h"

namespace pj::worker {
namespace {

std::string_view AsBytes(const GuardianRequest& request) {
  return {reinterpret_cast<const char*>(&request), sizeof request};
}

// A log that cannot be opened (full disk) must not stop the job: its lines are dropped.
UniqueFd OpenStream(const std::string& path) {
  if (path.empty()) return {};
  Result<UniqueFd> fd = OpenFile(path, O_WRONLY | O_CREAT | O_APPEND);
  return fd ? std::move(*fd) : UniqueFd();
}

}  // namespace

Result<GuardianReply> GuardianClient::Ask(Question question, std::string* answer) {
  UniqueFd memory;
  if (!question.body.empty()) {
    PJ_ASSIGN(memory, MemfdOf(question.body, "pj-request"));
    question.fds.insert(question.fds.begin(), memory.get());
    question.request.bytes = static_cast<uint32_t>(question.body.size());
  }
  std::lock_guard lock(mutex_);
  if (!socket_.valid()) return Gone();
  GuardianReply reply;
  Received got;
  if (SendMessage(socket_.get(), AsBytes(question.request), question.fds)) {
    got = ReceiveMessage(socket_.get(), reinterpret_cast<char*>(&reply), sizeof reply, 0);
  }
  // One that is too slow is given up: its late answer must not be taken for another's.
  if (got.size != sizeof reply || (reply.bytes > 0 && got.fds.size() != 1)) {
    socket_.Reset();
    return Gone();
  }
  if (reply.error != 0) {
    return FailErrno(reply.error, fmt::format("{} ({})", question.what, reply.stage),
                     question.where);
  }
  if (reply.bytes > 0 && answer != nullptr) {
    PJ_ASSIGN(*answer, ReadAt(got.fds[0].get(), 0, reply.bytes, "answer"));
  }
  return reply;
}

void GuardianClient::End() {
  std::lock_guard lock(mutex_);
  socket_.Reset();
}

Result<int> GuardianClient::Spawn(const SpawnRequest& request) {
  if (request.argv.empty()) return Fail(Code::kInternal, "nothing to start");
  Question question{.request = {.op = GuardianRequest::kSpawn},
                    .body = EncodeSpawn(request),
                    .fds = {},
                    .what = "cannot start a process",
                    .where = request.argv[0]};
  const UniqueFd out = OpenStream(request.stdout_path);
  const UniqueFd err = OpenStream(request.stderr_path);
  if (out.valid()) {
    question.request.flags |= GuardianRequest::kHasStdout;
    question.fds.push_back(out.get());
  }
  if (err.valid()) {
    question.request.flags |= GuardianRequest::kHasStderr;
    question.fds.push_back(err.get());
  }
  question.fds.insert(question.fds.end(), request.fds.begin(), request.fds.end());
  PJ_ASSIGN(const GuardianReply reply, Ask(std::move(question)));
  return reply.pid;
}

Status GuardianClient::Kill(int pid) {
  PJ_TRY(Ask({.request = {.op = GuardianRequest::kKill, .pid = pid},
              .body = {},
              .fds = {},
              .what = fmt::format("cannot kill process {}", pid),
              .where = {}}));
  return {};
}

void GuardianClient::Sweep() {
  const GuardianRequest message{.op = GuardianRequest::kSweep};
  std::lock_guard lock(mutex_);
  // A lost nudge only costs time: the guardian looks by itself every second.
  if (socket_.valid()) static_cast<void>(SendMessage(socket_.get(), AsBytes(message)));
}

Result<bool> GuardianClient::Copy(const CodeCopy& copy, int done) {
  PJ_ASSIGN(const GuardianReply reply, Ask({.request = {.op = GuardianRequest::kCopy},
                                            .body = EncodeCopy(copy),
                                            .fds = {done},
                                            .what = "cannot copy the code",
                                            .where = copy.from}));
  return reply.pid == 0;
}

Result<HostFacts> GuardianClient::Facts() {
  std::string body;
  PJ_TRY(Ask({.request = {.op = GuardianRequest::kFacts},
              .body = {},
              .fds = {},
              .what = "cannot ask for the state of the slots' machine",
              .where = {}},
             &body));
  HostFacts facts;
  if (!DecodeFacts(body, &facts)) {
    return Fail(Code::kInternal, "the guardian's answer cannot be read");
  }
  return facts;
}

Samples GuardianClient::Sample(const std::vector<int>& pids) {
  std::string body;
  Samples samples;
  const Result<GuardianReply> reply = Ask({.request = {.op = GuardianRequest::kSample},
                                           .body = EncodePids(pids),
                                           .fds = {},
                                           .what = "cannot look at processes",
                                           .where = {}},
                                          &body);
  if (!reply || !DecodeSamples(body, &samples)) samples.clear();
  samples.resize(pids.size());
  return samples;
}

}  // namespace pj::worker

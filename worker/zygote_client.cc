#include "worker/zygote_client.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/log.h"
#include "worker/fd_passing.h"
#include "worker/slot_job.h"

namespace pj::worker {
namespace {

constexpr size_t kMessageBytes = 64 << 10;
constexpr char kDescription[] = "/proc/self/fd/4";  // the second descriptor of the zygote

int IntOf(const Json& message, const char* key) {
  const auto it = message.find(key);
  if (it == message.end()) return 0;
  return static_cast<int>(CheckedInt(*it).value_or(0));
}

std::string TextOf(const Json& message, const char* key) {
  const auto it = message.find(key);
  return it != message.end() && it->is_string() ? it->get<std::string>() : std::string();
}

void Dispatch(const Json& message, const ZygoteClient::Handler& handler) {
  const std::string op = message.is_object() ? TextOf(message, "op") : "";
  if (op == "hello") {
    handler.hello({IntOf(message, "pid"), TextOf(message, "python"), TextOf(message, "transport"),
                   TextOf(message, "why_pure")});
  } else if (op == "spawned") {
    handler.spawned(IntOf(message, "process"), IntOf(message, "pid"));
  } else if (op == "exited") {
    handler.exited(IntOf(message, "pid"), IntOf(message, "status"));
  } else {
    PJ_WARN("the zygote said something unknown: {}", DumpJson(message));
  }
}

}  // namespace

Result<std::unique_ptr<ZygoteClient>> ZygoteClient::Start(Guardian* guardian, const SlotJob& job,
                                                          const std::string& log) {
  PJ_ASSIGN(auto pair, SeqpacketPair());
  // Not as a file: in a pod there is no folder that both sides see and user code does not.
  PJ_ASSIGN(const UniqueFd description, MemfdOf(EncodeSlotJob(job), "pj-job"));
  SpawnRequest request;
  request.argv = {job.python, "-c", ZygoteProgram(job.runtime_dir), kDescription};
  request.env = job.env;
  request.cwd = job.scratch_dir;
  request.fds = {pair.second.get(), description.get()};
  request.stdout_path = request.stderr_path = log;
  PJ_ASSIGN(const int pid, guardian->Spawn(request));
  // Never wait for a zygote that has stopped reading.
  ::fcntl(pair.first.get(), F_SETFL, O_NONBLOCK);
  return std::unique_ptr<ZygoteClient>(new ZygoteClient(guardian, std::move(pair.first), pid));
}

ZygoteClient::~ZygoteClient() {
  // It is gone already in most cases, and then the guardian does not know it any more.
  static_cast<void>(guardian_->Kill(pid_));
  guardian_->Sweep();
}

Status ZygoteClient::Spawn(const ProcessRequest& request) {
  Json message = {{"op", "spawn"},
                  {"slot", request.slot},
                  {"process", request.process},
                  {"cwd", request.cwd},
                  {"env", request.env}};
  if (!request.user) message["user"] = false;
  return SendMessage(socket_.get(), DumpJson(message),
                     {request.socket, request.page, request.out, request.err, request.log});
}

Status ZygoteClient::Kill(int pid, LastWords words) {
  Json message{{"op", "kill"}, {"pid", pid}};
  if (words == LastWords::kStack) message["stack"] = true;
  return SendMessage(socket_.get(), DumpJson(message));
}

bool ZygoteClient::Receive(const Handler& handler) {
  std::vector<char> buffer(kMessageBytes);
  while (true) {
    const Received got = ReceiveMessage(socket_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got.size < 0 && (got.error == EAGAIN || got.error == EWOULDBLOCK)) return true;
    if (got.size <= 0) return false;
    const Result<Json> message = ParseJson({buffer.data(), static_cast<size_t>(got.size)});
    if (!message) {
      PJ_WARN("the zygote's message cannot be read: {}", message.error().ToString());
      continue;
    }
    Dispatch(*message, handler);
  }
}

}  // namespace pj::worker

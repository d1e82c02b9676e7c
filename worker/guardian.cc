#include "worker/guardian.h"

#include <fmt/core.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <mutex>

#include "base/byte_io.h"
#include "worker/fd_passing.h"
#include "worker/guardian_process.h"

namespace pj::worker {
namespace {

std::string EncodeSpawn(const SpawnRequest& request) {
  ByteWriter out;
  out.Varint(request.argv.size());
  for (const std::string& word : request.argv) out.Bytes(word);
  out.Varint(request.env.size());
  for (const auto& [name, value] : request.env) out.Bytes(name + "=" + value);
  out.Bytes(request.cwd);
  out.Bytes(request.stdout_path);
  out.Bytes(request.stderr_path);
  return std::move(out.str());
}

std::string_view AsBytes(const GuardianRequest& request) {
  return {reinterpret_cast<const char*>(&request), sizeof request};
}

class GuardianClient : public Guardian {
 public:
  GuardianClient(UniqueFd socket, int pid) : socket_(std::move(socket)), pid_(pid) {}

  Result<int> Spawn(const SpawnRequest& request) override {
    if (request.argv.empty()) return Fail(Code::kInternal, "nothing to start");
    const std::string body = EncodeSpawn(request);
    PJ_ASSIGN(UniqueFd memory, MemfdOf(body, "pj-spawn"));
    std::vector<int> fds{memory.get()};
    fds.insert(fds.end(), request.fds.begin(), request.fds.end());
    GuardianRequest message;
    message.op = GuardianRequest::kSpawn;
    message.bytes = static_cast<uint32_t>(body.size());
    PJ_ASSIGN(GuardianReply reply, Ask(message, fds));
    if (reply.error != 0) {
      return FailErrno(reply.error, fmt::format("cannot start a process ({})", reply.stage),
                       request.argv[0]);
    }
    return reply.pid;
  }

  Status Kill(int pid) override {
    GuardianRequest message;
    message.op = GuardianRequest::kKill;
    message.pid = pid;
    PJ_ASSIGN(GuardianReply reply, Ask(message, {}));
    if (reply.error != 0) return FailErrno(reply.error, fmt::format("cannot kill process {}", pid));
    return {};
  }

  void Sweep() override {
    GuardianRequest message;
    message.op = GuardianRequest::kSweep;
    std::lock_guard lock(mutex_);
    // A lost nudge only costs time: the guardian looks by itself every second.
    static_cast<void>(SendMessage(socket_.get(), AsBytes(message)));
  }

  int pid() const override { return pid_; }

 private:
  Result<GuardianReply> Ask(const GuardianRequest& request, const std::vector<int>& fds) {
    std::lock_guard lock(mutex_);
    if (Status sent = SendMessage(socket_.get(), AsBytes(request), fds); !sent) return Gone();
    GuardianReply reply;
    const Received got =
        ReceiveMessage(socket_.get(), reinterpret_cast<char*>(&reply), sizeof reply, 0);
    if (got.size != sizeof reply) return Gone();
    return reply;
  }

  static std::unexpected<Error> Gone() {
    return Fail(Code::kInternal, "the guardian process is gone, and all slots with it", {},
                "start the run again: it goes on where it stopped");
  }

  std::mutex mutex_;
  const UniqueFd socket_;
  const int pid_;
};

}  // namespace

Result<std::unique_ptr<Guardian>> Guardian::Start() {
  PJ_ASSIGN(auto pair, SeqpacketPair());
  const pid_t pid = ::fork();
  if (pid < 0) return FailErrno(errno, "cannot fork the guardian");
  if (pid == 0) {
    pair.first.Reset();
    RunGuardian(std::move(pair.second));
  }
  return std::unique_ptr<Guardian>(new GuardianClient(std::move(pair.first), pid));
}

}  // namespace pj::worker

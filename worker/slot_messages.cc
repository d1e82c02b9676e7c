// What processes say: results taken apart in place, init() errors, notes; everything else breaks
// the connection of that process only.
#include <fmt/core.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "base/json.h"
#include "base/limits.h"
#include "base/log.h"
#include "worker/dispatcher.h"
#include "worker/process_logs.h"

namespace pj::worker {
namespace {

constexpr double kFrameWorkNs = 1e6;  // about a millisecond of work to a frame
constexpr double kSmoothing = 0.25;
constexpr Nanos kEndGrace = Millis(500);  // from a closed socket to the exit status
// After a failed start, for what is registered with atexit; threads of the script may never end.
constexpr Nanos kNotStartedGrace = Seconds(1);
// Rows, and what stands around them, of one message.
constexpr uint64_t kBigBytes = limits::kRowsBytes + (64ULL << 20);

// Only what a slot may say of an attempt; the rest is for the agent to find.
bool StatusFromSlot(uint8_t status) {
  switch (static_cast<ledger::AttemptStatus>(status)) {
    case ledger::AttemptStatus::kRunDone:
    case ledger::AttemptStatus::kRunException:
    case ledger::AttemptStatus::kRunShort:
    case ledger::AttemptStatus::kLoadException:
      return true;
    default:
      return false;
  }
}

std::string TextOf(const Json& object, const char* key) {
  if (!object.is_object()) return {};
  const auto it = object.find(key);
  return it != object.end() && it->is_string() ? it->get<std::string>() : std::string();
}

EndedAttempt AttemptOf(const ResultView& result, const InFlight& entry, int process, Nanos now) {
  EndedAttempt out;
  out.assignment = &entry.assignment;
  out.status = static_cast<ledger::AttemptStatus>(result.status);
  out.process = process;
  out.start_wall_ns = result.start_wall_ns;
  out.elapsed_ns = (now - entry.sent_at).count();
  out.run_ns = result.run_ns;
  out.cpu_ns = result.cpu_ns;
  out.items = entry.items;
  out.items_returned = result.items_returned;
  out.rows = result.rows;
  out.has_columns = result.has_columns;
  out.row_bytes = result.row_bytes;
  out.columns = result.columns;
  out.category = result.category;
  out.message = result.message;
  out.traceback = result.traceback;
  out.detail = entry.detail;
  return out;
}

}  // namespace

void Dispatcher::Handle(uint64_t tag) {
  const auto number = static_cast<uint32_t>(tag);
  if (tag == MakeTag(Tag::kZygote, zygotes_)) return OnZygote();
  if (tag >> 32 == static_cast<uint64_t>(Tag::kCode) && number < slots_.size()) {
    return OnCodeCopied(&slots_[number]);
  }
  if (tag >> 32 != static_cast<uint64_t>(Tag::kProcess)) return;
  for (Slot& slot : slots_) {
    if (slot.process && static_cast<uint32_t>(slot.process->number()) == number) {
      return OnReadable(&slot);
    }
  }
  // The spare says nothing before its start: it can only have died, and the zygote will tell.
  if (spare_ && static_cast<uint32_t>(spare_->number()) == number) spare_.reset();
}

void Dispatcher::OnZygote() {
  if (!zygote_) return;
  ZygoteClient::Handler handler;
  handler.hello = [this](const ZygoteHello& hello) {
    hello_ = true;
    options_.stats->environment_ready.store(true, std::memory_order_relaxed);
    PJ_DEBUG("{}: Python {}, transport {}", options_.job.node, hello.python, hello.transport);
    if (!hello.why_pure.empty()) {
      PJ_INFO("{}: slots speak in pure Python: {}", options_.job.node, hello.why_pure);
    }
  };
  handler.spawned = [this](int process, int pid) {
    if (spare_ && spare_->number() == process) spare_->pid = pid;
    for (Slot& slot : slots_) {
      if (!slot.process || slot.process->number() != process) continue;
      slot.process->pid = pid;
      if (slot.process->phase == Phase::kKilled && !zygote_->Kill(pid)) host_lost_ = true;
    }
    std::lock_guard lock(pids_mutex_);
    pids_.emplace_back(process, pid);
  };
  handler.exited = [this](int pid, int status) {
    {
      std::lock_guard lock(pids_mutex_);
      std::erase_if(pids_, [pid](const auto& known) { return known.second == pid; });
    }
    OnExited(pid, status);
  };
  if (!zygote_->Receive(handler)) host_lost_ = true;
}

void Dispatcher::OnReadable(Slot* slot) {
  // Whose message it is, is known by the pid, which comes over the other socket.
  if (slot->process->pid == 0) OnZygote();
  if (slot->process && ReceiveOne(slot) == Got::kGone) {
    SlotProcess& process = *slot->process;
    ::epoll_ctl(options_.epoll, EPOLL_CTL_DEL, process.socket(), nullptr);
    if (process.phase == Phase::kKilled || process.phase == Phase::kClosed) return;
    // Usually it has just ended, and the zygote will say how.
    process.phase = Phase::kClosed;
    process.deadline = Now() + kEndGrace;
    process.check_at = Nanos::max();
  }
}

Dispatcher::Got Dispatcher::ReceiveOne(Slot* slot) {
  SlotProcess& process = *slot->process;
  const Received got =
      ReceiveMessage(process.socket(), buffer_.data(), buffer_.size(), MSG_DONTWAIT);
  if (got.size < 0) {
    return got.error == EAGAIN || got.error == EWOULDBLOCK ? Got::kNothing : Got::kGone;
  }
  if (got.size == 0) return Got::kGone;
  // 0: from another container, where only the slot itself can watch its forks, and does.
  if (process.pid != 0 && got.sender != process.pid && got.sender != 0) {
    PJ_WARN("{} {}: a message of process {} is ignored: a forked child does not speak for it",
            options_.job.node, ProcessName(process.number()), got.sender);
    return Got::kHandled;
  }
  FrameHeader header;
  std::string_view message(buffer_.data(), static_cast<size_t>(got.size));
  if (got.truncated || !DecodeHeader(message, &header)) {
    Broken(slot, "a message that is none of ours");
    return Got::kHandled;
  }
  std::string_view body = message.substr(wire::kHeaderBytes);
  std::string big;
  if ((header.flags & wire::kFlagMemfd) != 0) {
    Result<std::string> read = ReadBig(got, body);
    if (!read) {
      Broken(slot, read.error().message);
      return Got::kHandled;
    }
    big = std::move(*read);
    body = big;
  }
  if (!HandleMessage(slot, header, body)) Broken(slot, "a message that does not fit");
  return Got::kHandled;
}

// Read, not mapped: the sender could shrink the file under us.
Result<std::string> Dispatcher::ReadBig(const Received& got, std::string_view body) const {
  ByteReader in(body);
  const uint64_t length = in.U64();
  if (!in.ok() || got.fds.size() != 1)
    return pj::Fail(Code::kInvalid, "a large message without memfd");
  if (length > kBigBytes) return pj::Fail(Code::kTooLarge, "a message over the limit of rows");
  struct stat info{};
  if (::fstat(got.fds[0].get(), &info) != 0 || static_cast<uint64_t>(info.st_size) < length) {
    return pj::Fail(Code::kInvalid, "a large message shorter than it says");
  }
  return ReadAt(got.fds[0].get(), 0, length, "memfd");
}

// False: the process says what it must not.
bool Dispatcher::HandleMessage(Slot* slot, const FrameHeader& header, std::string_view body) {
  switch (header.type) {
    case wire::Type::kResults:
      return HandleResults(slot, header.count, body);
    case wire::Type::kReady:
      return OnReady(slot, body);
    case wire::Type::kInitError:
      OnInitError(slot, body);
      return true;
    case wire::Type::kNote:
      OnNote(*slot, body);
      return true;
    case wire::Type::kBye:
      return slot->process->phase != Phase::kReady;
    default:
      return false;
  }
}

bool Dispatcher::HandleResults(Slot* slot, uint16_t count, std::string_view body) {
  SlotProcess& process = *slot->process;
  ByteReader in(body);
  const Nanos now = Now();
  int64_t work_ns = 0;
  for (uint16_t i = 0; i < count; ++i) {
    ResultView result;
    if (!ReadResult(&in, &result) || !StatusFromSlot(result.status)) return false;
    // The signal that asks for its stacks may end a call that hung: it has failed all the same.
    if (process.PastItsTime()) return true;
    const InFlight* entry = process.Answer(result.mini_batch, result.attempt);
    if (entry == nullptr) return false;
    work_ns += std::max<int64_t>(0, result.load_ns) + std::max<int64_t>(0, result.run_ns);
    if (entry->fate == InFlight::Fate::kDropped) continue;
    options_.sink->Ended(AttemptOf(result, *entry, process.number(), now));
  }
  losses_in_a_row_ = 0;
  Measure(slot, count, work_ns);
  if (process.live() > 0) return in.AtEnd();
  process.exclusive = false;
  process.check_at = Nanos::max();
  if (slot->replace && process.phase == Phase::kReady) EndProcess(slot);
  return in.AtEnd();
}

void Dispatcher::Measure(Slot* slot, uint16_t count, int64_t work_ns) {
  if (count == 0) return;
  const double each = static_cast<double>(work_ns) / count;
  slot->average_ns =
      slot->average_ns == 0 ? each : slot->average_ns + kSmoothing * (each - slot->average_ns);
  const double fit = kFrameWorkNs / std::max(1.0, slot->average_ns);
  const size_t wanted = fit >= limits::kFrameEntries
                            ? limits::kFrameEntries
                            : std::max<size_t>(1, static_cast<size_t>(fit));
  slot->frame = std::min(wanted, 2 * slot->frame);
}

bool Dispatcher::OnReady(Slot* slot, std::string_view body) {
  SlotProcess& process = *slot->process;
  const Result<Json> hello = ParseJson(body);
  if (!hello) return false;
  if (process.phase != Phase::kInitialising) return process.phase == Phase::kKilled;
  process.phase = Phase::kReady;
  process.was_ready = true;
  process.deadline = Nanos::max();
  process.native = TextOf(*hello, "transport") == "native";
  slot->forgiven = 0;
  LogLine(process, fmt::format("ready, transport {}", TextOf(*hello, "transport")));
  return true;
}

void Dispatcher::OnInitError(Slot* slot, std::string_view body) {
  SlotProcess& process = *slot->process;
  const Result<Json> error = ParseJson(body);
  if (!error || process.phase == Phase::kKilled) return;
  process.init_category = TextOf(*error, "category");
  process.init_message = TextOf(*error, "message");
  process.init_traceback = TextOf(*error, "traceback");
  if (process.phase != Phase::kInitialising) return;
  process.phase = Phase::kNotStarted;
  process.deadline = Now() + kNotStartedGrace;
}

void Dispatcher::OnNote(const Slot& slot, std::string_view body) {
  const Result<Json> note = ParseJson(body);
  if (!note) return;
  const std::string message = TextOf(*note, "message").substr(0, limits::kMessageBytes);
  LogLine(*slot.process, message);
  if (noted_.size() < kNotes && noted_.insert(message).second) {
    PJ_WARN("{} {}: {}", options_.job.node, ProcessName(slot.process->number()), message);
  }
}

void Dispatcher::Broken(Slot* slot, const std::string& how) {
  LogLine(*slot->process, how);
  Kill(slot->process.get(), "broke its connection (" + how + ")");
}

}  // namespace pj::worker

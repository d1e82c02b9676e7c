// The slot's wire format: what agent and Python process say to each other. python/paralleljob
// speaks the same, once in C++ (the pybind11 module) and once in pure Python. Change all three
// together.
//
// Transport: one SOCK_SEQPACKET pair per slot, one message a frame, little-endian. A frame over
// limits::kFrameBytes goes by memfd, both ways: the message is then the 16-byte header with flag
// kFlagMemfd, followed by u64 length, and the memfd as SCM_RIGHTS.
//
//   header: u32 magic "PJF1" (0x31464A50) · u8 type · u8 flags · u16 count · u64 frame number
//
// agent → slot
//   kRun       count × { u64 mini_batch · u32 attempt · u32 page entry · u32 length · payload }
//              (payload: src/plan/plan.h, "Wire form of one mini-batch")
//   kShutdown  nothing: call shutdown(), answer kBye, exit 0
//   kStart     JSON {"slot":0,"cwd":"…","env":{…}}: only to a waiting spare ("user":false), which
//   now becomes
//              that slot: chdir, environment, then import and init() as any other
// slot → agent
//   kReady     JSON {"pid","python","transport":"native"|"pure","maxFrame"}: init() returned
//   kInitError JSON {"category","message","traceback"}: import or init() raised; the process exits.
//              category is "EntryScriptFailed" (import, no run) or "InitFailed"; message "Type:
//              text"
//   kResults   count × result; many results to a message, sent at the latest about 1 ms after the
//   oldest kNote      JSON {"level":"warning","message"}: one line for the agent's log kBye
//   nothing: shutdown() returned (or there was none)
//
//   result: u64 mini_batch · u32 attempt · u8 status (ledger::AttemptStatus: only kRunDone,
//   kRunException,
//           kRunShort, kLoadException) · u8 flags (kHasColumns) · u16 zero
//           · i64 start wall ns · i64 load ns · i64 run ns · i64 cpu ns
//           · u64 items total · u64 items returned · u64 rows
//           · u32 rows length, bytes · u32 columns length, JSON list of names (csv: the header's
//           names) · u32 category length, bytes · u32 message length, bytes · u32 traceback length,
//           bytes
//   (items returned: len() of what run() returned; items total: files or records loaded, as
//   planned)
//
// Frames are taken in the order sent, entries in the order of their frame. Each entry that was not
// withdrawn gets exactly one result, in that order. The agent uses a page entry again only after
// the result of an entry at or behind it. It looks at the sender's pid (SCM_CREDENTIALS): a forked
// child's messages are void.
//
// Shared page (one memfd per slot, kPageBytes): kPageEntries entries of four u64
//   word (State) · started ns (CLOCK_MONOTONIC, set before kLoading) · run ns (set before kRunning)
//   · end ns
// The agent sets kSent before it sends the frame. The slot moves kSent → kLoading by
// compare-and-swap (a plain store in pure Python, which then must not be withdrawn from), then
// kRunning, then kEnded. The agent may move kSent → kWithdrawn: the slot skips that entry and says
// nothing of it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace pj::worker::wire {

inline constexpr uint32_t kMagic = 0x31464A50;
inline constexpr size_t kHeaderBytes = 16;
inline constexpr uint8_t kFlagMemfd = 1;

enum class Type : uint8_t {
  kRun = 1,
  kShutdown = 2,
  kStart = 3,
  kReady = 16,
  kInitError = 17,
  kResults = 18,
  kNote = 19,
  kBye = 20
};

inline constexpr uint8_t kHasColumns = 1;

enum State : uint64_t {
  kFree = 0,
  kSent = 1,
  kLoading = 2,
  kRunning = 3,
  kEnded = 4,
  kWithdrawn = 5
};

struct PageEntry {
  uint64_t word;
  uint64_t started_ns;
  uint64_t run_ns;
  uint64_t end_ns;
};
inline constexpr size_t kPageEntries = 128;
inline constexpr size_t kPageBytes = kPageEntries * sizeof(PageEntry);

// Zygote's control socket (SOCK_SEQPACKET, JSON messages, one zygote per instance):
//   agent → zygote  {"op":"spawn","slot":0,"process":1,"cwd":"/tmp/…","env":{…}}   + SCM_RIGHTS
//   [socket, page,
//                   stdout, stderr, log]      a process forked, nothing of the user's loaded yet;
//                   with "user":false it waits (the warm spare) until the agent sends kStart over
//                   its socket
//                   {"op":"kill","pid":N}                                             SIGKILL to
//                   its group; with "stack":true it writes the stacks of its threads before
//   zygote → agent  {"op":"hello","pid","python","transport","pandas"}
//                   {"op":"spawned","process":1,"pid":N}
//                   {"op":"exited","pid":N,"status":W}                                waitpid's
//                   status word
// The zygote reads its job description (see python/paralleljob/job.py) from the path in argv[1],
// which is that of its descriptor 4.

}  // namespace pj::worker::wire

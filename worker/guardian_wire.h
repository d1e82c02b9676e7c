// What a program and its guardian (or slot host) say to each other over SOCK_SEQPACKET.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "report/proc_sample.h"
#include "worker/guardian.h"
#include "worker/host_facts.h"

namespace pj::worker {

// Program → guardian. kSpawn, kCopy and kSample carry a memfd with `bytes` of body, then their
// descriptors: kSpawn stdout and stderr as `flags` say and those of the new process, kCopy the pipe
// that is told the outcome.
struct GuardianRequest {
  enum Op : uint32_t { kSpawn = 1, kKill = 2, kSweep = 3, kCopy = 4, kFacts = 5, kSample = 6 };
  enum Flag : uint32_t { kHasStdout = 1, kHasStderr = 2 };
  uint32_t op = kSpawn;
  int32_t pid = 0;  // kKill
  uint32_t bytes = 0;
  uint32_t flags = 0;
};

// Guardian → program: one for each request but kSweep, in order; with a memfd when `bytes` > 0. A
// slot host sends one unasked to a new agent, when nothing of the agent before is left.
struct GuardianReply {
  int32_t pid = 0;    // kCopy: 0 when the copy is there already
  int32_t error = 0;  // errno, 0 when good
  uint32_t bytes = 0;
  char stage[52] = {};  // what failed: "execve", "chdir" …
};

// Bodies. Decoding fails for what no encoder of ours wrote.
struct SpawnBody {
  std::vector<std::string> argv;
  std::vector<std::pair<std::string, std::string>> env;
  std::string cwd;
};
std::string EncodeSpawn(const SpawnRequest& request);
bool DecodeSpawn(std::string_view bytes, SpawnBody* out);

std::string EncodeCopy(const CodeCopy& copy);
bool DecodeCopy(std::string_view bytes, CodeCopy* out);
// Into the pipe, and out of it; an empty text is no outcome.
std::string EncodeOutcome(const Status& outcome);
bool DecodeOutcome(std::string_view bytes, Status* out);

std::string EncodeFacts(const HostFacts& facts);
bool DecodeFacts(std::string_view bytes, HostFacts* out);

using Samples = std::vector<std::optional<report::ProcessSample>>;
std::string EncodePids(const std::vector<int>& pids);
bool DecodePids(std::string_view bytes, std::vector<int>* out);
std::string EncodeSamples(const Samples& samples);
bool DecodeSamples(std::string_view bytes, Samples* out);

}  // namespace pj::worker

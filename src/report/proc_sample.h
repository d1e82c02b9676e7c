// What /proc says about this machine and one process, as numbers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pj::report {

// Sums since boot; differences of two samples are rates.
struct NodeSample {
  uint64_t cpu_busy = 0, cpu_total = 0;             // ticks
  uint64_t memory_total = 0, memory_available = 0;  // bytes
  uint64_t disk_reads = 0, disk_writes = 0;
  uint64_t disk_read_bytes = 0, disk_write_bytes = 0;
  uint64_t network_sent = 0, network_received = 0;  // bytes
  uint64_t tcp = 0, udp = 0;                        // open sockets
};

struct ProcessSample {
  uint64_t user_ticks = 0, system_ticks = 0;
  uint64_t threads = 0;
  uint64_t resident_bytes = 0;
  uint64_t reads = 0, writes = 0, read_bytes = 0, write_bytes = 0;
};

// What cannot be read stays 0.
NodeSample SampleNode();
// Nothing when there is no such process any more.
std::optional<ProcessSample> SampleProcess(int pid);
std::vector<std::optional<ProcessSample>> SampleProcesses(const std::vector<int>& pids);

// The parsers, each for the text of one file of /proc.
void ParseStat(std::string_view text, NodeSample* sample);
void ParseMeminfo(std::string_view text, NodeSample* sample);
void ParseDiskstats(std::string_view text, NodeSample* sample);
void ParseNetDev(std::string_view text, NodeSample* sample);
void ParseSockstat(std::string_view text, NodeSample* sample);
bool ParseProcessStat(std::string_view text, ProcessSample* sample);
void ParseProcessIo(std::string_view text, ProcessSample* sample);

}  // namespace pj::report

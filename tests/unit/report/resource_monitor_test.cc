#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

#include "report/proc_sample.h"
#include "report_fixture.h"

namespace pj::report {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(ProcTest, CpuTimesLeaveOutIdleAndGuests) {
  NodeSample s;
  ParseStat("cpu  10 20 30 400 50 6 7 8 9 9\ncpu0 1 1 1 1\n", &s);
  EXPECT_EQ(s.cpu_total, 531u);
  EXPECT_EQ(s.cpu_busy, 81u);
}

TEST(ProcTest, MemoryDisksNetworkAndSockets) {
  NodeSample s;
  ParseMeminfo("MemTotal:       2048 kB\nMemFree: 1 kB\nMemAvailable:   1024 kB\n", &s);
  EXPECT_EQ(s.memory_total, 2048u * 1024);
  EXPECT_EQ(s.memory_available, 1024u * 1024);
  ParseDiskstats(
      "   8  0 sda 10 0 100 0 20 0 200 0 0 0 0\n   8  1 sda1 10 0 100 0 20 0 200 0 0 0 0\n"
      " 259  0 nvme0n1 1 0 2 0 3 0 4 0 0 0 0\n 259  1 nvme0n1p1 1 0 2 0 3 0 4 0 0 0 0\n"
      "   7  0 loop0 5 0 5 0 5 0 5 0 0 0 0\n",
      &s);
  EXPECT_EQ(s.disk_reads, 11u) << "whole disks only";
  EXPECT_EQ(s.disk_read_bytes, 102u * 512);
  EXPECT_EQ(s.disk_writes, 23u);
  EXPECT_EQ(s.disk_write_bytes, 204u * 512);
  ParseNetDev(
      "Inter-|   Receive\n face |bytes\n    lo: 9 9 0 0 0 0 0 0 9 9 0 0 0 0 0 0\n"
      "  eth0:100 1 0 0 0 0 0 0 200 2 0 0 0 0 0 0\n",
      &s);
  EXPECT_EQ(s.network_received, 100u);
  EXPECT_EQ(s.network_sent, 200u);
  ParseSockstat("sockets: used 9\nTCP: inuse 4 orphan 0\nUDP: inuse 2 mem 1\nUDPLITE: inuse 5\n",
                &s);
  EXPECT_EQ(s.tcp, 4u);
  EXPECT_EQ(s.udp, 2u);
}

TEST(ProcTest, AProcessNameMayHoldAnything) {
  ProcessSample s;
  ASSERT_TRUE(ParseProcessStat(
      "12 (a) R (b c) S 1 1 1 0 -1 0 0 0 0 0 111 222 0 0 20 0 3 0 9 1000 50 0 0\n", &s));
  EXPECT_EQ(s.user_ticks, 111u);
  EXPECT_EQ(s.system_ticks, 222u);
  EXPECT_EQ(s.threads, 3u);
  EXPECT_EQ(s.resident_bytes, 50u * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE)));
  ParseProcessIo("rchar: 9\nsyscr: 1\nsyscw: 2\nread_bytes: 3\nwrite_bytes: 4\n", &s);
  EXPECT_EQ(s.reads, 1u);
  EXPECT_EQ(s.write_bytes, 4u);
}

TEST(ProcTest, DamagedTextGivesZerosOrNothing) {
  NodeSample node;
  ProcessSample process;
  for (const char* text : {"", "\n", "cpu", "x y", ")", "1 (x", "1 (x) Z 1", "MemTotal:", ":::"}) {
    ParseStat(text, &node);
    ParseMeminfo(text, &node);
    ParseDiskstats(text, &node);
    ParseNetDev(text, &node);
    ParseSockstat(text, &node);
    EXPECT_FALSE(ParseProcessStat(text, &process)) << text;
    ParseProcessIo(text, &process);
  }
  EXPECT_EQ(node.cpu_total + node.memory_total + node.disk_reads + node.tcp, 0u);
}

TEST(ProcTest, ThisMachineHasMemoryAndThisProcessThreads) {
  EXPECT_GT(SampleNode().memory_total, 0u);
  EXPECT_GE(SampleProcess(::getpid()).value().threads, 1u);
  EXPECT_FALSE(SampleProcess(-1));
}

TEST(ResourceMonitorTest, ShortJobsHaveTheirSamplesAndEndAtOnce) {
  TempDir dir;
  const auto begin = std::chrono::steady_clock::now();
  {
    auto monitor = ResourceMonitor::Start(dir.str(), "instance-0", std::chrono::hours(1), [] {
      return std::vector<std::pair<int, int>>{{3, ::getpid()}, {4, -1}};
    });
  }
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(30));
  const std::string perf = dir / "sys/perf/instance-0/";
  const std::string node = *ReadFile(perf + "node_resource_usage.csv");
  EXPECT_THAT(node, StartsWith("Utc Time,Cpu Percent,Memory Total (MB),"));
  EXPECT_GE(std::count(node.begin(), node.end(), '\n'), 2);
  EXPECT_THAT(*ReadFile(perf + "node_disk_usage.csv"), HasSubstr("Z,/,"));
  const std::string processes = *ReadFile(perf + "processes_resource_usage.csv");
  EXPECT_THAT(processes, HasSubstr(",manager,"));
  EXPECT_THAT(processes, HasSubstr(",process003," + std::to_string(::getpid()) + ","));
  EXPECT_THAT(processes, ::testing::Not(HasSubstr("process004"))) << "it is gone";
  for (const std::string& text : {node, processes}) {
    const size_t line = text.find('\n') + 1;
    EXPECT_EQ(std::count(text.begin(), text.begin() + static_cast<ptrdiff_t>(line), ','),
              std::count(text.begin() + static_cast<ptrdiff_t>(line),
                         text.begin() + static_cast<ptrdiff_t>(text.find('\n', line)), ','))
        << "as many fields as columns";
  }
}

// Also one that was killed in the middle of a line.
TEST(ResourceMonitorTest, ALaterStartGoesOnInTheSameFiles) {
  TempDir dir;
  const std::string file = dir / "sys/perf/n/node_disk_usage.csv";
  const auto once = [&] {
    auto monitor = ResourceMonitor::Start(dir.str(), "n", std::chrono::hours(1),
                                          [] { return std::vector<std::pair<int, int>>{}; });
  };
  once();
  const std::string first = *ReadFile(file);
  ASSERT_TRUE(WriteFileAtomic(file, first + "half a li"));
  once();
  const std::string both = *ReadFile(file);
  EXPECT_THAT(both, StartsWith(first + "half a li\n"));
  EXPECT_GT(both.size(), first.size() + 20);
  EXPECT_EQ(both.find("Utc Time", 1), std::string::npos) << "one header";
}

TEST(ResourceMonitorTest, AFolderThatCannotBeStopsNothing) {
  TempDir dir;
  ASSERT_TRUE(WriteFileAtomic(dir / "file", "x"));
  {
    auto monitor = ResourceMonitor::Start(dir / "file", "n", Seconds(1),
                                          [] { return std::vector<std::pair<int, int>>{}; });
  }
  EXPECT_EQ(*ReadFile(dir / "file"), "x");
}

}  // namespace
}  // namespace pj::report

#include <fmt/core.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <cstdlib>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <utility>

#include "base/log.h"
#include "report/log_file.h"
#include "report/proc_sample.h"
#include "report/report.h"
#include "report/text.h"

namespace pj::report {
namespace {

double Mb(uint64_t bytes) { return static_cast<double>(bytes) / (1 << 20); }

double Percent(uint64_t part, uint64_t whole) {
  return whole == 0 ? 0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole);
}

uint64_t Since(uint64_t now, uint64_t before) { return now > before ? now - before : 0; }

class Monitor final : public ResourceMonitor {
 public:
  Monitor(const std::string& logs_dir, const std::string& node, Seconds interval, Pids pids,
          Sampler sample)
      : interval_(std::max(interval, Seconds(1))),
        pids_(std::move(pids)),
        sample_(std::move(sample)),
        disks_{"/", logs_dir, TemporaryFolder()},
        node_file_(Path(logs_dir, node, "node_resource_usage.csv"),
                   "Utc Time,Cpu Percent,Memory Total (MB),Memory Available (MB),Memory Used (MB),"
                   "Memory Used Percent,Disk Io Read Count,Disk Io Write Count,Disk Io Read (MB),"
                   "Disk Io Write (MB),Network Sent (MB),Network Recv (MB),TCP Connections,"
                   "UDP Connections\n",
                   LogFile::Old::kKeep),
        disk_file_(Path(logs_dir, node, "node_disk_usage.csv"),
                   "Utc Time,Disk,Total (MB),Used (MB),Free (MB),Used Percent\n",
                   LogFile::Old::kKeep),
        process_file_(Path(logs_dir, node, "processes_resource_usage.csv"),
                      "Utc Time,Name,Pid,Cpu Percent,Cpu Time User,Cpu Time System,Memory (MB),"
                      "Memory Used Percent,Disk Io Read Count,Disk Io Write Count,"
                      "Disk Io Read (MB),Disk Io Write (MB),Thread Num\n",
                      LogFile::Old::kKeep),
        thread_([this](const std::stop_token& stop) { Loop(stop); }) {}

  // The thread is the last member: it ends before what it uses goes.

 private:
  static std::string Path(const std::string& logs, const std::string& node, const char* name) {
    return logs + "/sys/perf/" + SafeFileName(node) + "/" + name;
  }
  static std::string TemporaryFolder() {
    const char* folder = std::getenv("TMPDIR");
    return folder != nullptr && *folder != '\0' ? folder : "/tmp";
  }

  // One sample at the beginning and one at the end, so that short jobs have two.
  void Loop(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    Sample();
    while (!stop.stop_requested()) {
      wake_.wait_for(lock, stop, interval_, [] { return false; });
      Sample();
    }
    const uint64_t dropped = node_file_.dropped() + disk_file_.dropped() + process_file_.dropped();
    if (dropped > 0) PJ_WARN("{} lines of sys/perf could not be written", dropped);
  }

  void Sample() {
    const std::string now = FormatRfc3339(SystemClock().Wall());
    const NodeSample node = SampleNode();
    AddNode(now, node);
    AddDisks(now);
    AddProcess(now, "manager", ::getpid(), SampleProcess(::getpid()), node);
    const std::vector<std::pair<int, int>> processes = pids_();
    std::vector<int> pids;
    for (const auto& [process, pid] : processes) pids.push_back(pid);
    const std::vector<std::optional<ProcessSample>> samples = sample_(pids);
    for (size_t i = 0; i < processes.size() && i < samples.size(); ++i) {
      const std::string name = ProcessName(static_cast<uint32_t>(processes[i].first));
      AddProcess(now, name, pids[i], samples[i], node);
    }
    for (LogFile* file : {&node_file_, &disk_file_, &process_file_}) file->Flush();
    last_node_ = node;
    last_time_ = SystemClock().Monotonic();
  }

  void AddNode(const std::string& now, const NodeSample& s) {
    const bool first = last_node_.cpu_total == 0;
    const uint64_t used = Since(s.memory_total, s.memory_available);
    const double cpu = first ? 0
                             : Percent(Since(s.cpu_busy, last_node_.cpu_busy),
                                       Since(s.cpu_total, last_node_.cpu_total));
    node_file_.Add(fmt::format(
        "{},{:.1f},{:.1f},{:.1f},{:.1f},{:.1f},{},{},{:.1f},{:.1f},{:.1f},{:.1f},{},{}\n", now, cpu,
        Mb(s.memory_total), Mb(s.memory_available), Mb(used), Percent(used, s.memory_total),
        s.disk_reads, s.disk_writes, Mb(s.disk_read_bytes), Mb(s.disk_write_bytes),
        Mb(s.network_sent), Mb(s.network_received), s.tcp, s.udp));
  }

  void AddDisks(const std::string& now) {
    std::set<dev_t> seen;
    for (const std::string& disk : disks_) {
      struct stat info{};
      struct statvfs space{};
      if (::stat(disk.c_str(), &info) != 0 || !seen.insert(info.st_dev).second ||
          ::statvfs(disk.c_str(), &space) != 0) {
        continue;
      }
      const uint64_t total = static_cast<uint64_t>(space.f_blocks) * space.f_frsize;
      const uint64_t free = static_cast<uint64_t>(space.f_bavail) * space.f_frsize;
      std::string row = now + ",";
      AppendCsvText(disk, &row);
      row += fmt::format(",{:.1f},{:.1f},{:.1f},{:.1f}\n", Mb(total), Mb(Since(total, free)),
                         Mb(free), Percent(Since(total, free), total));
      disk_file_.Add(row);
    }
  }

  void AddProcess(const std::string& now, const std::string& name, int pid,
                  const std::optional<ProcessSample>& s, const NodeSample& node) {
    if (!s) {
      last_ticks_.erase(name);
      return;
    }
    const uint64_t ticks = s->user_ticks + s->system_ticks;
    const auto before = last_ticks_.find(name);
    const double per_second = static_cast<double>(::sysconf(_SC_CLK_TCK));
    const double seconds =
        std::chrono::duration<double>(SystemClock().Monotonic() - last_time_).count();
    const double used =
        before == last_ticks_.end() || seconds <= 0
            ? 0
            : static_cast<double>(Since(ticks, before->second)) / per_second / seconds;
    last_ticks_[name] = ticks;
    process_file_.Add(
        fmt::format("{},{},{},{:.1f},{:.2f},{:.2f},{:.1f},{:.2f},{},{},{:.1f},{:.1f},{}\n", now,
                    name, pid, 100 * used, static_cast<double>(s->user_ticks) / per_second,
                    static_cast<double>(s->system_ticks) / per_second, Mb(s->resident_bytes),
                    Percent(s->resident_bytes, node.memory_total), s->reads, s->writes,
                    Mb(s->read_bytes), Mb(s->write_bytes), s->threads));
  }

  const Nanos interval_;
  const Pids pids_;
  const Sampler sample_;
  const std::vector<std::string> disks_;
  LogFile node_file_;
  LogFile disk_file_;
  LogFile process_file_;
  NodeSample last_node_;
  Nanos last_time_{0};
  std::map<std::string, uint64_t> last_ticks_;  // by name
  std::mutex mutex_;                            // only for wake_
  std::condition_variable_any wake_;
  std::jthread thread_;
};

}  // namespace

std::unique_ptr<ResourceMonitor> ResourceMonitor::Start(const std::string& logs_dir,
                                                        const std::string& node, Seconds interval,
                                                        Pids pids, Sampler sample) {
  return std::make_unique<Monitor>(logs_dir, node, interval, std::move(pids), std::move(sample));
}

}  // namespace pj::report

#include "report/proc_sample.h"

#include <fmt/core.h>
#include <unistd.h>

#include <cctype>
#include <charconv>
#include <vector>

#include "base/fs.h"

namespace pj::report {
namespace {

std::string_view NextLine(std::string_view* text) {
  const size_t end = text->find('\n');
  const std::string_view line = text->substr(0, end);
  text->remove_prefix(end == std::string_view::npos ? text->size() : end + 1);
  return line;
}

std::vector<std::string_view> Words(std::string_view line) {
  std::vector<std::string_view> words;
  for (size_t pos = 0; (pos = line.find_first_not_of(" \t:", pos)) != std::string_view::npos;) {
    const size_t end = std::min(line.find_first_of(" \t:", pos), line.size());
    words.push_back(line.substr(pos, end - pos));
    pos = end;
  }
  return words;
}

uint64_t Number(std::string_view word) {
  uint64_t value = 0;
  std::from_chars(word.data(), word.data() + word.size(), value);
  return value;
}

// Disks, not their partitions nor what is stacked on them: those would count twice.
bool IsWholeDisk(std::string_view name) {
  if (name.starts_with("nvme") || name.starts_with("mmcblk")) {
    return name.find('p') == std::string_view::npos;
  }
  const bool named = name.starts_with("sd") || name.starts_with("vd") || name.starts_with("xvd") ||
                     name.starts_with("hd");
  return named && std::isdigit(static_cast<unsigned char>(name.back())) == 0;
}

std::string Read(const std::string& path) { return ReadFile(path, 4 << 20).value_or(""); }

}  // namespace

void ParseStat(std::string_view text, NodeSample* sample) {
  const auto words = Words(NextLine(&text));
  if (words.size() < 5 || words[0] != "cpu") return;
  for (size_t i = 1; i < words.size() && i <= 8; ++i) {  // guest time is inside user time
    sample->cpu_total += Number(words[i]);
    if (i != 4 && i != 5) sample->cpu_busy += Number(words[i]);  // idle, iowait
  }
}

void ParseMeminfo(std::string_view text, NodeSample* sample) {
  while (!text.empty()) {
    const auto words = Words(NextLine(&text));
    if (words.size() < 2) continue;
    if (words[0] == "MemTotal") sample->memory_total = Number(words[1]) * 1024;
    if (words[0] == "MemAvailable") sample->memory_available = Number(words[1]) * 1024;
  }
}

void ParseDiskstats(std::string_view text, NodeSample* sample) {
  while (!text.empty()) {
    const auto words = Words(NextLine(&text));
    if (words.size() < 10 || !IsWholeDisk(words[2])) continue;
    sample->disk_reads += Number(words[3]);
    sample->disk_read_bytes += Number(words[5]) * 512;
    sample->disk_writes += Number(words[7]);
    sample->disk_write_bytes += Number(words[9]) * 512;
  }
}

void ParseNetDev(std::string_view text, NodeSample* sample) {
  while (!text.empty()) {
    const auto words = Words(NextLine(&text));
    if (words.size() < 10 || words[0] == "lo" || words[0] == "Inter-|") continue;
    sample->network_received += Number(words[1]);
    sample->network_sent += Number(words[9]);
  }
}

void ParseSockstat(std::string_view text, NodeSample* sample) {
  while (!text.empty()) {
    const auto words = Words(NextLine(&text));
    if (words.size() < 3 || words[1] != "inuse") continue;
    if (words[0].starts_with("TCP")) sample->tcp += Number(words[2]);
    if (words[0] == "UDP" || words[0] == "UDP6") sample->udp += Number(words[2]);
  }
}

bool ParseProcessStat(std::string_view text, ProcessSample* sample) {
  // The second field is a name in brackets that may hold anything: the last bracket ends it.
  const size_t end = text.rfind(')');
  if (end == std::string_view::npos) return false;
  const auto words = Words(text.substr(end + 1));
  if (words.size() < 22 || words[0] == "Z") return false;
  sample->user_ticks = Number(words[11]);
  sample->system_ticks = Number(words[12]);
  sample->threads = Number(words[17]);
  sample->resident_bytes = Number(words[21]) * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  return true;
}

void ParseProcessIo(std::string_view text, ProcessSample* sample) {
  while (!text.empty()) {
    const auto words = Words(NextLine(&text));
    if (words.size() < 2) continue;
    if (words[0] == "syscr") sample->reads = Number(words[1]);
    if (words[0] == "syscw") sample->writes = Number(words[1]);
    if (words[0] == "read_bytes") sample->read_bytes = Number(words[1]);
    if (words[0] == "write_bytes") sample->write_bytes = Number(words[1]);
  }
}

NodeSample SampleNode() {
  NodeSample sample;
  ParseStat(Read("/proc/stat"), &sample);
  ParseMeminfo(Read("/proc/meminfo"), &sample);
  ParseDiskstats(Read("/proc/diskstats"), &sample);
  ParseNetDev(Read("/proc/net/dev"), &sample);
  ParseSockstat(Read("/proc/net/sockstat"), &sample);
  ParseSockstat(Read("/proc/net/sockstat6"), &sample);
  return sample;
}

std::optional<ProcessSample> SampleProcess(int pid) {
  ProcessSample sample;
  const std::string dir = fmt::format("/proc/{}/", pid);
  if (!ParseProcessStat(Read(dir + "stat"), &sample)) return std::nullopt;
  ParseProcessIo(Read(dir + "io"), &sample);
  return sample;
}

std::vector<std::optional<ProcessSample>> SampleProcesses(const std::vector<int>& pids) {
  std::vector<std::optional<ProcessSample>> out;
  for (const int pid : pids) out.push_back(SampleProcess(pid));
  return out;
}

}  // namespace pj::report

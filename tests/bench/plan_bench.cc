// Speed of planning: CSV in GB/s (page cache warm, records counted) and file lists in files/s.
//   plan_bench [DIR] [MEGABYTES] [FILES]      data is made below DIR and removed again
#include <fmt/core.h>
#include <sys/resource.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "base/rng.h"
#include "plan/plan.h"

namespace {

using pj::plan::PlanRequest;
using Clock = std::chrono::steady_clock;
constexpr int kRounds = 3;

double Seconds(Clock::time_point since) {
  return std::chrono::duration<double>(Clock::now() - since).count();
}

// Processor time of all threads: what a busy machine does not change much.
double CpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

struct Times {
  double wall = 1e9;
  double cpu = 1e9;
};

long PeakMegabytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss / 1024;
}

void Stop(const pj::Error& error) {
  fmt::print(stderr, "error: {}\n", error.ToString());
  std::exit(1);
}

// Ten numbers to a row, about 90 bytes; with `quoted`, every fourth row holds a quoted newline.
void WriteCsv(const std::string& path, uint64_t megabytes, bool quoted) {
  pj::Rng rng(1);
  std::ofstream out(path, std::ios::binary);
  std::string block = "a,b,c,d,e,f,g,h,i,j\n";
  for (uint64_t written = 0; written < megabytes << 20;) {
    for (int row = 0; row < 1000; ++row) {
      for (int column = 0; column < 9; ++column) {
        block += fmt::format("{:.6f},", rng.Unit());
      }
      block += quoted && row % 4 == 0 ? "\"two\nlines, \"\"quoted\"\"\"\n" : "text\n";
    }
    out << block;
    written += block.size();
    block.clear();
  }
}

PlanRequest Request(const std::string& root) {
  PlanRequest request;
  request.sources.resize(1);
  request.sources[0].input_name = "data";
  request.sources[0].root = root;
  return request;
}

// Best of some rounds: the first warms the page cache.
Times Best(const PlanRequest& request, const std::string& file, uint64_t* items) {
  Times best;
  for (int round = 0; round < kRounds; ++round) {
    const auto start = Clock::now();
    const double cpu = CpuSeconds();
    auto plan = pj::plan::BuildPlan(request, file);
    if (!plan) Stop(plan.error());
    best.wall = std::min(best.wall, Seconds(start));
    best.cpu = std::min(best.cpu, CpuSeconds() - cpu);
    *items = (*plan)->total_items();
  }
  return best;
}

void BenchCsv(const std::string& dir, uint64_t megabytes, bool quoted) {
  const std::string path = dir + "/table.csv";
  WriteCsv(path, megabytes, quoted);
  const double bytes = static_cast<double>(std::filesystem::file_size(path));
  for (const uint64_t size : {uint64_t{10} << 10, uint64_t{1} << 20}) {
    PlanRequest request = Request(path);
    request.sources[0].table.emplace();
    request.sources[0].table->support_multi_line = quoted;
    request.unit = PlanRequest::SizeUnit::kBytes;
    request.size = size;
    uint64_t items = 0;
    const Times times = Best(request, dir + "/plan", &items);
    fmt::print(
        "csv {:<14} mini-batch {:>7} B  {:6.2f} GB/s ({:.2f} a CPU second)  {} records  peak {} "
        "MB\n",
        quoted ? "quoted" : "plain", size, bytes / times.wall / 1e9, bytes / times.cpu / 1e9, items,
        PeakMegabytes());
  }
  std::filesystem::remove(path);
}

void BenchFiles(const std::string& dir, uint64_t files, uint64_t folders) {
  const std::string root = dir + "/files";
  for (uint64_t i = 0; i < folders; ++i) {
    const std::string folder = fmt::format("{}/{:04}", root, i);
    std::filesystem::create_directories(folder);
    for (uint64_t k = 0; k < files / folders; ++k) {
      std::ofstream out(fmt::format("{}/image_{:07}.png", folder, k));
    }
  }
  PlanRequest request = Request(root);
  request.size = 1;
  uint64_t items = 0;
  const Times times = Best(request, dir + "/plan", &items);
  auto plan = pj::plan::OpenPlan(dir + "/plan");
  if (!plan) Stop(plan.error());
  const auto start = Clock::now();
  std::string payload;
  for (uint64_t i = 0; i < (*plan)->size(); ++i) {
    payload.clear();
    if (auto got = (*plan)->AppendPayload(i, &payload); !got) Stop(got.error());
  }
  fmt::print(
      "{} files in {} folders  {:.2f} s ({:.2f} CPU s, {:.2f} M files/s)  plan {} bytes a "
      "mini-batch  read "
      "{:.0f} ns each  peak {} MB\n",
      items, folders, times.wall, times.cpu, static_cast<double>(items) / times.wall / 1e6,
      std::filesystem::file_size(dir + "/plan") / items,
      Seconds(start) * 1e9 / static_cast<double>(items), PeakMegabytes());
  std::filesystem::remove_all(root);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string base = argc > 1 ? argv[1] : "/tmp";
  const uint64_t megabytes = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1024;
  const uint64_t files = argc > 3 ? std::strtoull(argv[3], nullptr, 10) : 1'000'000;
  std::string dir = base + "/plan-bench-XXXXXX";
  if (mkdtemp(dir.data()) == nullptr) return 1;
  BenchCsv(dir, megabytes, false);
  BenchCsv(dir, megabytes, true);
  BenchFiles(dir, files, 1000);
  BenchFiles(dir, files, 1);
  std::filesystem::remove_all(dir);
}

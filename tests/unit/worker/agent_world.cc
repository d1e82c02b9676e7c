#include "agent_world.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>

#include "base/fs.h"
#include "unit/output/index_of.h"
#include "worker/seal.h"

namespace pj::worker {
namespace {

void Write(const std::string& path, const std::string& text) {
  const Result<UniqueFd> fd = OpenFile(path, O_WRONLY | O_CREAT | O_TRUNC);
  EXPECT_TRUE(fd && WriteAll(fd->get(), text, path)) << path;
}

std::map<std::string, std::string> Environment() {
  return {{"PATH", "/usr/local/bin:/usr/bin:/bin"}, {"LANG", "C.UTF-8"}};
}

}  // namespace

AgentWorld::AgentWorld(int files, const std::string& script) {
  auto guardian = Guardian::Start();
  EXPECT_TRUE(guardian);
  guardian_ = std::move(*guardian);
  for (const char* name : {"code", "data", "logs", "scratch", "segments"}) {
    EXPECT_TRUE(MakeDirs(dir_ + "/" + name));
  }
  WriteScript(script);
  for (int i = 0; i < files; ++i) {
    Write(fmt::format("{}/data/{:06}.txt", dir_, i), fmt::format("{}\n", i));
  }
  plan::PlanRequest request;
  request.sources = {{.input_name = "data",
                      .root = dir_ + "/data",
                      .paths = {},
                      .table = {},
                      .partition_format = "",
                      .exclude = {}}};
  request.size = 1;
  request.sort_dir = dir_ + "/scratch";
  auto plan = plan::BuildPlan(request, dir_ + "/plan");
  EXPECT_TRUE(plan) << plan.error().ToString();
  plan_ = std::move(*plan);
  auto api = kube::MemoryApi::Open({});
  EXPECT_TRUE(api);
  api_ = std::move(*api);

  options.core.job = "job";
  options.core.identity = {"uid-1", 1};
  options.core.holder = "instance-0";
  options.core.incarnation = "i1";
  options.core.mini_batches = plan_->size();
  options.core.roots = ledger::RootCount(plan_->size(), 1);
  options.core.slots = 2;
  options.core.tick = Millis(20);
  options.job.python = "/usr/bin/python3";
  options.job.runtime_dir = PJ_RUNTIME_DIR;
  options.job.code_dir = dir_ + "/code";
  options.job.scratch_dir = dir_ + "/scratch";
  options.job.entry_script = "entry.py";
  options.job.env = Environment();
  options.job.job_name = "job";
  options.job.logs_dir = dir_ + "/logs";
  options.job.node = "instance-0";
  options.job.append_format = "text";
  options.plan = plan_.get();
  options.api = api_.get();
  options.guardian = guardian_.get();
  options.segments_dir = dir_ + "/segments";
  options.clock = &SystemClock();
}

AgentWorld::~AgentWorld() {
  threads_.clear();
  agents_.clear();
  guardian_.reset();
}

void AgentWorld::WriteScript(const std::string& script) { Write(dir_ + "/code/entry.py", script); }

void AgentWorld::Start() {
  agents_.push_back(Agent::Create(options));
  results_.resize(results_.size() + 1);
  results_.reserve(8);
  threads_.emplace_back(
      [agent = agents_.back().get(), result = &results_.back()] { *result = agent->Run(); });
}

AgentResult AgentWorld::Join() {
  threads_.clear();
  return results_.front();
}

std::vector<ledger::ShardRecord> AgentWorld::Seal() {
  if (!sealed_.empty()) return sealed_;
  auto sealed = SealLedger({.api = api_.get(),
                            .ns = options.ns,
                            .job = options.core.job,
                            .identity = options.core.identity,
                            .mini_batches = options.core.mini_batches,
                            .roots = options.core.roots,
                            .incarnation = "sealer"});
  EXPECT_TRUE(sealed) << sealed.error().ToString();
  if (sealed) sealed_ = *sealed;
  return sealed_;
}

std::map<uint64_t, std::string> AgentWorld::Rows() {
  std::map<uint64_t, std::string> out;
  for (const ledger::ShardRecord& shard : Seal()) {
    for (const ledger::OutputMark& mark : shard.outputs) {
      auto entries = output::IndexOf(options.segments_dir, mark);
      EXPECT_TRUE(entries) << entries.error().ToString();
      const std::string rows = File("segments/" + mark.segment + ".rows");
      for (const output::IndexEntry& entry : *entries) {
        const bool first =
            out.emplace(entry.mini_batch, rows.substr(entry.offset, entry.length)).second;
        EXPECT_TRUE(first) << "mini-batch " << entry.mini_batch << " is committed twice";
      }
    }
  }
  return out;
}

std::vector<output::AttemptRecord> AgentWorld::Attempts() {
  std::vector<output::AttemptRecord> out;
  for (const ledger::ShardRecord& shard : Seal()) {
    for (const ledger::OutputMark& mark : shard.outputs) {
      EXPECT_TRUE(output::ReadAttempts(options.segments_dir, mark,
                                       [&](const auto& record) { out.push_back(record); }));
    }
  }
  return out;
}

ledger::Counters AgentWorld::Counters() {
  ledger::Counters out;
  for (const ledger::ShardRecord& shard : Seal()) out += shard.counters;
  return out;
}

std::string AgentWorld::File(const std::string& name) const {
  return ReadFile(dir_ + "/" + name).value_or("");
}

}  // namespace pj::worker

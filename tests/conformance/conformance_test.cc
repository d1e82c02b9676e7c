#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <memory>

#include "kube/memory_api.h"
#include "runner.h"

namespace pj::kube::conformance {
namespace {

namespace fs = std::filesystem;

enum class Server { kMemory, kSqlite, kRestarting };

using Case = std::pair<Server, std::string>;

std::vector<Case> Cases() {
  std::vector<Case> out;
  for (const auto& entry : fs::directory_iterator(PJ_SOURCE_DIR "/tests/conformance/cases")) {
    const std::string path = entry.path().string();
    out.emplace_back(Server::kMemory, path);
    out.emplace_back(Server::kSqlite, path);
    if (MayRestart(path)) out.emplace_back(Server::kRestarting, path);
  }
  std::ranges::sort(out);
  return out;
}

class Conformance : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "pj-conformance-XXXXXX").string();
    dir_ = mkdtemp(pattern.data());
  }
  void TearDown() override { fs::remove_all(dir_); }

  Server server() const { return GetParam().first; }

  Api& Open() {
    if (server() == Server::kRestarting) api_.reset();
    if (api_ == nullptr) {
      MemoryApiOptions options;
      if (server() != Server::kMemory) options.state_file = dir_ + "/state.db";
      auto api = MemoryApi::Open(options);
      EXPECT_TRUE(api.has_value()) << api.error().ToString();
      api_ = std::move(*api);
    }
    return *api_;
  }

  std::string dir_;
  std::unique_ptr<MemoryApi> api_;
};

TEST_P(Conformance, File) {
  const Target target{.api = [this]() -> Api& { return Open(); },
                      .compact = [this] { api_->Compact(); }};
  const Outcome outcome = RunFile(GetParam().second, target);
  EXPECT_GT(outcome.steps, 0);
  for (const std::string& failure : outcome.failures) ADD_FAILURE() << failure;
}

std::string Name(const testing::TestParamInfo<Conformance::ParamType>& info) {
  static constexpr const char* kServers[] = {"Memory", "Sqlite", "Restarting"};
  return std::string(kServers[static_cast<int>(info.param.first)]) + "_" +
         fs::path(info.param.second).stem().string();
}

INSTANTIATE_TEST_SUITE_P(All, Conformance, testing::ValuesIn(Cases()), Name);

// A runner that accepts everything would prove nothing.
TEST(Runner, TellsDifferences) {
  const std::string path = PJ_SOURCE_DIR "/tests/conformance/wrong_case.json";
  auto api = MemoryApi::Open({});
  ASSERT_TRUE(api.has_value());
  const Outcome outcome = RunFile(path, {.api = [&]() -> Api& { return **api; }, .compact = {}});
  EXPECT_EQ(outcome.failures.size(), static_cast<size_t>(outcome.steps));
}

}  // namespace
}  // namespace pj::kube::conformance

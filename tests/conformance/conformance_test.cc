#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <memory>
#include <string>

#include "base/process.h"
#include "kube/http_api.h"
#include "kube/kubeconfig.h"
#include "kube/memory_api.h"
#include "runner.h"
#include "unit/temp_dir.h"

namespace pj::kube::conformance {
namespace {

namespace fs = std::filesystem;

enum class Server { kMemory, kSqlite, kRestarting, kReal };

// Set: the files are played on this real API server, and on nothing else. It has a namespace
// "conformance-<file>" for each; when we print COMPACT, the caller expires the server's history and
// then answers with a line.
std::string RealServer() { return GetEnv("PJ_CONFORMANCE_KUBECONFIG"); }

using Case = std::pair<Server, std::string>;

std::vector<Case> Cases() {
  std::vector<Case> out;
  for (const auto& entry : fs::directory_iterator(PJ_SOURCE_DIR "/tests/conformance/cases")) {
    const std::string path = entry.path().string();
    if (!RealServer().empty()) {
      out.emplace_back(Server::kReal, path);
      continue;
    }
    out.emplace_back(Server::kMemory, path);
    out.emplace_back(Server::kSqlite, path);
    if (MayRestart(path)) out.emplace_back(Server::kRestarting, path);
  }
  std::ranges::sort(out);
  return out;
}

class Conformance : public testing::TestWithParam<Case> {
 protected:
  Server server() const { return GetParam().first; }

  Target MakeTarget() {
    if (server() == Server::kReal) return RealTarget();
    return {.api = [this]() -> Api& { return Open(); }, .compact = [this] { api_->Compact(); }};
  }

  Target RealTarget() {
    auto config = LoadKubeconfig(RealServer());
    EXPECT_TRUE(config.has_value()) << (config ? "" : config.error().ToString());
    auto api = HttpApi::Open(config.value_or(ClientConfig{}));
    EXPECT_TRUE(api.has_value()) << (api ? "" : api.error().ToString());
    if (api) real_ = std::move(*api);
    std::string name = fs::path(GetParam().second).stem().string();
    std::ranges::replace(name, '_', '-');
    return {.api = [this]() -> Api& { return *real_; },
            .compact =
                [] {
                  std::cout << "COMPACT" << std::endl;
                  std::string done;
                  std::getline(std::cin, done);
                },
            .ns = "conformance-" + name};
  }

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

  const TempDir temp_;
  const std::string& dir_ = temp_.str();
  std::unique_ptr<MemoryApi> api_;
  std::unique_ptr<HttpApi> real_;
};

TEST_P(Conformance, File) {
  const Target target = MakeTarget();
  ASSERT_FALSE(HasFailure());
  const Outcome outcome = RunFile(GetParam().second, target);
  EXPECT_GT(outcome.steps, 0);
  for (const std::string& failure : outcome.failures) ADD_FAILURE() << failure;
}

std::string Name(const testing::TestParamInfo<Conformance::ParamType>& info) {
  static constexpr const char* kServers[] = {"Memory", "Sqlite", "Restarting", "Real"};
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

// What a pod's programs do before there is an agent: logs, volumes, the wait for the slot host.
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <map>

#include "base/fs.h"
#include "base/log.h"
#include "job/pod_contract.h"
#include "unit/temp_dir.h"
#include "worker/pod/job.h"
#include "worker/pod/program.h"
#include "worker/pod/slot_place.h"
#include "worker/pod/volume_probe.h"

namespace pj::worker {
namespace {

using testing::HasSubstr;

class PodLog : public testing::Test {
 protected:
  ~PodLog() override { log::Init(log::Level::kWarning); }

  // The manifest as an operator stores it, with that level.
  std::string Manifest(const std::string& level) {
    const std::string text = fmt::format(
        R"({{"apiVersion": "paralleljob.dev/v1alpha1", "kind": "ParallelJob",
        "metadata": {{"name": "score", "namespace": "team"}}, "spec": {{
        "inputs": [{{"name": "data", "type": "uri_folder", "path": "in",
          "volume": {{"persistentVolumeClaim": {{"claimName": "shared"}}}}}}],
        "outputs": [{{"name": "rows", "type": "uri_file", "path": "out/rows.txt",
          "volume": {{"persistentVolumeClaim": {{"claimName": "shared"}}}}}}],
        "inputData": "${{{{inputs.data}}}}", "miniBatchSize": 1, "loggingLevel": "{}",
        "task": {{"code": {{"configMap": {{"name": "code"}}}}, "entryScript": "entry.py",
          "appendRowTo": "${{{{outputs.rows}}}}",
          "environment": {{"image": "python:3.11"}}}}}}}})",
        level);
    EXPECT_TRUE(WriteFileAtomic(dir_ / "job.json", text));
    const Result<api::ParallelJob> job = LoadPodManifest(dir_ / "job.json");
    EXPECT_TRUE(job) << (job ? "" : job.error().ToString());
    return dir_ / "job.json";
  }
  void Init(const std::string& manifest) {
    InitPodLog([this](const char* name) { return variables_[name]; }, manifest);
  }

  TempDir dir_;
  std::map<std::string, std::string> variables_;
};

TEST_F(PodLog, TheJobSaysFromWhichLevelOn) {
  Init(Manifest("DEBUG"));
  EXPECT_TRUE(log::Enabled(log::Level::kDebug));
  Init(Manifest("WARNING"));
  EXPECT_FALSE(log::Enabled(log::Level::kInfo));
  EXPECT_TRUE(log::Enabled(log::Level::kWarning));
}

TEST_F(PodLog, TheEnvironmentWinsAndAMissingJobIsNoMatter) {
  Init(dir_ / "none.json");
  EXPECT_TRUE(log::Enabled(log::Level::kInfo));
  EXPECT_FALSE(log::Enabled(log::Level::kDebug));
  variables_[job::kEnvLogLevel] = "error";
  Init(Manifest("DEBUG"));
  EXPECT_FALSE(log::Enabled(log::Level::kWarning));
}

TEST(HostSlots, AnEndedJobIsNotWaitedFor) {
  TempDir dir;
  PodFolders folders;
  folders.run = dir.str();  // nobody listens there
  sigset_t none;
  sigemptyset(&none);
  int asked = 0;
  const auto slots = HostSlots(folders, none, [&asked] { return ++asked > 0; });
  ASSERT_TRUE(slots) << slots.error().ToString();
  EXPECT_EQ(*slots, nullptr);
}

TEST(VolumeProbe, LeavesNothingBehind) {
  TempDir dir;
  ASSERT_TRUE(ProbeVolume(dir / "work/segments", "a.1"));
  EXPECT_TRUE(std::filesystem::is_empty(dir / "work/segments"));
}

TEST(VolumeProbe, NamesFolderUserAndWayOut) {
  const Status probed = ProbeVolume("/proc/self/segments", "a.1");
  ASSERT_FALSE(probed);
  const std::string text = probed.error().ToString();
  EXPECT_THAT(text, testing::StartsWith("VolumeUnusable: user "));
  EXPECT_THAT(text, HasSubstr("/proc/self/segments"));
  EXPECT_THAT(text, HasSubstr("fsGroup"));
}

}  // namespace
}  // namespace pj::worker

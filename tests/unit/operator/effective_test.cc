// status.effective: each setting with the value that counts and where it comes from.
#include "operator/effective.h"

#include "tests/unit/operator/operator_fixture.h"

namespace pj::op {
namespace {

using Pair = std::pair<std::string, std::string>;  // value, source

class EffectiveTest : public OperatorTest {
 protected:
  void Show(const Json& job) {
    Apply(job);
    Settle();
    const Json status = Status();
    for (const Json& setting : status["effective"]) {
      const std::string name = setting["name"];
      EXPECT_TRUE(shown_.emplace(name, Pair(setting["value"], setting["source"])).second)
          << name << " is a key of the list";
    }
  }
  std::map<std::string, Pair> shown_;
};

TEST_F(EffectiveTest, FlagsAndManifestAndDefaultsAreToldApart) {
  Json job = SmallJob();
  job["spec"]["task"]["programArguments"] =
      "--error_threshold 7 --progress_update_timeout 70 --process_count_per_node 3 --x y "
      "--append_row_dataframe_header False";
  Show(job);
  EXPECT_EQ(shown_["errorThreshold"], Pair("7", "flag"));
  EXPECT_EQ(shown_["instanceCount"], Pair("2", "manifest"));
  EXPECT_EQ(shown_["retrySettings.maxRetries"], Pair("2", "default"));
  EXPECT_EQ(shown_["progressUpdateTimeoutSeconds"], Pair("70", "flag"));
  EXPECT_EQ(shown_["maxConcurrencyPerInstance"], Pair("3", "flag"));
  EXPECT_EQ(shown_["miniBatchSize"], Pair("5", "manifest"));
  EXPECT_EQ(shown_["loggingLevel"], Pair("INFO", "default"));
  EXPECT_EQ(shown_["outputs[rows].header"], Pair("false", "flag"));
}

TEST_F(EffectiveTest, WhatIsNotANumberIsShownToo) {
  Show(SmallJob());
  EXPECT_EQ(shown_["inputData"], Pair("data", "manifest"));
  EXPECT_EQ(shown_["inputs[data].type"], Pair("uri_folder", "default"));
  EXPECT_EQ(shown_["inputs[data].mode"].second, "default");
  EXPECT_EQ(shown_["outputs[rows].type"], Pair("uri_file", "manifest"));
  EXPECT_EQ(shown_["outputs[rows].mode"], Pair("rw_mount", "default"));
  EXPECT_EQ(shown_["task.type"], Pair("run_function", "default"));
  EXPECT_EQ(shown_["task.entryScript"], Pair("score.py", "manifest"));
  EXPECT_EQ(shown_["task.environment.image"], Pair("python:3.11", "manifest"));
  EXPECT_EQ(shown_["task.appendRowTo"], Pair("rows", "manifest"));
  EXPECT_EQ(shown_["outputs[rows].format"], Pair("csv", "default")) << "by its extension";
  EXPECT_EQ(shown_["outputs[rows].header"], Pair("true", "default"));
  EXPECT_EQ(shown_["work.volume"],
            Pair(R"({"persistentVolumeClaim":{"claimName":"shared"}})", "default"));
  EXPECT_EQ(shown_["progressUpdateTimeoutSeconds"], Pair("1980", "default"));
  for (const char* name : {"logs", "suspend", "cancel", "copyLogsToParent", "successPolicy"}) {
    EXPECT_EQ(shown_[name].second, "default") << name;
  }
  EXPECT_FALSE(shown_.contains("activeDeadlineSeconds")) << "there is none";
}

// A value may be the default and stand in the manifest all the same.
TEST_F(EffectiveTest, WhatIsWrittenAtItsDefaultIsTheManifests) {
  Json job = SmallJob();
  Json& spec = job["spec"];
  spec["logs"] = "keep";
  spec["suspend"] = spec["cancel"] = spec["copyLogsToParent"] = false;
  spec["successPolicy"] = "Auto";
  spec["loggingLevel"] = "INFO";
  spec["task"]["type"] = "run_function";
  spec["task"]["programArguments"] = "--depth 3";
  spec["inputs"][0]["type"] = "uri_folder";
  spec["inputs"][0]["mode"] = "ro_mount";
  spec["outputs"][0]["mode"] = "rw_mount";
  spec["inputs"].push_back({{"name", "depth"}, {"value", 3}});
  spec["retrySettings"]["maxRetries"] = 2;
  spec["outputs"][0]["format"] = "csv";
  spec["outputs"][0]["header"] = true;
  spec["work"]["volume"]["persistentVolumeClaim"]["claimName"] = "shared";
  Show(job);
  for (const char* name :
       {"logs", "suspend", "cancel", "copyLogsToParent", "successPolicy", "loggingLevel",
        "task.type", "retrySettings.maxRetries", "outputs[rows].format", "outputs[rows].header",
        "work.volume", "inputs[data].type", "inputs[data].mode", "outputs[rows].type",
        "outputs[rows].mode", "task.programArguments"}) {
    EXPECT_EQ(shown_[name].second, "manifest") << name;
  }
  EXPECT_EQ(shown_["inputs[depth].value"], Pair("3", "manifest"));
}

// 64 inputs, 64 outputs and every setting there is: the API server takes 512 entries of 1024
// characters.
TEST_F(EffectiveTest, TheLargestJobFitsTheSchema) {
  Json job = SmallJob();
  Json& spec = job["spec"];
  for (int i = 1; i < 64; ++i) {
    Json input = spec["inputs"][0];
    input["name"] = "i" + std::to_string(i);
    spec["inputs"].push_back(input);
    Json output = spec["outputs"][0];
    output["name"] = "o" + std::to_string(i);
    output["path"] = "out/" + std::to_string(i);
    spec["outputs"].push_back(output);
  }
  spec["task"]["programArguments"] = std::string(16'000, 'x');
  spec["activeDeadlineSeconds"] = 9;
  spec["ttlSecondsAfterFinished"] = 9;
  spec["managedBy"] = kManagedBy;
  for (int i = 0; i < 64; ++i) {
    spec["work"]["volume"]["csi"]["volumeAttributes"][std::to_string(i)] = std::string(64, 'x');
  }
  spec["work"]["volume"]["csi"]["driver"] = "x.example";
  Show(job);
  EXPECT_GT(shown_.size(), 280u);
  EXPECT_LE(shown_.size(), 512u);
  for (const auto& [name, entry] : shown_) EXPECT_LE(entry.first.size(), 1024u) << name;
}

}  // namespace
}  // namespace pj::op

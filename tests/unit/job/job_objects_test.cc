#include "job/job_objects.h"

#include <gtest/gtest.h>

#include "job/pod_contract.h"

namespace pj::job {
namespace {

const JobObjects kObjects{"ns", "sales", {.uid = "u-1", .run = 2}};

// As an API server would hand it back.
kube::ConfigMap Stored(const kube::ConfigMap& map) {
  return kube::DecodeConfigMap(kube::Encode(map)).value();
}

TEST(JobObjects, AllBelongToTheRunAndTheParallelJob) {
  const kube::Meta meta = kObjects.Meta(kObjects.Name("plan"));
  EXPECT_EQ(meta.name, "sales-" + kObjects.identity.ShortHash() + "-plan");
  EXPECT_EQ(meta.labels.at(kJobLabel), "sales");
  EXPECT_EQ(meta.labels.at(kRunLabel), kObjects.identity.ShortHash());
  ASSERT_TRUE(meta.owner);
  EXPECT_EQ(meta.owner->uid, "u-1");
  EXPECT_EQ(meta.owner->kind, "ParallelJob");
}

TEST(JobObjects, PlanComesBackWhole) {
  PlanFacts facts{.hash = "h", .mini_batches = 1ULL << 40, .roots = 7, .items = 12};
  facts.file = "plan-h";
  facts.file_bytes = 99;
  facts.file_sha256 = "abc";
  const kube::ConfigMap map = Stored(EncodePlan(kObjects, facts));
  EXPECT_TRUE(map.immutable);
  const PlanFacts back = DecodePlan(map).value();
  EXPECT_EQ(back.hash, "h");
  EXPECT_EQ(back.mini_batches, 1ULL << 40);
  EXPECT_EQ(back.roots, 7u);
  EXPECT_EQ(back.items, 12u);
  EXPECT_EQ(back.file, "plan-h");
  EXPECT_EQ(back.file_bytes, 99u);
  EXPECT_EQ(back.file_sha256, "abc");
  EXPECT_EQ(back.inline_table, "");
}

TEST(JobObjects, AnInlinePlanMayHoldAnyBytes) {
  const PlanFacts facts{.hash = "h", .inline_table = std::string("\0\xFF\n", 3)};
  const PlanFacts back = DecodePlan(Stored(EncodePlan(kObjects, facts))).value();
  EXPECT_EQ(back.inline_table, facts.inline_table);
}

TEST(JobObjects, ControlComesBackWhole) {
  const ledger::Control control{.mode = ledger::Control::Mode::kAbort,
                                .reason = "why",
                                .tick = Seconds(7),
                                .hints = {1, 2},
                                .retract = {3}};
  const kube::ConfigMap map = Stored(EncodeControlMap(kObjects, control));
  EXPECT_FALSE(map.immutable);
  EXPECT_EQ(DecodeControlMap(map).value(), control);
}

// A number that somebody took out or changed by hand is no 0: of an exit code that means success.
TEST(JobObjects, DamagedNumbersAreErrors) {
  const auto change = [](kube::ConfigMap map, const std::string& key, const char* text) {
    map.data.erase(key);
    if (text != nullptr) map.data[key] = text;
    return map;
  };
  for (const char* text : {static_cast<const char*>(nullptr), "", "x", "1x", "-"}) {
    const auto result = DecodeResult(change(EncodeResult(kObjects, {}), "exitCode", text));
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, Code::kCorrupt);
    EXPECT_NE(result.error().message.find("exitCode"), std::string::npos);
    const auto plan = DecodePlan(change(EncodePlan(kObjects, {}), "miniBatches", text));
    ASSERT_FALSE(plan);
    EXPECT_EQ(plan.error().code, Code::kCorrupt);
  }
}

TEST(JobObjects, DamagedControlIsAnError) {
  kube::ConfigMap map = EncodeControlMap(kObjects, {});
  map.binary_data[kRecordKey].back() ^= 1;
  EXPECT_EQ(DecodeControlMap(map).error().code, Code::kCorrupt);
}

TEST(JobObjects, ResultComesBackWhole) {
  StoredResult result{.exit_code = 1, .summary_json = "{}", .published_path = "/out/rows.csv"};
  result.published_bytes = 5;
  result.published_rows = 2;
  result.published_crc = 0xFFFFFFFF;
  result.header = "a,b\n";
  const StoredResult back = DecodeResult(Stored(EncodeResult(kObjects, result))).value();
  EXPECT_EQ(back.exit_code, 1);
  EXPECT_EQ(back.summary_json, "{}");
  EXPECT_EQ(back.published_path, "/out/rows.csv");
  EXPECT_EQ(back.published_bytes, 5u);
  EXPECT_EQ(back.published_rows, 2u);
  EXPECT_EQ(back.published_crc, 0xFFFFFFFF);
  EXPECT_EQ(back.header, "a,b\n");
}

TEST(WorkerState, ComesBackWhole) {
  const WorkerState state{.environment_ready = true,
                          .initialising = true,
                          .started = 3,
                          .progress = 4,
                          .slots = 5,
                          .lost_reason = "InitFailed",
                          .lost_message = "ValueError: \"x\""};
  EXPECT_EQ(DecodeWorkerState(EncodeWorkerState(state)).value(), state);
  EXPECT_EQ(DecodeWorkerState(EncodeWorkerState({})).value(), WorkerState{});
}

TEST(WorkerState, ForeignTextIsAnErrorAndForeignValuesCountAsUnset) {
  EXPECT_FALSE(DecodeWorkerState("[1]"));
  EXPECT_FALSE(DecodeWorkerState("{"));
  EXPECT_EQ(DecodeWorkerState(R"({"started":-5,"slots":"many","lost":7,"initialising":1})").value(),
            WorkerState{});
}

}  // namespace
}  // namespace pj::job

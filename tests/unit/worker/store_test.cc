#include "worker/store.h"

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>

#include "base/fs.h"
#include "job/run_store.h"
#include "kube/memory_api.h"
#include "report/report.h"
#include "unit/temp_dir.h"
#include "worker/code_copy.h"
#include "worker/process_tree.h"
#include "worker/schema_gate.h"
#include "worker/seal.h"
#include "worker/slot_job.h"

namespace pj::worker {
namespace {

using ledger::Call;
using Outcome = ledger::Reply::Outcome;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class StoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto api = kube::MemoryApi::Open({});
    ASSERT_TRUE(api);
    api_ = std::move(*api);
  }
  ledger::Reply Do(Call::Op op, const std::string& version, const std::string& record) {
    const StoreClient store(api_.get(), {"default", "job", {"uid", 1}});
    return store.Do({.id = 9, .op = op, .name = "job-s-0", .version = version, .record = record})
        .value();
  }
  std::unique_ptr<kube::MemoryApi> api_;
};

TEST_F(StoreTest, AnswersEachCall) {
  EXPECT_EQ(Do(Call::Op::kGet, "", "").outcome, Outcome::kNotFound);
  const std::string record("\0\xff raw", 6);
  const ledger::Reply made = Do(Call::Op::kCreate, "", record);
  EXPECT_EQ(made.id, 9u);
  EXPECT_EQ(made.outcome, Outcome::kOk);
  EXPECT_EQ(Do(Call::Op::kCreate, "", "other").outcome, Outcome::kExists);
  const ledger::Reply read = Do(Call::Op::kGet, "", "");
  EXPECT_EQ(read.record, record);
  EXPECT_EQ(read.version, made.version);
  const ledger::Reply put = Do(Call::Op::kPut, made.version, "second");
  EXPECT_EQ(put.outcome, Outcome::kOk);
  EXPECT_NE(put.version, made.version);
  EXPECT_EQ(Do(Call::Op::kPut, made.version, "third").outcome, Outcome::kConflict);
  EXPECT_EQ(Do(Call::Op::kGet, "", "").record, "second");
}

TEST_F(StoreTest, ALostAnswerIsUnknownAndATooLargeRecordIsRejected) {
  api_->SetFaultHook([](const kube::Request&) { return kube::Fault::kLoseResponse; });
  EXPECT_EQ(Do(Call::Op::kCreate, "", "x").outcome, Outcome::kUnknown);
  api_->SetFaultHook([](const kube::Request&) { return kube::Fault::kServerError; });
  EXPECT_EQ(Do(Call::Op::kGet, "", "").outcome, Outcome::kUnknown);
  api_->SetFaultHook({});
  const ledger::Reply read = Do(Call::Op::kGet, "", "");
  EXPECT_EQ(read.record, "x");
  const ledger::Reply big = Do(Call::Op::kPut, read.version, std::string(2 << 20, 'b'));
  EXPECT_EQ(big.outcome, Outcome::kRejected);
  EXPECT_FALSE(big.message.empty());
}

// "" if the columns fit.
std::string Said(const Result<std::optional<Misfit>>& checked) {
  if (!checked) return "undecided: " + checked.error().ToString();
  return *checked ? (*checked)->category + ": " + (*checked)->message : "";
}

TEST_F(StoreTest, TheFirstColumnsHoldForAll) {
  const ledger::JobIdentity identity{"uid", 1};
  SchemaGate first(api_.get(), {"default", "job", identity});
  SchemaGate second(api_.get(), {"default", "job", identity});
  EXPECT_EQ(Said(first.Check("[\"a\",\"b\"]")), "");
  EXPECT_EQ(Said(second.Check("[\"a\",\"b\"]")), "");
  EXPECT_THAT(Said(second.Check("[\"a\",\"c\"]")), HasSubstr("missing 'b'; not expected 'c'"));
  EXPECT_THAT(Said(second.Check("[\"b\",\"a\"]")), HasSubstr("another order"));
  EXPECT_THAT(Said(second.Check("")), HasSubstr("rows without column names"));
  EXPECT_EQ(Said(second.Check("[\"a\",\"b\"]")), "");
}

TEST_F(StoreTest, RowsWithoutNamesFixThatToo) {
  SchemaGate gate(api_.get(), {"default", "job", {"uid", 1}});
  EXPECT_EQ(Said(gate.Check("")), "");
  EXPECT_THAT(Said(gate.Check("[\"a\"]")), HasSubstr("had no column names"));
}

TEST_F(StoreTest, AnApiThatDoesNotAnswerDecidesNothing) {
  SchemaGate gate(api_.get(), {"default", "job", {"uid", 1}});
  api_->SetFaultHook([](const kube::Request&) { return kube::Fault::kLoseRequest; });
  EXPECT_FALSE(gate.Check("[\"a\"]"));
  api_->SetFaultHook({});
  EXPECT_EQ(Said(gate.Check("[\"a\"]")), "");
}

// A JSON list of `count` names.
std::string Columns(size_t count) {
  std::string json;
  for (size_t i = 0; i < count; ++i) json += fmt::format("{}\"column{:06}\"", i > 0 ? "," : "[", i);
  return json + "]";
}

TEST_F(StoreTest, MoreColumnsThanAnObjectHoldsAreAnErrorOfTheMiniBatch) {
  SchemaGate gate(api_.get(), {"default", "job", {"uid", 1}});
  int creates = 0;
  api_->SetFaultHook([&creates](const kube::Request& request) {
    creates += request.verb == kube::Verb::kCreate;
    return kube::Fault::kNone;
  });
  const std::string said = Said(gate.Check(Columns(90'000)));
  EXPECT_THAT(said, StartsWith("SchemaTooLarge: the names of 90000 columns need 1350001 bytes, at "
                               "most 524288 can be kept"));
  EXPECT_THAT(said, HasSubstr("jsonl"));
  EXPECT_EQ(creates, 0) << "known before asking";
  EXPECT_EQ(Said(gate.Check(Columns(30'000))), "") << "nothing was fixed";
  EXPECT_THAT(Said(gate.Check(Columns(90'000))), StartsWith("SchemaMismatch: "));
}

TEST_F(StoreTest, TheLongestColumnsAndTheLongestSummaryAreOneResult) {
  std::string columns = "[\"" + std::string(kColumnsBytes - 4, '"') + "\"]";
  job::StoredResult result{.summary_json = std::string(report::kSummaryBytes, '{'),
                           .published_path = std::string(4096, '/'),
                           .header = std::move(columns)};
  const job::RunStore store(api_.get(), {"default", "job", {"uid", 1}});
  const auto settled = store.SettleResult(std::move(result));
  ASSERT_TRUE(settled) << settled.error().ToString();
  const auto read = store.LoadResult();
  ASSERT_TRUE(read && *read);
  EXPECT_EQ((*read)->header.size(), kColumnsBytes);
}

// What an API server of its own mind answers to each create.
class RefusingApi : public kube::Api {
 public:
  Result<kube::Response> Do(const kube::Request& request) override {
    if (request.verb == kube::Verb::kGet) return kube::Response{.code = 404};
    ++creates;
    return kube::Response{.code = 422, .message = "not this one"};
  }
  Result<std::unique_ptr<kube::Watch>> OpenWatch(const kube::WatchRequest&) override {
    return Fail(Code::kUnavailable, "none");
  }
  int creates = 0;
};

TEST(SchemaGateTest, ADefiniteRefusalIsAnErrorOfTheMiniBatch) {
  RefusingApi api;
  SchemaGate gate(&api, {"default", "job", {"uid", 1}});
  const std::string said = Said(gate.Check("[\"a\"]"));
  EXPECT_THAT(said, StartsWith("SchemaRefused: "));
  EXPECT_THAT(said, HasSubstr("not this one"));
  EXPECT_EQ(api.creates, 1);
}

// A store whose every request fails in one way.
class FailingApi : public kube::Api {
 public:
  explicit FailingApi(Code code) : code_(code) {}
  Result<kube::Response> Do(const kube::Request&) override {
    ++calls;
    return Fail(code_, "as told");
  }
  Result<std::unique_ptr<kube::Watch>> OpenWatch(const kube::WatchRequest&) override {
    return Fail(code_, "as told");
  }
  int calls = 0;

 private:
  Code code_;
};

TEST(FailingStore, IsToldAtOnceAndOnlyALostRequestIsUnknown) {
  FailingApi lost(Code::kUnavailable);
  const Result<ledger::Reply> unknown = StoreClient(&lost, {"default", "job", {"uid", 1}}).Do({});
  ASSERT_TRUE(unknown);
  EXPECT_EQ(unknown->outcome, Outcome::kUnknown);
  for (const Code code : {Code::kNoSpace, Code::kIo, Code::kForbidden, Code::kCorrupt}) {
    FailingApi api(code);
    const Result<ledger::Reply> failed = StoreClient(&api, {"default", "job", {"uid", 1}}).Do({});
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().code, code);
  }
}

TEST(FailingStore, EndsTheSealWithItsFirstAnswer) {
  FailingApi api(Code::kNoSpace);
  const auto sealed = SealLedger({.api = &api,
                                  .job = "job",
                                  .identity = {"uid", 1},
                                  .mini_batches = 4,
                                  .roots = 1,
                                  .incarnation = "i"});
  ASSERT_FALSE(sealed);
  EXPECT_EQ(sealed.error().code, Code::kNoSpace);
  EXPECT_EQ(api.calls, 1);
}

class FolderTest : public ::testing::Test {
 protected:
  const TempDir temp_;
  const std::string& dir_ = temp_.str();
};

TEST_F(FolderTest, CodeIsCopiedWithoutWhatIsExcluded) {
  const std::string code = dir_ + "/code";
  ASSERT_TRUE(MakeDirs(code + "/sub"));
  ASSERT_TRUE(MakeDirs(code + "/job-output/logs"));
  ASSERT_TRUE(WriteFileAtomic(code + "/entry.py", "x = 1\n"));
  ASSERT_TRUE(WriteFileAtomic(code + "/sub/model.bin", "m"));
  ASSERT_TRUE(WriteFileAtomic(code + "/job-output/state.db", "s"));
  std::filesystem::permissions(code + "/entry.py", std::filesystem::perms::owner_read);
  std::filesystem::create_symlink("entry.py", code + "/link.py");
  ASSERT_TRUE(WriteFileAtomic(dir_ + "/shared.py", "s"));
  std::filesystem::create_symlink("../shared.py", code + "/out.py");
  std::filesystem::create_symlink("circle", code + "/circle");
  ASSERT_TRUE(CopyCode(code, code + "/job-output/slot0", {code + "/job-output"}));
  const std::string copy = code + "/job-output/slot0";
  EXPECT_EQ(ReadFile(copy + "/entry.py").value(), "x = 1\n");
  EXPECT_TRUE(WriteFileAtomic(copy + "/entry.py", "mine"));
  EXPECT_EQ(ReadFile(code + "/entry.py").value(), "x = 1\n");
  EXPECT_EQ(ReadFile(copy + "/sub/model.bin").value(), "m");
  EXPECT_EQ(std::filesystem::read_symlink(copy + "/link.py"), "entry.py");
  EXPECT_EQ(std::filesystem::read_symlink(copy + "/circle"), "circle");
  EXPECT_EQ(ReadFile(copy + "/out.py").value(), "s");
  EXPECT_FALSE(std::filesystem::exists(copy + "/job-output"));
}

TEST_F(FolderTest, FoldersOfRunsAndFetchesAreNoCode) {
  const std::string code = dir_ + "/code";
  ASSERT_TRUE(MakeDirs(code + "/earlier/.paralleljob"));
  ASSERT_TRUE(WriteFileAtomic(code + "/entry.py", "x = 1\n"));
  ASSERT_TRUE(WriteFileAtomic(code + "/earlier/rows.txt", "r"));
  std::filesystem::create_symlink("earlier", code + "/last");
  ASSERT_TRUE(CopyCode(code, dir_ + "/copy", {}));
  EXPECT_TRUE(std::filesystem::exists(dir_ + "/copy/entry.py"));
  EXPECT_FALSE(std::filesystem::exists(dir_ + "/copy/earlier"));
  EXPECT_TRUE(std::filesystem::is_symlink(dir_ + "/copy/last"));
}

TEST_F(FolderTest, MissingCodeIsAnErrorThatNamesIt) {
  const Status copied = CopyCode(dir_ + "/nothing", dir_ + "/copy", {});
  ASSERT_FALSE(copied);
  EXPECT_EQ(copied.error().where, dir_ + "/nothing");
}

TEST(SlotJob, OneGpuToASlot) {
  SlotJob job;
  job.env["CUDA_VISIBLE_DEVICES"] = "4,7";
  EXPECT_EQ(SlotEnvironment(job, 0, {"0"}).at("CUDA_VISIBLE_DEVICES"), "4");
  EXPECT_EQ(SlotEnvironment(job, 1, {"0"}).at("CUDA_VISIBLE_DEVICES"), "7");
  EXPECT_EQ(SlotEnvironment(job, 2, {"0"}).at("CUDA_VISIBLE_DEVICES"), "4");
  job.slots_before = 1;
  EXPECT_EQ(SlotEnvironment(job, 0, {"0"}).at("CUDA_VISIBLE_DEVICES"), "7");
}

TEST(ProcessTree, ExitsAreSaidInWords) {
  EXPECT_EQ(DescribeExit(3 << 8), "exited with code 3");
  EXPECT_EQ(DescribeExit(9), "killed by signal 9 (SIGKILL)");
  EXPECT_EQ(DescribeExit(11), "killed by signal 11 (SIGSEGV)");
}

}  // namespace
}  // namespace pj::worker

// Agents of worker pods and the operator's reconciler, together on the embedded API.
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <string>
#include <vector>

#include "base/fs.h"
#include "pod_world.h"
#include "worker/pod/job.h"

namespace pj::worker {
namespace {

using testing::HasSubstr;

constexpr char kEcho[] = R"(
def run(mini_batch):
    return [open(path).read() for path in mini_batch]
)";

// The first mini-batch waits for the file `gate` beside the appended one.
constexpr char kGated[] = R"(
import os, threading
def run(mini_batch):
    gate = os.path.join(os.environ["AZUREML_BI_OUTPUT_PATH"], "gate")
    if mini_batch[0].endswith("/000.txt"):
        open(gate + ".reached", "w").close()
        while not os.path.exists(gate):
            threading.Event().wait(0.005)
    return [open(path).read() for path in mini_batch]
)";

// Long enough, until the gate opens, that it is not over before somebody reacts to its first
// mini-batch.
constexpr char kSlow[] = R"(
import os, threading
def run(mini_batch):
    gate = os.path.join(os.environ["AZUREML_BI_OUTPUT_PATH"], "gate")
    open(gate + ".reached", "w").close()
    if not os.path.exists(gate):
        threading.Event().wait(0.02)
    return [open(path).read() for path in mini_batch]
)";

// The first mini-batch fails at once, the last waits for the gate.
constexpr char kFailsThenWaits[] = R"(
import os, threading
def run(mini_batch):
    gate = os.path.join(os.environ["AZUREML_BI_OUTPUT_PATH"], "gate")
    if mini_batch[0].endswith("/000.txt"):
        raise ValueError("bad row")
    if mini_batch[0].endswith("/001.txt"):
        open(gate + ".reached", "w").close()
        while not os.path.exists(gate):
            threading.Event().wait(0.005)
    return [open(path).read() for path in mini_batch]
)";

std::string RowsOf(int files) {
  std::string rows;
  for (int i = 0; i < files; ++i) rows += fmt::format("{}\n", i);
  return rows;
}

// Two agents, each until it has read the result.
void RunBoth(PodWorld* world) {
  world->StartAgent(0);
  world->StartAgent(1);
  EXPECT_EQ(world->Join(0), 0);
  EXPECT_EQ(world->Join(1), 0);
}

void OpenGate(const PodWorld& world) {
  ASSERT_TRUE(WriteFileAtomic(world.dir() + "/outputs/rows/gate", ""));
}

bool GateReached(const PodWorld& world) {
  return ReadFile(world.dir() + "/outputs/rows/gate.reached").has_value();
}

// Of kGated: the agent's pod is stopped while the first mini-batch runs, and the gate opened.
void StopHalfWay(PodWorld* world) {
  world->StartOperator();
  world->StartAgent(0);
  world->WaitUntil("a running call", [&] { return GateReached(*world); });
  world->StopAgent(0);
  OpenGate(*world);
  EXPECT_EQ(world->Join(0), job::kExitGone);
}

TEST(PodAgent, TwoAgentsAndTheOperatorBringAJobToItsEnd) {
  PodWorld world(40, kEcho);
  world.StartOperator();
  RunBoth(&world);
  world.WaitUntil("Complete", [&] { return world.State() == "Complete"; });
  EXPECT_EQ(world.Rows(), RowsOf(40));
  EXPECT_EQ(world.Holder(0), "");
  EXPECT_EQ(world.Holder(1), "");
}

// Only what the agents ask meets faults: the operator is away, the test asks when they are done.
TEST(PodAgent, LostRequestsAndAnswersChangeNothing) {
  PodWorld world(40, kEcho);
  world.StartOperator();
  world.StopOperator();
  world.StartAgent(0);
  world.StartAgent(1);
  std::atomic<uint32_t> count{0};
  world.api().SetFaultHook([&count](const kube::Request& request) {
    if (request.type.plural == "pods") return kube::Fault::kNone;
    switch (count.fetch_add(1) % 11) {
      case 3:
        return kube::Fault::kLoseRequest;
      case 6:
        return kube::Fault::kLoseResponse;
      case 9:
        return kube::Fault::kServerError;
      default:
        return kube::Fault::kNone;
    }
  });
  EXPECT_EQ(world.Join(0), 0);
  EXPECT_EQ(world.Join(1), 0);
  world.api().SetFaultHook({});
  EXPECT_EQ(world.Rows(), RowsOf(40));
}

// A Lease that is not renewed while a shard is sign enough still tells what its worker does.
TEST(PodAgent, ABusyWorkersLeaseTellsThatItWorks) {
  PodWorld world(600, kSlow, {{"instanceCount", 1}, {"maxConcurrencyPerInstance", 2}});
  world.StartOperator();
  world.StopOperator();
  ASSERT_TRUE(world.store().WriteControl({.tick = Millis(100)}));
  world.StartAgent(0);
  world.WaitUntil("a Lease that tells of work", [&world] {
    const std::optional<job::WorkerState> state = world.WorkerState(0);
    return state && state->environment_ready && !state->initialising && state->started > 0 &&
           state->slots == 2;
  });
  OpenGate(world);
  EXPECT_EQ(world.Join(0), 0);
  EXPECT_EQ(world.Rows(), RowsOf(600));
}

// The same request again: nothing is planned anew, and nobody hears of trouble.
TEST(PodAgent, ABusyServerIsAskedAgainWhenItSays) {
  PodWorld world(3, kEcho, {{"instanceCount", 1}});
  world.StartOperator();
  world.StopOperator();
  // An agent waits for less than its Lease lasts, which is three ticks.
  ASSERT_TRUE(world.store().WriteControl({.tick = Seconds(5)}));
  const std::string plan = "\"" + world.objects().Name("plan") + "\"";
  std::vector<std::string> plans;  // of the agent's thread
  world.api().SetFaultHook([&](const kube::Request& request) {
    const bool creates =
        request.verb == kube::Verb::kCreate && request.body.find(plan) != std::string::npos;
    if (creates) plans.push_back(request.body);
    return creates && plans.size() == 1 ? kube::Fault::kTooMany : kube::Fault::kNone;
  });
  world.StartAgent(0);
  EXPECT_EQ(world.Join(0), 0);
  world.api().SetFaultHook({});
  ASSERT_EQ(plans.size(), 2U);
  EXPECT_EQ(plans[0], plans[1]);
  EXPECT_EQ(world.Rows(), RowsOf(3));
}

// Whoever ends the job asks again; it does not seal, read and publish all of it once more.
TEST(PodEnd, ALostRequestIsRepeatedAlone) {
  PodWorld world(3, kEcho, {{"instanceCount", 1}});
  world.StartOperator();
  world.StopOperator();
  const std::string schema = world.objects().Name("schema");
  const std::string result = "\"" + world.objects().Name("result") + "\"";
  std::atomic<int> reads{0};
  std::atomic<int> lost{0};
  world.api().SetFaultHook([&](const kube::Request& request) {
    if (request.verb == kube::Verb::kGet && request.name == schema) ++reads;
    const bool creates =
        request.verb == kube::Verb::kCreate && request.body.find(result) != std::string::npos;
    return creates && ++lost <= 3 ? kube::Fault::kLoseRequest : kube::Fault::kNone;
  });
  world.StartAgent(0);
  EXPECT_EQ(world.Join(0), 0);
  world.api().SetFaultHook({});
  EXPECT_EQ(lost, 4);
  EXPECT_EQ(reads, 1);
  EXPECT_EQ(world.Rows(), RowsOf(3));
}

TEST(PodAgent, AJobEndsWhileItsOperatorIsAway) {
  PodWorld world(10, kEcho);
  world.StartOperator();
  world.StopOperator();
  RunBoth(&world);
  EXPECT_EQ(world.Rows(), RowsOf(10));
  world.StartOperator();
  world.WaitUntil("Complete", [&] { return world.State() == "Complete"; });
}

TEST(PodAgent, EmptyInputReachesTheStatus) {
  PodWorld world(0, kEcho);
  world.StartOperator();
  RunBoth(&world);
  world.WaitUntil("Failed", [&] { return world.State() == "Failed"; });
  EXPECT_EQ(world.Condition("Failed"), "EmptyInput");
}

TEST(PodAgent, AnAbortBeforeThePlanIsEndedByAnAgent) {
  PodWorld world(3, kEcho);
  world.StartOperator();
  world.StopOperator();
  ASSERT_TRUE(world.store().WriteControl(
      {.mode = ledger::Control::Mode::kAbort, .reason = "DeadlineExceeded: too long"}));
  world.StartAgent(1);
  EXPECT_EQ(world.Join(1), 0);
  world.StartOperator();
  world.WaitUntil("Failed", [&] { return world.State() == "Failed"; });
  EXPECT_EQ(world.Condition("Failed"), "DeadlineExceeded");
}

TEST(PodAgent, ThresholdsEndTheJobWithWhatWasCommitted) {
  PodWorld world(6, R"(
def run(mini_batch):
    if mini_batch[0].endswith(("/001.txt", "/002.txt")):
        raise ValueError("bad row")
    return [open(path).read() for path in mini_batch]
)",
                 {{"miniBatchErrorThreshold", 1}, {"retrySettings", {{"maxRetries", 0}}}});
  world.StartOperator();
  RunBoth(&world);
  world.WaitUntil("Failed", [&] { return world.State() == "Failed"; });
  EXPECT_EQ(world.Condition("Failed"), "MiniBatchErrorThresholdExceeded");
  EXPECT_EQ(world.Rows(), "");
  EXPECT_THAT(ReadFile(world.dir() + "/work/logs/user/error.txt").value_or(""),
              HasSubstr("bad row"));
}

TEST(PodAgent, SlotsThatNeverComeUpEndTheJob) {
  PodWorld world(6, "def init():\n    raise RuntimeError('no model')\ndef run(m):\n    return m\n");
  world.StartOperator();
  RunBoth(&world);
  world.WaitUntil("Failed", [&] { return world.State() == "Failed"; });
  EXPECT_EQ(world.Condition("Failed"), "InitFailed");
}

TEST(PodAgent, OneThatWasStoppedCommitsAndAnotherGoesOn) {
  PodWorld world(6, kGated, {{"instanceCount", 1}});
  StopHalfWay(&world);
  EXPECT_EQ(world.Holder(0), "");
  EXPECT_FALSE(world.Outcome());
  world.StartAgent(0);
  EXPECT_EQ(world.Join(0), 0);
  EXPECT_EQ(world.Rows(), RowsOf(6));
}

TEST(PodAgent, ACallThatOutlastsTheGraceIsKilledAndDoneAgain) {
  PodWorld world(6, kGated, {{"instanceCount", 1}});
  world.SetGrace(Millis(300));
  world.StartOperator();
  world.StartAgent(0);
  world.WaitUntil("a running call", [&] { return GateReached(world); });
  world.StopAgent(0);
  EXPECT_EQ(world.Join(0), job::kExitGone);
  OpenGate(world);
  world.StartAgent(0);
  EXPECT_EQ(world.Join(0), 0);
  EXPECT_EQ(world.Rows(), RowsOf(6));
}

// Others may be at work, and rows are committed: such a pod only waits.
TEST(PodAgent, AnInputThatIsAwayForOneThatComesLaterEndsNoJob) {
  PodWorld world(6, kGated, {{"instanceCount", 1}});
  StopHalfWay(&world);
  const std::string input = world.FoldersOf(0).inputs + "/data";
  std::filesystem::rename(input, input + ".away");
  world.StartAgent(0);
  world.WaitUntil("the cause", [&] { return world.Condition("Reconciling") == "InputNotFound"; });
  EXPECT_FALSE(world.Outcome());
  std::filesystem::rename(input + ".away", input);
  EXPECT_EQ(world.Join(0), 0);
  EXPECT_EQ(world.Rows(), RowsOf(6));
}

TEST(PodAgent, NobodyWaitsForCallsOfADeletedJob) {
  for (const bool told_first : {true, false}) {
    PodWorld world(6, kGated, {{"instanceCount", 1}});
    world.SetGrace(Seconds(3600));
    world.StartOperator();
    world.StartAgent(0);
    world.WaitUntil("a running call", [&] { return GateReached(world); });
    if (told_first) world.StopAgent(0);
    world.StopOperator();
    world.DeleteJob();
    if (!told_first) world.StopAgent(0);
    EXPECT_EQ(world.Join(0), job::kExitGone);
  }
}

TEST(PodAgent, SuspendReleasesAndResumeGoesOnInTheSamePod) {
  PodWorld world(100, kSlow, {{"instanceCount", 1}});
  world.StartOperator();
  world.StartAgent(0);
  world.WaitUntil("a running call", [&] { return GateReached(world); });
  world.PatchSpec({{"suspend", true}});
  world.WaitUntil("Suspended", [&] { return world.State() == "Suspended"; });
  world.WaitUntil("a released Lease", [&] { return world.Holder(0).empty(); });
  EXPECT_FALSE(world.Outcome());
  OpenGate(world);
  world.PatchSpec({{"suspend", false}});
  EXPECT_EQ(world.Join(0), 0);
  EXPECT_EQ(world.Rows(), RowsOf(100));
}

// Whoever looks at the job sees why it does not begin, and it begins once that is mended.
TEST(PodAgent, AVolumeThatCannotBeUsedStandsInTheStatus) {
  PodWorld world(3, kEcho, {{"instanceCount", 1}});
  const std::string in_the_way = world.FoldersOf(0).segments;
  ASSERT_TRUE(WriteFileAtomic(in_the_way, "no folder"));
  world.StartOperator();
  world.StartAgent(0);
  world.WaitUntil("the condition",
                  [&] { return world.Condition("Reconciling") == "VolumeUnusable"; });
  EXPECT_THAT(world.Condition("Reconciling", "message"), HasSubstr(in_the_way));
  EXPECT_THAT(world.Condition("Reconciling", "message"), HasSubstr("fsGroup"));
  EXPECT_THAT(world.Condition("Reconciling", "message"), testing::StartsWith("user "))
      << "the reason stands before it";
  std::filesystem::remove(in_the_way);
  EXPECT_EQ(world.Join(0), 0);
  EXPECT_EQ(world.Rows(), RowsOf(3));
}

// Not when all its work is done and only publishing is left.
TEST(PodAgent, APlaceOfTheRowsThatCannotBeUsedIsToldBeforeThePlan) {
  PodWorld world(3, kEcho, {{"instanceCount", 1}});
  const std::string in_the_way = world.FoldersOf(0).outputs + "/rows";
  std::filesystem::remove(in_the_way);
  std::filesystem::create_directory_symlink("/proc/self", in_the_way);  // takes no file
  world.StartOperator();
  world.StartAgent(0);
  world.WaitUntil("the condition",
                  [&] { return world.Condition("Reconciling") == "VolumeUnusable"; });
  EXPECT_THAT(world.Condition("Reconciling", "message"), HasSubstr(in_the_way));
  EXPECT_FALSE(world.store().LoadPlan().value());
  std::filesystem::remove(in_the_way);
  EXPECT_EQ(world.Join(0), 0);
  EXPECT_EQ(world.Rows(), RowsOf(3));
}

// All error files of a node, and how often a line stands in them.
size_t TracebacksOf(const PodWorld& world, const std::string& line) {
  size_t count = 0;
  std::error_code none_yet;
  const std::string dir = world.dir() + "/work/logs/user/error/instance-0";
  for (std::filesystem::directory_iterator at(dir, none_yet), end; at != end; ++at) {
    const std::string text = ReadFile(at->path().string()).value_or("");
    for (size_t i = 0; (i = text.find(line, i)) != std::string::npos; ++i) ++count;
  }
  return count;
}

constexpr char kRaised[] = "raise ValueError(\"bad row\")\nValueError: bad row\n";
const Json kNoRetry = {{"instanceCount", 1}, {"retrySettings", {{"maxRetries", 0}}}};

TEST(PodAgent, ATracebackIsThereWhileAnotherMiniBatchRuns) {
  PodWorld world(2, kFailsThenWaits, kNoRetry);
  world.StartOperator();
  world.StartAgent(0);
  world.WaitUntil("the traceback", [&] { return TracebacksOf(world, kRaised) == 1; });
  world.WaitUntil("a running call", [&] { return GateReached(world); });
  EXPECT_FALSE(world.Outcome());
  OpenGate(world);
  EXPECT_EQ(world.Join(0), 0);
  EXPECT_EQ(TracebacksOf(world, kRaised), 1U);
}

// Lines of processed_mini-batches.csv below its header.
std::vector<std::string> ProcessedOf(const PodWorld& world) {
  const std::string text =
      ReadFile(world.dir() + "/work/logs/sys/job_report/processed_mini-batches.csv").value_or("");
  std::vector<std::string> lines;
  for (size_t at = 0, end; (end = text.find('\n', at)) != std::string::npos; at = end + 1) {
    if (at > 0) lines.push_back(text.substr(at, end - at));
  }
  return lines;
}

std::string OverviewOf(const PodWorld& world) {
  std::error_code none_yet;
  std::string newest;
  for (std::filesystem::directory_iterator at(world.dir() + "/work/logs", none_yet), end; at != end;
       ++at) {
    const std::string name = at->path().string();
    if (name.find("/job_progress_overview.") != std::string::npos && name.ends_with(".txt")) {
      newest = std::max(newest, name);
    }
  }
  return ReadFile(newest).value_or("");
}

// One pod tells of what all do: here the failure is the other's, or its own.
TEST(PodAgent, TheOverviewOfAllPodsGrowsWhileTheyWork) {
  PodWorld world(2, kFailsThenWaits, {{"retrySettings", {{"maxRetries", 0}}}});
  world.StartOperator();
  world.StartAgent(0);
  world.StartAgent(1);
  world.WaitUntil("one line", [&] { return ProcessedOf(world).size() == 1; });
  EXPECT_THAT(ProcessedOf(world)[0], HasSubstr(",RUN_EXCEPTION,ValueError,"));
  world.WaitUntil("the overview", [&] {
    const std::string text = OverviewOf(world);
    return text.find("Running: 1 of 2 mini-batches done") != std::string::npos &&
           text.find(": 1 mini-batch (1 failed)") != std::string::npos;
  });
  world.WaitUntil("the errors", [&] {
    const std::string text = ReadFile(world.dir() + "/work/logs/user/error.txt").value_or("");
    return text.find("bad row") != std::string::npos;
  });
  EXPECT_FALSE(world.Outcome());
  OpenGate(world);
  EXPECT_EQ(world.Join(0), 0);
  EXPECT_EQ(world.Join(1), 0);
  EXPECT_EQ(ProcessedOf(world).size(), 2U);
  EXPECT_THAT(OverviewOf(world), HasSubstr("2 of 2 mini-batches done"));
}

// What the first one committed, and may not have written any more, is there once.
TEST(PodAgent, AReturningIncarnationNeitherLosesNorDoublesTracebacks) {
  PodWorld world(2, kFailsThenWaits, kNoRetry);
  world.SetGrace(Millis(300));
  world.StartOperator();
  world.StartAgent(0);
  world.WaitUntil("the traceback", [&] { return TracebacksOf(world, kRaised) == 1; });
  world.WaitUntil("a running call", [&] { return GateReached(world); });
  world.StopAgent(0);
  EXPECT_EQ(world.Join(0), job::kExitGone);
  std::filesystem::remove_all(world.dir() + "/work/logs/user/error");
  std::filesystem::remove(world.dir() + "/outputs/rows/gate.reached");
  world.StartAgent(0);
  world.WaitUntil("the traceback again", [&] { return TracebacksOf(world, kRaised) == 1; });
  world.WaitUntil("a running call", [&] { return GateReached(world); });
  EXPECT_EQ(TracebacksOf(world, kRaised), 1U);
  OpenGate(world);
  EXPECT_EQ(world.Join(0), 0);
  EXPECT_EQ(TracebacksOf(world, kRaised), 1U);
}

// Whoever comes to the end at the same time writes the same file, and one result stands.
TEST(PodEnd, FourFinalisersAtATimeAgree) {
  PodWorld world(30, kGated, {{"instanceCount", 1}});
  world.StartOperator();
  world.StartAgent(0);
  world.WaitUntil("a running call", [&] { return GateReached(world); });
  world.StopOperator();
  const api::ParallelJob job = LoadPodManifest(world.FoldersOf(0).manifest).value();
  const PodFolders folders = world.FoldersOf(0);
  const job::RunStore store = world.store();
  const ledger::Control abort{.mode = ledger::Control::Mode::kAbort, .reason = "Cancelled: by us"};
  std::vector<Result<job::StoredResult>> results(4, Fail(Code::kInternal, "not run"));
  {
    std::vector<std::jthread> threads;
    for (size_t i = 0; i < results.size(); ++i) {
      threads.emplace_back([&, i] {
        results[i] = EndJob({.store = &store,
                             .job = &job,
                             .folders = &folders,
                             .incarnation = fmt::format("uid-9/{}", i)},
                            abort);
      });
    }
  }
  OpenGate(world);
  EXPECT_EQ(world.Join(0), 0);  // fenced by the seal, it reads the result
  const job::StoredResult stands = world.Outcome().value();
  EXPECT_EQ(stands.exit_code, 1);
  EXPECT_THAT(stands.summary_json, HasSubstr("Cancelled"));
  for (const Result<job::StoredResult>& result : results) {
    // Two that publish at a time may get into each other's way; then the next try finds the result.
    if (result) {
      EXPECT_EQ(result->summary_json, stands.summary_json);
      EXPECT_EQ(result->published_crc, stands.published_crc);
    } else {
      EXPECT_TRUE(result.error().Retryable()) << result.error().ToString();
    }
  }
}

}  // namespace
}  // namespace pj::worker

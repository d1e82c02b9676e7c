#include "report/live_reports.h"

#include <gmock/gmock.h>

#include "report/report_folder.h"
#include "report_fixture.h"

namespace pj::report {
namespace {

using ::testing::HasSubstr;

LiveState State(uint64_t done) {
  LiveState state;
  state.summary.job = "iris";
  state.summary.state = "Running";
  state.summary.mini_batches_total = 10;
  state.summary.mini_batches_succeeded = done;
  state.nodes["instance-0"].succeeded = done;
  return state;
}

TEST(LiveReportsTest, RewritesTheOverviewOnceAnInterval) {
  TempDir dir;
  LiveReports live(dir.str(), Seconds(5));
  int asked = 0;
  const auto refresh = [&](Nanos now, uint64_t done) {
    live.Refresh(now, [&]() -> Result<LiveState> {
      ++asked;
      return State(done);
    });
  };
  const std::string path = dir / ProgressOverviewName(SystemClock().Wall());
  refresh(Seconds(100), 1);
  EXPECT_THAT(*ReadFile(path), HasSubstr("Running: 1 of 10 mini-batches done"));
  refresh(Seconds(104), 2);
  EXPECT_EQ(asked, 1);
  refresh(Seconds(105), 3);
  EXPECT_EQ(asked, 2);
  EXPECT_THAT(*ReadFile(path), HasSubstr("instance-0: 3 mini-batches"));
}

TEST(LiveReportsTest, FailuresAreThereBeforeTheEnd) {
  TempDir dir;
  LiveReports live(dir.str(), Seconds(5));
  live.Add(Good(0));
  live.Add(Bad(1, 1, "first"));
  LiveState state = State(1);
  state.summary.errors = {{1, 7, {1}, "ValueError: first", ""}};
  live.Write(state);
  live.Add(Bad(2, 1, "second"));
  live.Write(state);
  EXPECT_THAT(*ReadFile(dir / "user/error.txt"), HasSubstr("7 × ValueError: first"));
  const std::string errors = *ReadFile(dir / "user/error/instance-0/process002.txt");
  EXPECT_THAT(errors, HasSubstr("ValueError: first"));
  EXPECT_THAT(errors, HasSubstr("ValueError: second"));
}

TEST(LiveReportsTest, AFolderThatCannotBeWrittenStopsNothing) {
  LiveReports live("/proc/self/nothing", Seconds(5));
  live.Add(Bad(1, 1, "x"));
  live.Write(State(1));
  bool asked = false;
  live.Refresh(Seconds(1), [&]() -> Result<LiveState> {
    asked = true;
    return State(1);
  });
  EXPECT_TRUE(asked);
}

}  // namespace
}  // namespace pj::report

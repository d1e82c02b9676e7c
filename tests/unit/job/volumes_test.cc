#include "job/volumes.h"

#include <gtest/gtest.h>

namespace pj::job {
namespace {

TEST(Volumes, SaysWhatOfAPathIsMounted) {
  EXPECT_EQ(BelowVolume("./a//b/"), "a/b");
  EXPECT_EQ(BelowVolume("/a"), "a");
  EXPECT_EQ(BelowVolume("."), "");
  EXPECT_EQ(MountedFolder("out/rows.csv", api::DataType::kUriFile), "out");
  EXPECT_EQ(MountedFolder("rows.csv", api::DataType::kUriFile), "");
  EXPECT_EQ(MountedFolder("out/models", api::DataType::kUriFolder), "out/models");
}

TEST(Volumes, PutsWorkWhereTheSpecSays) {
  api::ParallelJobSpec spec;
  EXPECT_EQ(WorkVolume(spec), "");
  spec.outputs = {{.name = "a", .volume = "first"}, {.name = "b", .volume = "second"}};
  EXPECT_EQ(WorkVolume(spec), "first");
  spec.task.append_row_to = "b";
  EXPECT_EQ(WorkVolume(spec), "second");
  spec.work_volume = "own";
  EXPECT_EQ(WorkVolume(spec), "own");
  const ledger::JobIdentity identity{.uid = "u", .run = 1};
  EXPECT_EQ(WorkFolder("score", identity), "paralleljob/score-" + identity.ShortHash());
}

}  // namespace
}  // namespace pj::job

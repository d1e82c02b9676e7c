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
  EXPECT_EQ(MountedFolder("out/", api::DataType::kUriFile), "out");
  EXPECT_EQ(MountedFolder("", api::DataType::kUriFile), "");
  EXPECT_EQ(FileNameOf("out/rows.csv", "rows"), "rows.csv");
  for (const char* folder : {"", ".", "out/", "/", ".."}) {
    EXPECT_EQ(FileNameOf(folder, "rows"), "rows") << folder;
  }
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

TEST(Volumes, TellsPeopleWhereAPathOfAPodLies) {
  constexpr char kMine[] = R"({"persistentVolumeClaim": {"claimName": "mine"}})";
  api::ParallelJobSpec spec;
  spec.inputs = {{.name = "names", .path = "./in", .volume = kMine},
                 {.name = "other", .path = "x", .volume = R"({"emptyDir": {}})"}};
  spec.outputs = {{.name = "rows", .type = api::DataType::kUriFile, .path = "out/rows.csv"}};
  spec.outputs[0].volume = kMine;
  const JobObjects objects{"team", "score", {.uid = "u", .run = 1}};
  const auto place = [&](const std::string& path) {
    const auto found = PlaceOf(spec, objects, path);
    return found ? found->Text() : "";
  };
  EXPECT_EQ(place("/paralleljob/outputs/rows/rows.csv.partial"),
            "claim mine: out/rows.csv.partial");
  EXPECT_EQ(place("/paralleljob/inputs/names"), "claim mine: in");
  EXPECT_EQ(place("/paralleljob/inputs/names/a/b"), "claim mine: in/a/b");
  EXPECT_EQ(place("/paralleljob/work/segments"),
            "claim mine: " + WorkFolder("score", objects.identity) + "/segments");
  for (const char* none : {"/paralleljob/inputs/other", "/paralleljob/inputs", "/etc/passwd",
                           "/paralleljob/workers", "/paralleljob/outputs/none/x", ""}) {
    EXPECT_EQ(place(none), "") << none;
  }
  EXPECT_EQ(WithPlace(spec, objects, "no files in /paralleljob/run, /paralleljob/inputs/names: x"),
            "no files in /paralleljob/run, /paralleljob/inputs/names (claim mine: in): x");
  EXPECT_EQ(WithPlace(spec, objects, "nothing"), "nothing");
}

}  // namespace
}  // namespace pj::job

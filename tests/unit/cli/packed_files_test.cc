#include "cli/packed_files.h"

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <utime.h>

#include <filesystem>

#include "base/fs.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/yaml_doc.h"
#include "cli/gitops_folder.h"
#include "unit/temp_dir.h"

namespace pj::cli {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

const PackOptions kOptions{
    .job = "score", .what = "code", .where = "src", .way_out = "use a volume"};

class PackedFiles : public testing::Test {
 protected:
  void Write(const std::string& path, const std::string& text) {
    const fs::path file = root() + "/" + path;
    fs::create_directories(file.parent_path());
    ASSERT_TRUE(WriteFileAtomic(file.string(), text));
  }
  std::string root() const { return dir_.str() + "/src"; }
  std::vector<LocalFile> Read() {
    auto files = ReadTree(root(), {}, kOptions);
    EXPECT_TRUE(files) << files.error().ToString();
    return files ? std::move(*files) : std::vector<LocalFile>();
  }
  Packed Packed_() {
    auto packed = Pack(Read(), kOptions);
    EXPECT_TRUE(packed) << packed.error().ToString();
    return packed ? std::move(*packed) : Packed();
  }
  // path → content, as a kubelet would lay the volume out.
  static std::map<std::string, std::string> Unpacked(const Packed& packed) {
    std::map<std::string, std::string> out;
    const Json volume = ParseJson(packed.volume).value();
    for (const Json& source : volume["projected"]["sources"]) {
      for (const kube::ConfigMap& map : packed.maps) {
        if (map.meta.name != source["configMap"]["name"]) continue;
        for (const Json& item : source["configMap"]["items"]) {
          const std::string key = item["key"];
          const bool text = map.data.contains(key);
          EXPECT_TRUE(text || map.binary_data.contains(key)) << key;
          out[item["path"]] = text ? map.data.at(key) : map.binary_data.at(key);
        }
      }
    }
    return out;
  }

  TempDir dir_;
};

TEST_F(PackedFiles, GivesBackEveryTreeByteForByte) {
  const std::map<std::string, std::string> tree = {
      {"score.py", "def run(batch):\n    return batch\n"},
      {"pkg/__init__.py", ""},
      {"pkg.__init__.py", "meets the key of the other\n"},
      {"pkg/a b/ü.py", "x = 'ü'\n\tindented by a tab\n"},
      {"pkg/crlf.txt", "a\r\nb\r\n"},
      {"..odd", "dots\n"},
      {"model.bin", std::string("\x00\xff\x80", 3)},
      {"separators.txt", "line\xe2\x80\xa8separator"},
      {"marked.txt", "\xef\xbb\xbfmarked"},
      {std::string(100, 'd') + "/" + std::string(150, 'f'), "a long name"}};
  for (const auto& [path, text] : tree) Write(path, text);
  const Packed packed = Packed_();
  std::map<std::string, std::string> expected;
  for (const auto& [path, text] : tree) expected["files/" + path] = text;
  EXPECT_EQ(Unpacked(packed), expected);
  ASSERT_EQ(packed.maps.size(), 1U);
  EXPECT_TRUE(packed.maps[0].immutable);
  EXPECT_TRUE(packed.maps[0].data.contains("score.py")) << "text stays readable";
  for (const auto& [key, bytes] : packed.maps[0].binary_data) {
    EXPECT_THAT(key, testing::MatchesRegex("[-._a-zA-Z0-9]+"));
  }
}

TEST_F(PackedFiles, DependsOnNothingButTheFiles) {
  Write("score.py", "a\n");
  Write("pkg/b.py", "b\n");
  const Packed first = Packed_();
  utimbuf old{1, 1};
  ASSERT_EQ(::utime((root() + "/score.py").c_str(), &old), 0);
  ASSERT_EQ(::chmod((root() + "/score.py").c_str(), 0600), 0);
  Write("__pycache__/score.pyc", "c");
  Write(".git/HEAD", "d");
  const Packed second = Packed_();
  EXPECT_EQ(first.volume, second.volume);
  ASSERT_EQ(second.maps.size(), 1U);
  EXPECT_EQ(first.maps[0].meta.name, second.maps[0].meta.name);
  EXPECT_EQ(ToYaml(first.maps[0]), ToYaml(second.maps[0]));
  Write("score.py", "changed\n");
  EXPECT_NE(Packed_().maps[0].meta.name, first.maps[0].meta.name);
}

TEST_F(PackedFiles, LeavesOutFoldersOfRunsAndFetches) {
  Write("score.py", "x = 1\n");
  Write("my-job-output/.paralleljob/lock", "1");
  Write("my-job-output/outputs/rows/rows.txt", "a row\n");
  Write("fetched/.paralleljob/fetched.json", "{}");
  Write("fetched/logs/job_result.txt", "Complete\n");
  const std::vector<LocalFile> files = Read();
  ASSERT_EQ(files.size(), 1U);
  EXPECT_EQ(files[0].path, "score.py");
}

TEST_F(PackedFiles, KeepsExecutablesAndFollowsLinksToFiles) {
  Write("run.sh", "echo\n");
  ASSERT_EQ(::chmod((root() + "/run.sh").c_str(), 0755), 0);
  fs::create_symlink("run.sh", root() + "/link.sh");
  const Packed packed = Packed_();
  EXPECT_EQ(Unpacked(packed).at("files/link.sh"), "echo\n");
  EXPECT_THAT(packed.volume, HasSubstr(R"("path":"files/run.sh","mode":493)"));
  fs::create_directory_symlink("/", root() + "/all");
  const auto refused = ReadTree(root(), {}, kOptions);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().ToString(), HasSubstr("src/all"));
}

TEST_F(PackedFiles, SpreadsOverMapsThatKubectlCanApply) {
  for (int i = 0; i < 10; ++i) Write("part" + std::to_string(i), std::string(90'000, 'x'));
  Write("large.txt", std::string(700'000, 'y'));
  const Packed packed = Packed_();
  EXPECT_THAT(packed.oversized, ElementsAre("large.txt"));
  EXPECT_EQ(Unpacked(packed).size(), 11U);
  EXPECT_EQ(packed.maps.size(), 6U);
  for (const kube::ConfigMap& map : packed.maps) {
    if (map.data.contains("large.txt")) continue;
    EXPECT_LT(kube::Encode(map).size(), 256U << 10);
  }
}

TEST_F(PackedFiles, NamesTheWayOutOfWhatDoesNotFit) {
  Write("model.bin", std::string(limits::kConfigMapBytes, 'x'));
  const auto one = Pack(Read(), kOptions);
  ASSERT_FALSE(one);
  EXPECT_THAT(one.error().ToString(), HasSubstr("model.bin has 1.0 MB, a ConfigMap takes 1 MiB"));
  EXPECT_THAT(one.error().ToString(), HasSubstr("use a volume"));
  for (int i = 0; i < 5; ++i) Write("b" + std::to_string(i), std::string(1'000'000, 'x'));
  const auto all = ReadTree(root(), {}, kOptions);
  ASSERT_FALSE(all);
  EXPECT_EQ(all.error().code, Code::kTooLarge);
  EXPECT_THAT(all.error().ToString(), HasSubstr("more than the 4 MiB"));
}

TEST_F(PackedFiles, LargeFoldersBecomeAnArchiveInPieces) {
  Write("score.py", "a\n");
  EXPECT_TRUE(FitsVolume(Read()));
  std::string noise;  // does not get smaller
  for (int i = 0; noise.size() < 600'000; ++i) noise += Sha256Hex(std::to_string(i));
  Write("model.bin", noise);
  const std::vector<LocalFile> files = Read();
  EXPECT_FALSE(FitsVolume(files));
  const auto packed = PackArchive(files, kOptions);
  ASSERT_TRUE(packed) << packed.error().ToString();
  EXPECT_EQ(PackArchive(files, kOptions)->archive, packed->archive);
  EXPECT_GE(packed->maps.size(), 2U);
  std::string archive;
  Json names = Json::array();
  for (const kube::ConfigMap& map : packed->maps) {
    EXPECT_LT(kube::Encode(map).size(), 256U << 10);
    names.push_back(map.meta.name);
    archive += map.binary_data.at("part");
  }
  EXPECT_EQ(ParseJson(packed->archive)->at("configMaps"), names);
  ASSERT_TRUE(worker::UnpackArchive(archive, dir_ / "there"));
  EXPECT_EQ(ReadFile(dir_ / "there/model.bin"), noise);
}

TEST_F(PackedFiles, WhatIsTooLargeCompressedIsRefused) {
  std::string noise;
  for (int i = 0; noise.size() < 9'000'000; ++i) noise += Sha256Hex(std::to_string(i));
  const auto packed = PackArchive({{"model.bin", noise, false}}, kOptions);
  ASSERT_FALSE(packed);
  EXPECT_THAT(packed.error().ToString(), HasSubstr("MB when compressed, 4 MiB fit"));
  EXPECT_THAT(packed.error().ToString(), HasSubstr("use a volume"));
}

TEST_F(PackedFiles, AnEmptyFolderIsAnError) {
  fs::create_directories(root());
  EXPECT_FALSE(ReadTree(root(), {}, kOptions));
  EXPECT_FALSE(ReadTree(root() + "/none", {}, kOptions));
}

// What our reader of manifests gives back, kubectl's gives back too (tests/cluster).
TEST_F(PackedFiles, WritesYamlThatIsReadBack) {
  const std::map<std::string, std::string> texts = {{"a.py", "if x:\n\ty()\n"},
                                                    {"b.txt", "  indented\n"},
                                                    {"c", "no end"},
                                                    {"d", "two ends\n\n"},
                                                    {"e", "key: value # no comment\n- ü\n"},
                                                    {"f", "\n\nlate\n"},
                                                    {"g", "trailing  \nspaces \n"}};
  for (const auto& [path, text] : texts) Write(path, text);
  Write("bytes", std::string("\0\1", 2));
  const kube::ConfigMap map = Packed_().maps.at(0);
  Diagnostics found;
  const auto documents = ParseYaml(ToYaml(map), "", YamlDialect::kKubectl, &found);
  ASSERT_EQ(documents.size(), 1U) << found.all()[0].ToString();
  const YamlNode* data = documents[0].Find("data");
  ASSERT_NE(data, nullptr);
  for (const auto& [key, text] : texts) EXPECT_EQ(data->Find(key)->scalar, text) << key;
  EXPECT_EQ(documents[0].Find("binaryData")->Find("bytes")->scalar, "AAE=");
}

}  // namespace
}  // namespace pj::cli

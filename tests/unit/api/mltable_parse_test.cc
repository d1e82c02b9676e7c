#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/mltable.h"

namespace pj::api {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string ErrorsOf(std::string_view text) {
  Diagnostics out;
  EXPECT_FALSE(ParseMltable(text, "MLTable", &out).has_value());
  std::string all;
  for (const Diagnostic& d : out.all()) all += d.ToString() + "\n";
  return all;
}

Mltable Parsed(std::string_view text) {
  Diagnostics out;
  const std::optional<Mltable> table = ParseMltable(text, "MLTable", &out);
  EXPECT_TRUE(table) << (out.all().empty() ? "" : out.all()[0].ToString());
  return table.value_or(Mltable{});
}

TEST(Mltable, DefaultsOfReadDelimited) {
  const Mltable table = Parsed("paths:\n  - file: ./a.csv\ntransformations:\n  - read_delimited\n");
  ASSERT_TRUE(table.read_delimited);
  EXPECT_EQ(*table.read_delimited, ReadDelimited{});
  EXPECT_THAT(table.paths, ElementsAre(MltablePath{MltablePath::Kind::kFile, "./a.csv"}));
}

TEST(Mltable, WithoutAReadStepItIsAFileList) {
  const Mltable table = Parsed("type: mltable\npaths:\n  - pattern: ./*.png\n  - folder: ./more\n");
  EXPECT_FALSE(table.read_delimited);
  EXPECT_THAT(table.paths, ElementsAre(MltablePath{MltablePath::Kind::kPattern, "./*.png"},
                                       MltablePath{MltablePath::Kind::kFolder, "./more"}));
}

TEST(Mltable, EveryOptionIsRead) {
  const Mltable table = Parsed(
      "paths:\n  - folder: ./\ntransformations:\n  - read_delimited:\n      delimiter: '\\t'\n"
      "      header: from_first_file\n      encoding: ISO-8859-1\n      support_multi_line: yes\n"
      "      empty_as_string: true\n      include_path_column: True\n"
      "      infer_column_types: no\n"
      "  - extract_columns_from_partition_format: '{Store}/{Brand}.csv'\n");
  ReadDelimited expected;
  expected.delimiter = '\t';
  expected.header = ReadDelimited::Header::kFromFirstFile;
  expected.encoding = "iso88591";
  expected.support_multi_line = true;
  expected.empty_as_string = true;
  expected.include_path_column = true;
  expected.infer_column_types = false;
  ASSERT_TRUE(table.read_delimited);
  EXPECT_EQ(*table.read_delimited, expected);
  EXPECT_EQ(table.partition_format, "{Store}/{Brand}.csv");
}

TEST(Mltable, StepsOfALaterVersionAreNamed) {
  for (const char* step :
       {"read_parquet", "read_json_lines", "read_delta_lake", "take", "skip", "take_random_sample",
        "drop_columns", "keep_columns", "convert_column_types", "filter"}) {
    EXPECT_THAT(
        ErrorsOf(std::string("paths:\n  - file: a\ntransformations:\n  - ") + step + ": {}\n"),
        HasSubstr(std::string(step) + " is not supported yet"));
  }
}

TEST(Mltable, AllMistakesAreReportedWithTheirPlaces) {
  const std::string errors = ErrorsOf(
      "pathes: []\npaths:\n  - fil: a\n  - file: azureml://x/y\ntransformations:\n"
      "  - read_delimted: {}\n  - read_delimited:\n      header: same\n      delimiter: ';;'\n"
      "      encoding: utf7\n      infer_column_types: maybe\n      multi: 1\n");
  EXPECT_THAT(errors, HasSubstr("MLTable:1:1: error: pathes: unknown key"));
  EXPECT_THAT(errors, HasSubstr("did you mean file?"));
  EXPECT_THAT(errors, HasSubstr("MLTable:4:11: error: paths[1].file: remote data"));
  EXPECT_THAT(errors, HasSubstr("did you mean read_delimited?"));
  EXPECT_THAT(errors, HasSubstr("must be one of no_header"));
  EXPECT_THAT(errors, HasSubstr("one ASCII character"));
  EXPECT_THAT(errors, HasSubstr("utf8bom"));
  EXPECT_THAT(errors, HasSubstr("must be true or false"));
  EXPECT_THAT(errors, HasSubstr("read_delimited.multi: unknown key"));
}

TEST(Mltable, BrokenShapes) {
  EXPECT_THAT(ErrorsOf(""), HasSubstr("empty"));
  EXPECT_THAT(ErrorsOf("- a\n"), HasSubstr("mapping"));
  EXPECT_THAT(ErrorsOf("transformations: []\n"), HasSubstr("paths: is missing"));
  EXPECT_THAT(ErrorsOf("paths: []\n"), HasSubstr("at least one entry"));
  EXPECT_THAT(ErrorsOf("paths:\n  - file: a\ntransformations:\n"
                       "  - extract_columns_from_partition_format: {Store}\n"),
              HasSubstr("in quotes"));
  EXPECT_THAT(ErrorsOf("paths:\n  - file: a\ntransformations:\n"
                       "  - read_delimited: {}\n  - read_delimited: {}\n"),
              HasSubstr("stands twice"));
}

}  // namespace
}  // namespace pj::api

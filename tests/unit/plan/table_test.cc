#include <gmock/gmock.h>

#include "base/rng.h"
#include "plan/encoding.h"
#include "plan/fields.h"
#include "plan/infer.h"
#include "plan/table_file.h"
#include "plan_fixture.h"

namespace pj::plan {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Unit = PlanRequest::SizeUnit;

class TableTest : public PlanFixture {};

// "a,ü\n1,2\r\n3,\U0001F600\n" in units of `bytes`.
std::string Wide(const std::u32string& text, size_t bytes, bool big, bool mark) {
  std::string out;
  const auto put = [&](uint32_t unit) {
    for (size_t i = 0; i < bytes; ++i) {
      out.push_back(static_cast<char>(unit >> 8 * (big ? bytes - 1 - i : i)));
    }
  };
  if (mark) put(0xFEFF);
  for (const char32_t c : text) {
    if (bytes == 2 && c > 0xFFFF) {
      put(0xD800 + ((c - 0x10000) >> 10));
      put(0xDC00 + ((c - 0x10000) & 0x3FF));
    } else {
      put(c);
    }
  }
  return out;
}

TEST_F(TableTest, EveryEncodingCutsWholeRecords) {
  const std::u32string text = U"a,ü\n1,\u0A0A\r\n3,\U0001F600\n4,5";
  for (const size_t bytes : {2, 4}) {
    for (const bool big : {false, true}) {
      Put("a.csv", Wide(text, bytes, big, true));
      auto plan = Build(Table(Unit::kRows, 1, {.encoding = bytes == 2 ? "utf16" : "utf32"}));
      ASSERT_TRUE(plan) << plan.error().ToString();
      EXPECT_THAT(Texts(**plan), ElementsAre(Wide(U"1,\u0A0A\r\n", bytes, big, false),
                                             Wide(U"3,\U0001F600\n", bytes, big, false),
                                             Wide(U"4,5", bytes, big, false)));
      EXPECT_EQ((*plan)->schema()->columns[1].name, "ü");
    }
  }
}

TEST_F(TableTest, ByteOrderMarksAndEightBitEncodings) {
  Put("a.csv",
      "\xEF\xBB\xBF"
      "a,b\n1,2\n");
  auto utf8 = Build(Table(Unit::kRows, 1));
  ASSERT_TRUE(utf8);
  EXPECT_EQ((*utf8)->schema()->columns[0].name, "a");
  Put("a.csv",
      "\xEF\xBB\xBF"
      "1,2\n");
  auto headless = Build(Table(Unit::kRows, 1, {.header = HeaderMode::kNoHeader}));
  ASSERT_TRUE(headless);
  EXPECT_THAT(Texts(**headless), ElementsAre("1,2\n"));
  Put("a.csv", "\x80\xE4\n1\n");
  EXPECT_EQ((*Build(Table(Unit::kRows, 1, {.encoding = "windows1252"})))->schema()->columns[0].name,
            "€ä");
  EXPECT_EQ((*Build(Table(Unit::kRows, 1, {.encoding = "latin1"})))->schema()->columns[0].name,
            "\xC2\x80ä");
}

TEST_F(TableTest, TypesComeFromTheFirst200Rows) {
  std::string text = "i,f,b,d,s,gap,late,empty\n";
  for (int row = 0; row < 250; ++row) {
    text += "1,1.5,True,2026-01-31T10:00:00Z,x,";
    text += row % 2 == 0 ? "7" : "";
    text += row < 200 ? ",3," : ",text,";
    text += "\n";
  }
  Put("a.csv", text);
  auto plan = Build(Table(Unit::kRows, 10));
  ASSERT_TRUE(plan);
  std::vector<ColumnType> types;
  for (const Column& column : (*plan)->schema()->columns) types.push_back(column.type);
  EXPECT_THAT(types, ElementsAre(ColumnType::kInteger, ColumnType::kFloat, ColumnType::kBoolean,
                                 ColumnType::kDatetime, ColumnType::kString, ColumnType::kFloat,
                                 ColumnType::kInteger, ColumnType::kString));
  auto text_only = Build(Table(Unit::kRows, 10, {.infer_column_types = false}));
  ASSERT_TRUE(text_only);
  EXPECT_EQ((*text_only)->schema()->columns[0].type, ColumnType::kString);
  auto strings = Build(Table(Unit::kRows, 10, {.empty_as_string = true}));
  ASSERT_TRUE(strings);
  EXPECT_EQ((*strings)->schema()->columns[5].type, ColumnType::kString);
}

TEST(Infer, WhatLooksLikeWhat) {
  for (const char* text : {"0", "-1", "+7", "007", "9223372036854775807"}) {
    EXPECT_TRUE(LooksLikeInteger(text)) << text;
  }
  for (const char* text : {"", "-", "+", "+-1", "1.0", " 1", "0x10", "9223372036854775808"}) {
    EXPECT_FALSE(LooksLikeInteger(text)) << text;
  }
  for (const char* text : {"1", "1.", ".5", "-1e5", "1E-5", "inf", "NaN", "-Infinity"}) {
    EXPECT_TRUE(LooksLikeFloat(text)) << text;
  }
  for (const char* text : {"", ".", "e5", "1e", "1.5x", "12345678901234567890"}) {
    EXPECT_FALSE(LooksLikeFloat(text)) << text;
  }
  for (const char* text : {"2026-01-31", "2026/01/31", "2026-01-31 10:00", "2026-01-31T10:00:00.5Z",
                           "2026-01-31T10:00:00+01:00"}) {
    EXPECT_TRUE(LooksLikeDatetime(text)) << text;
  }
  for (const char* text :
       {"", "2026", "2026-13-01", "31.01.2026", "2026-01/31", "2026-01-31T", "2026-01-31T25:00"}) {
    EXPECT_FALSE(LooksLikeDatetime(text)) << text;
  }
}

TEST(Infer, NamesAreMadeUnique) {
  EXPECT_THAT(ColumnNames({"a", "", "a", "a.1", "a"}),
              ElementsAre("a", "Column2", "a.2", "a.1", "a.3"));
}

TEST(Fields, QuotesAndTheirEdges) {
  EXPECT_THAT(SplitRecord("a,\"b,\"\"c\",,\"d\"e,f\"g", ','),
              ElementsAre("a", "b,\"c", "", "de", "f\"g"));
  EXPECT_THAT(SplitRecord("", ','), ElementsAre(""));
  EXPECT_THAT(SplitRecord("\"open,x", ','), ElementsAre("open,x"));
  EXPECT_EQ(TrimRecord("\n \r\n  a b\r\n", ','), "  a b");
  EXPECT_EQ(TrimRecord("\n\t\n", '\t'), "\t");
}

// All records of a random table, by size, are exactly those that adding one by one gives.
TEST_F(TableTest, SizesAgreeWithAddingRecordsOneByOne) {
  Rng rng(21);
  for (int round = 0; round < 60; ++round) {
    std::vector<std::string> records;
    std::string text = "header\n";
    for (uint64_t i = 0, n = 1 + rng.Below(3'000); i < n; ++i) {
      std::string record = "r" + std::string(rng.Below(rng.Below(50) == 0 ? 3'000 : 40), 'x');
      if (rng.Below(4) == 0) record = "\"" + record + "\n,\"";
      records.push_back(record + (rng.Below(2) == 0 ? "\n" : "\r\n"));
      text += records.back();
    }
    const uint64_t size = 1 + rng.Below(round % 2 == 0 ? 20'000 : 200);
    std::vector<std::string> expected;
    for (const std::string& record : records) {
      const bool fits = !expected.empty() && expected.back().size() + record.size() <= size;
      if (fits) {
        expected.back() += record;
      } else {
        expected.push_back(record);
      }
    }
    Put("a.csv", text);
    auto plan = Build(Table(Unit::kBytes, size, {.support_multi_line = true}));
    ASSERT_TRUE(plan) << plan.error().ToString();
    ASSERT_EQ((*plan)->total_items(), records.size());
    ASSERT_EQ(Texts(**plan), expected) << "round " << round;
  }
}

TEST_F(TableTest, RecordsLongerThanAWindowStayWhole) {
  const std::string big = "\"" + std::string(3 * kChunkBytes, '\n') + "\",k\n";
  Put("a.csv", "h,k\n" + big + "1,2\n");
  auto plan = Build(Table(Unit::kRows, 1, {.support_multi_line = true}));
  ASSERT_TRUE(plan);
  EXPECT_THAT(Texts(**plan), ElementsAre(big, "1,2\n"));
  PlanRequest keys = Table(Unit::kRows, 1, {.support_multi_line = true});
  keys.partition_keys = {"k"};
  auto grouped = Build(keys);
  ASSERT_TRUE(grouped);
  EXPECT_EQ((*grouped)->Get(0)->keys[0].second, "k");
}

// Long enough for the second thread.
TEST_F(TableTest, LongFilesAreReadAheadWithoutLoss) {
  std::string text = "h,k\n";
  uint64_t rows = 0;
  for (; text.size() < 20 * kChunkBytes; ++rows) {
    text += "\"" + std::to_string(rows) + std::string(rows % 97, '\n') + "\",\n";
  }
  const std::string path = Put("a.csv", text);
  auto plan = Build(Table(Unit::kBytes, 100'000, {.support_multi_line = true}));
  ASSERT_TRUE(plan) << plan.error().ToString();
  EXPECT_EQ((*plan)->total_items(), rows);
  std::string joined = "h,k\n";
  for (const std::string& part : Texts(**plan)) joined += part;
  EXPECT_EQ(joined, text);
  ScanBuffers buffers;
  auto file = TableFile::Open(path, {}, &buffers);
  ASSERT_TRUE(file);
  int windows = 0;
  const auto stop_early = [&](const ScanWindow&) -> Result<bool> { return ++windows < 10; };
  EXPECT_TRUE(file->ForEachWindow(0, stop_early));
  EXPECT_EQ(windows, 10);
  std::filesystem::resize_file(path, 15 * kChunkBytes);
  const auto all = [](const ScanWindow&) -> Result<bool> { return true; };
  EXPECT_FALSE(file->ForEachWindow(0, all));
}

TEST_F(TableTest, AFileThatShrinksOrChangesIsAnError) {
  const std::string path = Put("a.csv", "h\n" + std::string(100, '1') + "\n");
  ScanBuffers buffers;
  auto file = TableFile::Open(path, {}, &buffers);
  ASSERT_TRUE(file);
  EXPECT_TRUE(file->CheckUnchanged());
  std::filesystem::resize_file(path, 10);
  EXPECT_FALSE(file->CheckUnchanged());
  const Status read = file->ForEachRecord(0, [](const RecordRef&) -> Result<bool> { return true; });
  ASSERT_FALSE(read);
  EXPECT_THAT(read.error().ToString(), HasSubstr("changed while it was planned"));
}

}  // namespace
}  // namespace pj::plan

#include "api/fields.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "api/mini_batch_size.h"

namespace pj::api {
namespace {

using ::testing::ElementsAre;

TEST(Fields, EachIsDescribedOnce) {
  std::set<std::string_view> paths;
  for (const Field& field : Fields()) {
    EXPECT_TRUE(paths.insert(field.path).second) << field.path;
    EXPECT_FALSE(field.description.empty()) << field.path;
    EXPECT_EQ(field.type == FieldType::kInteger, field.slot != nullptr) << field.path;
    EXPECT_LE(field.min, field.max) << field.path;
    EXPECT_EQ(field.type == FieldType::kChoice, !field.choices.empty()) << field.path;
  }
}

TEST(Fields, DefaultsOfTheTableAreThoseOfTheTypes) {
  for (const Field& field : Fields()) {
    if (field.slot == nullptr) continue;
    ParallelJobSpec spec;
    const IntSlot slot = field.slot(spec);
    const auto* const* setting = std::get_if<Setting<int64_t>*>(&slot);
    if (setting == nullptr) continue;
    EXPECT_EQ(std::to_string((*setting)->value), field.default_text) << field.path;
  }
}

TEST(Fields, KnowsChildren) {
  EXPECT_THAT(ChildKeys("spec.retrySettings"), ElementsAre("maxRetries", "timeoutSeconds"));
  EXPECT_THAT(ChildKeys(""), ElementsAre("apiVersion", "kind", "metadata", "spec"));
  EXPECT_EQ(TablePath("spec.inputs[data].path"), "spec.inputs[].path");
  EXPECT_EQ(Allowed(*FindField("spec.loggingLevel")), "one of DEBUG, INFO, WARNING");
}

TEST(MiniBatchSizeText, ParsesAndPrints) {
  const auto parse = [](const char* text) { return ParseMiniBatchSize(text).value(); };
  using Unit = MiniBatchSize::Unit;
  EXPECT_EQ(parse("5"), (MiniBatchSize{Unit::kFiles, 5}));
  EXPECT_EQ(parse("10kb"), (MiniBatchSize{Unit::kBytes, 10240}));
  EXPECT_EQ(parse("1MB"), (MiniBatchSize{Unit::kBytes, 1 << 20}));
  EXPECT_EQ(parse("2Gb"), (MiniBatchSize{Unit::kBytes, 2ULL << 30}));
  EXPECT_EQ(parse("100b"), (MiniBatchSize{Unit::kBytes, 100}));
  EXPECT_EQ(parse("500rows"), (MiniBatchSize{Unit::kRows, 500}));
  for (const char* bad : {"", "kb", "0", "0kb", "-1", "1.5kb", "5 kb", "10kib", "1kbkb", "x",
                          "99999999999999999999", "9999999999gb"}) {
    EXPECT_FALSE(ParseMiniBatchSize(bad)) << bad;
  }
  for (const char* text : {"5", "10kb", "1mb", "3gb", "100b", "7rows"}) {
    EXPECT_EQ(ToText(parse(text)), text);
  }
}

}  // namespace
}  // namespace pj::api

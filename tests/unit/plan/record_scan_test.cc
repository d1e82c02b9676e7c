#include "plan/record_scan.h"

#include <gtest/gtest.h>

#include <string>

#include "base/rng.h"

namespace pj::plan {
namespace {

// Ends of all records: positions behind their last bytes.
std::vector<size_t> Ends(std::string text, const ScanOptions& options,
                         SimdLevel level = SimdLevel::kScalar) {
  const size_t size = text.size();
  text.append(8, '\0');
  RecordScanner scanner(options, level);
  std::vector<uint64_t> masks(size / kScanBlock + 1);
  const size_t blocks = size / kScanBlock;
  scanner.Scan(text.data(), blocks, masks.data());
  masks[blocks] = scanner.ScanTail(
      std::string_view(text).substr(blocks * kScanBlock, size - blocks * kScanBlock));
  std::vector<size_t> out;
  for (size_t i = 0; i < size; ++i) {
    if (masks[i / kScanBlock] >> (i % kScanBlock) & 1) out.push_back(i + 1);
  }
  if (!scanner.state().line_blank) out.push_back(size);
  return out;
}

using Positions = std::vector<size_t>;

TEST(RecordScan, NewlinesOfAllKindsEndRecords) {
  EXPECT_EQ(Ends("a\nb\r\nc\rd", {}), (Positions{2, 5, 7, 8}));
}

TEST(RecordScan, BlankLinesAreNoRecords) {
  EXPECT_EQ(Ends("\n\r\n a\n  \t\n\nb\n   ", {}), (Positions{6, 13}));
  EXPECT_EQ(Ends("", {}), Positions{});
  EXPECT_EQ(Ends("\r", {}), Positions{});
}

TEST(RecordScan, ALineOfDelimitersIsARecord) {
  EXPECT_EQ(Ends("\t\n", {.delimiter = '\t'}), Positions{2});
  EXPECT_EQ(Ends("\t\n", {.delimiter = ','}), Positions{});
  EXPECT_EQ(Ends(" \n", {.delimiter = ' '}), Positions{2});
}

TEST(RecordScan, QuotesProtectNewlinesOnlyWhenAsked) {
  const std::string text = "\"a\nb\",1\n\"\"\"\n\",2\n";
  EXPECT_EQ(Ends(text, {.quotes = true}), (Positions{8, 16}));
  EXPECT_EQ(Ends(text, {.quotes = false}), (Positions{3, 8, 12, 16}));
}

TEST(RecordScan, QuotesInsideUnquotedFieldsMeanNothing) {
  EXPECT_EQ(Ends("5\" pipe\n6\" pipe\n", {.quotes = true}), (Positions{8, 16}));
  EXPECT_EQ(Ends("\"a\"b\"\nc\n", {.quotes = true}), (Positions{6, 8}));
  EXPECT_EQ(Ends(" \"a\nb\"\n", {.quotes = true}), (Positions{4, 7}));
}

TEST(RecordScan, WideUnitsNeedWholeNewlines) {
  // U+0A0A holds two 0x0A bytes and is no newline.
  const std::string le("a\0\x0A\x0A\n\0b\0", 8);
  EXPECT_EQ(Ends(le, {.unit = CodeUnit::kUtf16Le}), (Positions{6, 8}));
  const std::string be("\0a\x0A\x0A\0\n\0b", 8);
  EXPECT_EQ(Ends(be, {.unit = CodeUnit::kUtf16Be}), (Positions{6, 8}));
  const std::string wide("a\0\0\0\r\0\0\0\n\0\0\0b\0\0\0", 16);
  EXPECT_EQ(Ends(wide, {.unit = CodeUnit::kUtf32Le}), (Positions{12, 16}));
}

// Texts of few, critical characters; weights change so that long runs of each kind come up.
std::string RandomText(Rng* rng) {
  const std::string alphabets[] = {"ab\n",
                                   "a,\"\n",
                                   "\"\n\r a,",
                                   "\n\r \t\"",
                                   "aaaaaaaaaaaa\"\n,",
                                   "aaaaaaaaaaaaaaaaaaaaaaaaaa,\n"};
  const std::string& alphabet = alphabets[rng->Below(std::size(alphabets))];
  std::string out(rng->Below(700), ' ');
  for (char& c : out) c = alphabet[rng->Below(alphabet.size())];
  return out;
}

// Well-formed CSV with quoted fields, so that the fast path itself is taken.
std::string RandomCsv(Rng* rng) {
  std::string out;
  for (uint64_t row = 0, rows = rng->Below(40); row < rows; ++row) {
    for (int field = 0; field < 3; ++field) {
      if (field > 0) out += ',';
      const uint64_t kind = rng->Below(3);
      if (kind == 0) out += "\"x\n,\"\"" + std::string(rng->Below(30), 'q') + "\r\n\"";
      if (kind == 1) out += std::string(rng->Below(30), 'w');
    }
    out += rng->Below(2) == 0 ? "\n" : "\r\n";
  }
  return out;
}

TEST(RecordScan, FastAndScalarAgree) {
  if (BestSimd() == SimdLevel::kScalar) GTEST_SKIP() << "this processor has no AVX2";
  Rng rng(7);
  const char delimiters[] = {',', '\t', ' ', ';'};
  for (int round = 0; round < 20'000; ++round) {
    const std::string text = rng.Below(3) == 0 ? RandomCsv(&rng) : RandomText(&rng);
    const ScanOptions options{.delimiter = delimiters[rng.Below(4)], .quotes = rng.Below(3) > 0};
    ASSERT_EQ(Ends(text, options, SimdLevel::kAvx2), Ends(text, options))
        << "round " << round << " quotes " << options.quotes << "\n"
        << text;
  }
}

}  // namespace
}  // namespace pj::plan

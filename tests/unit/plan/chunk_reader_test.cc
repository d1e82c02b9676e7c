// Chunks scanned by several threads against one scan of the whole text, byte by byte.
#include "plan/chunk_reader.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <string>

#include "base/fs.h"
#include "base/rng.h"
#include "plan/table_file.h"
#include "plan_fixture.h"

namespace pj::plan {
namespace {

constexpr size_t kLong = 10 * kChunkBytes;  // enough for helpers

// Where records end, newline or not at the end of the text.
std::vector<uint64_t> ExpectedEnds(const std::string& text, const ScanOptions& options) {
  std::vector<uint64_t> masks(text.size() / kScanBlock + 1);
  const std::string padded = text + std::string(8, '\0');
  ScanState state;
  ScanScalar(options, padded.data(), text.size(), &state, masks.data());
  if (!state.line_blank) masks[(text.size() - 1) / kScanBlock] |= 1ULL << ((text.size() - 1) % 64);
  std::vector<uint64_t> ends;
  for (size_t i = 0; i < text.size(); ++i) {
    if ((masks[i / 64] >> (i % 64) & 1) != 0) ends.push_back(i);
  }
  return ends;
}

class ChunkReaderTest : public PlanFixture {
 protected:
  void Check(const std::string& text, bool quotes) {
    const std::string path = Put("a.csv", text);
    const ScanOptions options{',', quotes, CodeUnit::kSingle};
    ScanBuffers buffers;
    auto file = TableFile::Open(path, {.support_multi_line = quotes}, &buffers);
    ASSERT_TRUE(file) << file.error().ToString();
    std::string joined;
    std::vector<uint64_t> ends;
    const Status read = file->ForEachWindow(0, [&](const ScanWindow& window) -> Result<bool> {
      EXPECT_EQ(window.offset, joined.size());
      joined.append(window.data, window.size);
      for (size_t i = 0; i < window.size; ++i) {
        if ((window.masks[i / 64] >> (i % 64) & 1) != 0) ends.push_back(window.offset + i);
      }
      return true;
    });
    ASSERT_TRUE(read) << read.error().ToString();
    EXPECT_TRUE(joined == text);
    EXPECT_TRUE(ends == ExpectedEnds(text, options)) << ends.size() << " records";
  }
};

// `pieces` in random order, at least `size` bytes of them.
std::string Shuffled(const std::vector<std::string>& pieces, size_t size, uint64_t seed) {
  Rng rng(seed);
  std::string text;
  while (text.size() < size) text += pieces[rng.Below(pieces.size())];
  return text;
}

TEST_F(ChunkReaderTest, NewlinesWithinQuotes) {
  Check(Shuffled({"a,b\n", "\"x\n\n\ny\",1\r\n", "\"\"\"\n\",\n", "  \n", "a\"b,c\n"}, kLong, 1),
        true);
}

TEST_F(ChunkReaderTest, QuotedRecordsLongerThanChunks) {
  const std::string inner(3 * kChunkBytes, '\n');
  Check("a,b\n\"" + inner + "\",1\n" + std::string(kLong, 'x') + "\n\"" + inner + "\",", true);
}

TEST_F(ChunkReaderTest, EveryKindOfLineEnd) {
  Check(Shuffled({"ab\r\n", "c\r", "\r\n", "\n", " \t", "dddd"}, kLong, 2), false);
  Check(Shuffled({"ab\r\n", "\"c\r\n\"\r", "\r\n"}, kLong, 3), true);
}

TEST_F(ChunkReaderTest, NoNewlineAtAll) {
  Check(std::string(kLong + 17, 'x'), false);
  Check(Shuffled({"ab\r", "c,"}, kLong, 4), true);
}

TEST_F(ChunkReaderTest, ShortFilesAndEachSizeNearABoundary) {
  Check("a", true);
  for (const size_t size : {size_t{64} << 10, size_t{320} << 10}) {
    for (size_t extra = 0; extra < 3; ++extra) {
      std::string text = Shuffled({"a,b\n", "\"\n\",1\n"}, size, extra);
      text.resize(size - 1 + extra);
      Check(text, true);
    }
  }
}

}  // namespace
}  // namespace pj::plan

#include "worker/frame.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include "base/limits.h"
#include "plan/plan.h"
#include "worker/fd_passing.h"

namespace pj::worker {
namespace {

std::string OneResult() {
  ByteWriter out;
  out.U64(7);
  out.U32(2);
  out.U8(1);
  out.U8(wire::kHasColumns);
  out.U16(0);
  for (uint64_t n : {10, 20, 30, 40, 5, 4, 3}) out.U64(n);
  for (const std::string text : {"rows", "[\"a\"]", "ValueError", "bad", "Traceback"}) {
    out.U32(static_cast<uint32_t>(text.size()));
    out.Raw(text);
  }
  return out.str();
}

TEST(Frame, AResultIsReadInPlace) {
  const std::string bytes = OneResult();
  ByteReader in(bytes);
  ResultView view;
  ASSERT_TRUE(ReadResult(&in, &view));
  EXPECT_TRUE(in.AtEnd());
  EXPECT_EQ(view.mini_batch, 7u);
  EXPECT_EQ(view.attempt, 2u);
  EXPECT_EQ(view.status, 1);
  EXPECT_TRUE(view.has_columns);
  EXPECT_EQ(view.start_wall_ns, 10);
  EXPECT_EQ(view.load_ns, 20);
  EXPECT_EQ(view.run_ns, 30);
  EXPECT_EQ(view.cpu_ns, 40);
  EXPECT_EQ(view.items_total, 5u);
  EXPECT_EQ(view.items_returned, 4u);
  EXPECT_EQ(view.rows, 3u);
  EXPECT_EQ(view.row_bytes, "rows");
  EXPECT_EQ(view.columns, "[\"a\"]");
  EXPECT_EQ(view.category, "ValueError");
  EXPECT_EQ(view.message, "bad");
  EXPECT_EQ(view.traceback, "Traceback");
}

TEST(Frame, AResultCutAtAnyByteIsRefused) {
  const std::string bytes = OneResult();
  for (size_t size = 0; size < bytes.size(); ++size) {
    ByteReader in(std::string_view(bytes).substr(0, size));
    ResultView view;
    EXPECT_FALSE(ReadResult(&in, &view)) << size;
  }
}

TEST(Frame, HeadersOfOthersAreRefused) {
  const std::string good = EncodeHeader({.type = wire::Type::kResults, .count = 3, .frame = 9});
  FrameHeader header;
  ASSERT_TRUE(DecodeHeader(good, &header));
  EXPECT_EQ(header.type, wire::Type::kResults);
  EXPECT_EQ(header.count, 3);
  EXPECT_EQ(header.frame, 9u);
  EXPECT_FALSE(DecodeHeader(good.substr(0, 15), &header));
  EXPECT_FALSE(DecodeHeader("GET / HTTP/1.1\r\n", &header));
}

TEST(Frame, RunFramesCarryPagesAndPayloads) {
  RunFrame frame;
  frame.Begin(4);
  frame.BeginEntry(11, 1, 5)->append("abc");
  EXPECT_EQ(frame.EndEntry(), "abc");
  frame.BeginEntry(12, 2, 6)->append("d");
  frame.EndEntry();
  const std::string_view bytes = frame.Finish();
  FrameHeader header;
  ASSERT_TRUE(DecodeHeader(bytes, &header));
  EXPECT_EQ(header.count, 2);
  ByteReader in(bytes.substr(wire::kHeaderBytes));
  EXPECT_EQ(in.U64(), 11u);
  EXPECT_EQ(in.U32(), 1u);
  EXPECT_EQ(in.U32(), 5u);
  EXPECT_EQ(in.Raw(in.U32()), "abc");
  EXPECT_EQ(in.U64(), 12u);
  EXPECT_EQ(in.U32(), 2u);
  EXPECT_EQ(in.U32(), 6u);
  EXPECT_EQ(in.Raw(in.U32()), "d");
  EXPECT_TRUE(in.ok() && in.AtEnd());
}

TEST(Frame, LargeOnesGoByMemfd) {
  auto pair = SeqpacketPair();
  ASSERT_TRUE(pair);
  RunFrame frame;
  frame.Begin(1);
  const std::string payload(limits::kFrameBytes * 3, 'x');
  frame.BeginEntry(1, 1, 0)->append(payload);
  frame.EndEntry();
  const std::string whole(frame.Finish());
  ASSERT_TRUE(SendFrame(pair->first.get(), whole));
  char buffer[256];
  const Received got = ReceiveMessage(pair->second.get(), buffer, sizeof buffer, MSG_DONTWAIT);
  ASSERT_EQ(got.size, static_cast<ssize_t>(wire::kHeaderBytes + 8));
  FrameHeader header;
  ASSERT_TRUE(DecodeHeader({buffer, static_cast<size_t>(got.size)}, &header));
  EXPECT_EQ(header.flags, wire::kFlagMemfd);
  EXPECT_EQ(header.count, 1);
  ASSERT_EQ(got.fds.size(), 1u);
  const auto body = ReadAt(got.fds[0].get(), 0, whole.size() - wire::kHeaderBytes, "memfd");
  ASSERT_TRUE(body);
  EXPECT_EQ(*body, whole.substr(wire::kHeaderBytes));
}

plan::MiniBatch Files(int count) {
  plan::MiniBatch out;
  for (int i = 0; i < count; ++i) out.files.push_back({"/data/" + std::to_string(i), 10, 5});
  out.keys = {{"Store", "12"}, {"Brand", "b"}};
  return out;
}

TEST(Frame, PayloadsAreSummed) {
  std::string payload;
  plan::EncodePayload(Files(3), &payload);
  uint64_t items = 0;
  std::string detail = "left over";
  ASSERT_TRUE(SummarizePayload(payload, &items, &detail));
  EXPECT_EQ(items, 3u);
  EXPECT_EQ(detail, "Store=12; Brand=b; /data/0 (+2)");
}

TEST(Frame, TablePayloadsCountRecords) {
  plan::MiniBatch batch;
  batch.ranges = {{.file = {"/t.csv", 100, 1}, .offset = 10, .length = 40, .records = 4},
                  {.file = {"/u.csv", 100, 1}, .offset = 0, .length = 50, .records = 5}};
  std::string payload;
  plan::EncodePayload(batch, &payload);
  uint64_t items = 0;
  std::string detail;
  ASSERT_TRUE(SummarizePayload(payload, &items, &detail));
  EXPECT_EQ(items, 9u);
  EXPECT_EQ(detail, "/t.csv (+1)");
  for (size_t size = 0; size < payload.size(); ++size) {
    EXPECT_FALSE(SummarizePayload(payload.substr(0, size), &items, &detail)) << size;
  }
}

TEST(Frame, LongNamesAreClippedInTheDetail) {
  plan::MiniBatch batch;
  batch.files.push_back({"/" + std::string(3000, 'n'), 1, 1});
  std::string payload;
  plan::EncodePayload(batch, &payload);
  uint64_t items = 0;
  std::string detail;
  ASSERT_TRUE(SummarizePayload(payload, &items, &detail));
  EXPECT_LE(detail.size(), 200u);
}

}  // namespace
}  // namespace pj::worker

#include "base/byte_io.h"

#include <gtest/gtest.h>

namespace pj {
namespace {

std::string Sample() {
  ByteWriter w;
  w.U8(7);
  w.U16(0x1234);
  w.U32(0xdeadbeef);
  w.U64(0x0123456789abcdefULL);
  w.F64(-0.5);
  w.Varint(300);
  w.Bytes("text");
  return w.str();
}

bool ReadSample(std::string_view bytes) {
  ByteReader r(bytes);
  const bool same = r.U8() == 7 && r.U16() == 0x1234 && r.U32() == 0xdeadbeef &&
                    r.U64() == 0x0123456789abcdefULL && r.F64() == -0.5 && r.Varint() == 300 &&
                    r.Bytes() == "text";
  return same && r.ok() && r.AtEnd();
}

TEST(ByteIoTest, WhatWasWrittenIsRead) { EXPECT_TRUE(ReadSample(Sample())); }

TEST(ByteIoTest, IntegersAreLittleEndian) {
  ByteWriter w;
  w.U32(0x04030201);
  EXPECT_EQ(w.str(), "\x01\x02\x03\x04");
}

TEST(ByteIoTest, EveryTruncationIsNoticed) {
  const std::string bytes = Sample();
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(ReadSample(std::string_view(bytes).substr(0, size))) << size;
  }
}

TEST(ByteIoTest, AfterTheEndEverythingIsZeroForGood) {
  ByteReader r("\x01");
  EXPECT_EQ(r.U32(), 0u);
  EXPECT_FALSE(r.ok());
  EXPECT_EQ(r.U8(), 0u) << "the byte that is left is not handed out any more";
  EXPECT_EQ(r.Varint(), 0u);
  EXPECT_EQ(r.Bytes(), "");
  EXPECT_FALSE(r.ok());
}

TEST(ByteIoTest, VarintsOfAnyWidth) {
  for (int bits = 0; bits <= 64; ++bits) {
    for (const uint64_t value :
         {bits == 64 ? UINT64_MAX : (uint64_t{1} << bits) - 1, uint64_t{1} << (bits % 64)}) {
      ByteWriter w;
      w.Varint(value);
      EXPECT_LE(w.size(), 10u);
      ByteReader r(w.str());
      EXPECT_EQ(r.Varint(), value);
      EXPECT_TRUE(r.ok() && r.AtEnd());
    }
  }
}

TEST(ByteIoTest, AVarintBeyond64BitsIsRefused) {
  const std::string nine(9, '\xff');
  ByteReader largest(std::string_view("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10));
  EXPECT_EQ(largest.Varint(), UINT64_MAX);
  EXPECT_TRUE(largest.ok());
  for (const std::string& bytes : {nine + '\x02', nine + "\x81\x01", std::string(11, '\x80')}) {
    ByteReader r(bytes);
    EXPECT_EQ(r.Varint(), 0u);
    EXPECT_FALSE(r.ok());
  }
}

TEST(ByteIoTest, ALengthBeyondTheEndIsRefusedWithoutAllocating) {
  ByteWriter w;
  w.Varint(UINT64_MAX);
  w.Raw("abc");
  ByteReader r(w.str());
  EXPECT_EQ(r.Bytes(), "");
  EXPECT_FALSE(r.ok());
}

}  // namespace
}  // namespace pj

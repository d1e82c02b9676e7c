#include "kube/objects.h"

#include <gtest/gtest.h>

#include "base/json.h"

namespace pj::kube {
namespace {

Meta FullMeta() {
  return {
      .name = "job-1",
      .ns = "ns",
      .uid = "u-1",
      .resource_version = "7",
      .labels = {{"a", "b"}},
      .annotations = {{"note", "x\"y"}},
      .owner = OwnerReference{
          .api_version = "v1", .kind = "ConfigMap", .name = "o", .uid = "u-0", .controller = true}};
}

void ExpectSame(const Meta& a, const Meta& b) {
  EXPECT_EQ(a.name, b.name);
  EXPECT_EQ(a.ns, b.ns);
  EXPECT_EQ(a.uid, b.uid);
  EXPECT_EQ(a.resource_version, b.resource_version);
  EXPECT_EQ(a.labels, b.labels);
  EXPECT_EQ(a.annotations, b.annotations);
  EXPECT_EQ(a.owner, b.owner);
}

TEST(Objects, ConfigMapRoundTrip) {
  ConfigMap map{.meta = FullMeta(),
                .data = {{"k", "line\nü"}},
                .binary_data = {{"b", std::string("\0\xff\x80z", 4)}},
                .immutable = true};
  auto back = DecodeConfigMap(Encode(map));
  ASSERT_TRUE(back.has_value()) << back.error().ToString();
  ExpectSame(back->meta, map.meta);
  EXPECT_EQ(back->data, map.data);
  EXPECT_EQ(back->binary_data, map.binary_data);
  EXPECT_TRUE(back->immutable);
}

TEST(Objects, LeaseRoundTrip) {
  Lease lease{.meta = FullMeta(),
              .holder = "pod/2",
              .duration_seconds = 15,
              .transitions = 3,
              .renew_time = "2026-01-31T12:00:00.123456Z"};
  auto back = DecodeLease(Encode(lease));
  ASSERT_TRUE(back.has_value());
  ExpectSame(back->meta, lease.meta);
  EXPECT_EQ(back->holder, "pod/2");
  EXPECT_EQ(back->duration_seconds, 15);
  EXPECT_EQ(back->transitions, 3);
  EXPECT_EQ(back->renew_time, lease.renew_time);
}

TEST(Objects, EmptyFieldsStayOffTheWire) {
  ConfigMap map;
  map.meta.name = "x";
  const Json tree = Json::parse(Encode(map));
  EXPECT_EQ(tree, Json::parse(R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x"}})"));
}

TEST(Objects, ListItemsWithoutKindDecode) {
  EXPECT_TRUE(DecodeConfigMap(R"({"metadata":{"name":"x"}})").has_value());
  auto wrong = DecodeConfigMap(R"({"kind":"Lease","metadata":{"name":"x"}})");
  ASSERT_FALSE(wrong.has_value());
  EXPECT_EQ(wrong.error().message, "kind is Lease, not ConfigMap");
}

TEST(Objects, MalformedObjectsAreErrors) {
  for (const char* text :
       {"", "[]", "{}", "{\"metadata\":[]}", "{\"metadata\":{\"name\":\"x\"},\"data\":{\"k\":1}}",
        "{\"metadata\":{\"name\":\"x\"},\"binaryData\":{\"k\":\"!\"}}",
        "{\"metadata\":{\"name\":\"x\"},\"binaryData\":{\"k\":7}}"}) {
    EXPECT_FALSE(DecodeConfigMap(text).has_value()) << text;
  }
  EXPECT_FALSE(DecodeMeta(std::string(1000, '[')).has_value());
}

TEST(Objects, TheControllerIsTheOwner) {
  auto meta = DecodeMeta(R"({"kind":"Anything","metadata":{"name":"x","ownerReferences":[
      {"apiVersion":"v1","kind":"A","name":"a","uid":"1"},
      {"apiVersion":"v1","kind":"B","name":"b","uid":"2","controller":true}]}})");
  ASSERT_TRUE(meta.has_value());
  ASSERT_TRUE(meta->owner.has_value());
  EXPECT_EQ(meta->owner->uid, "2");
}

}  // namespace
}  // namespace pj::kube

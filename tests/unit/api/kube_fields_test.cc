#include "api/kube_fields.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace pj::api {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<std::string> Check(const char* field, const std::string& json) {
  std::vector<std::string> out;
  for (const Error& error : CheckFragment(*FindField(field), json)) {
    out.push_back(error.where + ": " + error.message);
  }
  return out;
}

TEST(KubeFields, AreDescribedOnce) {
  std::set<std::string> paths;
  for (const Field& field : Fields()) {
    for (const auto& [path, row] : NestedFields(field)) {
      EXPECT_TRUE(paths.insert(path).second) << path;
      EXPECT_FALSE(row->description.empty()) << path;
      EXPECT_EQ(row->type == FieldType::kChoice, !row->choices.empty()) << path;
    }
  }
  EXPECT_TRUE(paths.contains("spec.work.volume.persistentVolumeClaim.claimName"));
  EXPECT_TRUE(paths.contains("spec.podTemplate.volumes[].emptyDir.sizeLimit"));
  EXPECT_TRUE(paths.contains("spec.podTemplate.volumes[].name"));
}

TEST(KubeFields, TakeWhatAPodMayHave) {
  EXPECT_THAT(Check("spec.work.volume", R"({"persistentVolumeClaim":{"claimName":"a"}})"),
              IsEmpty());
  EXPECT_THAT(Check("spec.podTemplate",
                    R"({"resources":{"limits":{"cpu":2,"memory":"1Gi"}},"affinity":{"any":[1]},)"
                    R"("volumes":[{"name":"a","emptyDir":{}}]})"),
              IsEmpty());
}

TEST(KubeFields, NameThePlaceOfWhatDoesNotFit) {
  EXPECT_THAT(Check("spec.work.volume", R"({"persistentVolumeClaim":{}})"),
              ElementsAre("persistentVolumeClaim.claimName: is required"));
  EXPECT_THAT(Check("spec.work.volume", R"({"hostPath":{}})"),
              ElementsAre("hostPath: host paths are not allowed",
                          HasSubstr("names not exactly one volume source")));
  EXPECT_THAT(Check("spec.podTemplate", R"({"tolerations":[{},{"operator":"Like"}]})"),
              ElementsAre("tolerations[1].operator: takes one of Exists, Equal"));
  EXPECT_THAT(Check("spec.podTemplate", R"({"volumes":[{"name":"a"}]})"),
              ElementsAre(HasSubstr("volumes[0]: names not exactly one volume source")));
  EXPECT_THAT(Check("spec.podTemplate", R"({"env":[{"name":"","value":5}]})"),
              ElementsAre("env[0].name: is empty", "env[0].value: takes text"));
  EXPECT_THAT(Check("spec.podTemplate", R"({"labels":{"a":1}})"),
              ElementsAre("labels.a: takes text"));
  EXPECT_THAT(
      Check("spec.podTemplate", R"({"priorityClassName":")" + std::string(1025, 'a') + R"("})"),
      ElementsAre("priorityClassName: has 1025 characters, at most 1024"));
}

// The user container would have the rights of the worker's account with a token for the API server.
TEST(KubeFields, ATokenNamesItsAudience) {
  const auto with = [](const std::string& token) {
    return Check("spec.podTemplate",
                 R"({"volumes":[{"name":"t","projected":{"sources":[{"serviceAccountToken":)" +
                     token + "}]}}]}");
  };
  const std::string at = "volumes[0].projected.sources[0].serviceAccountToken.";
  EXPECT_THAT(with(R"({"audience":"vault","path":"token","expirationSeconds":600})"), IsEmpty());
  EXPECT_THAT(with(R"({"path":"token"})"), ElementsAre(at + "audience: is required"));
  EXPECT_THAT(with(R"({"path":"token","audience":""})"), ElementsAre(at + "audience: is empty"));
  EXPECT_THAT(with(R"({"path":"token","audience":null})"),
              ElementsAre(at + "audience: takes text"));
  EXPECT_THAT(with(R"({"path":"token","audience":"vault","expirationSeconds":599})"),
              ElementsAre(HasSubstr(at + "expirationSeconds: takes ")));
}

}  // namespace
}  // namespace pj::api

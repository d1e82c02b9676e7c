#include "operator/self_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "base/json.h"
#include "kube/memory_api.h"
#include "kube/objects.h"
#include "operator/manager.h"
#include "operator/permissions.h"

namespace pj::op {
namespace {

// An API server whose role lacks `denied` ("delete pods"), and that may know no ParallelJobs.
class RoleApi : public kube::Api {
 public:
  Result<kube::Response> Do(const kube::Request& request) override {
    if (request.type.plural == "selfsubjectaccessreviews") return Review(request);
    if (request.type == kube::ParallelJobs() && !installed) {
      return kube::Response{.code = 404, .message = "the server could not find it"};
    }
    return memory_->Do(request);
  }
  Result<std::unique_ptr<kube::Watch>> OpenWatch(const kube::WatchRequest& request) override {
    return memory_->OpenWatch(request);
  }

  void Lead(const std::string& holder, const std::string& renew_time = {}) {
    kube::Lease lease;
    lease.renew_time = renew_time;
    lease.meta.ns = "team";
    lease.meta.name = kLeaderLease;
    lease.holder = holder;
    const kube::Request create{.verb = kube::Verb::kCreate,
                               .type = kube::Leases(),
                               .ns = "team",
                               .body = kube::Encode(lease)};
    ASSERT_EQ(memory_->Do(create).value().code, 201);
  }

  std::string denied;
  bool installed = true;
  std::map<std::string, int> asked;  // "verb group/resource/subresource" → times

 private:
  Result<kube::Response> Review(const kube::Request& request) {
    Json review = Json::parse(request.body);
    const Json& asks = review["spec"]["resourceAttributes"];
    EXPECT_EQ(asks["namespace"], "team");
    const std::string verb = asks["verb"];
    const std::string resource = asks["resource"];
    ++asked[verb + " " + resource + "/" + asks["subresource"].get<std::string>()];
    review["status"]["allowed"] = verb + " " + resource != denied;
    return kube::Response{.code = 201, .body = DumpJson(review)};
  }

  std::unique_ptr<kube::MemoryApi> memory_ = kube::MemoryApi::Open({}).value();
};

std::vector<std::string> Bad(RoleApi* api) {
  const auto found =
      SelfCheck(api, {.watch_namespace = "team", .leader_elect = true, .lease_namespace = "team"});
  std::vector<std::string> bad;
  for (const Finding& finding : found.value()) {
    if (!finding.good) bad.push_back(finding.what + ": " + finding.why);
  }
  return bad;
}

TEST(SelfCheckTest, AllIsWellAndEachPermissionWasAskedForOnce) {
  RoleApi api;
  api.Lead("pod-1");
  EXPECT_THAT(Bad(&api), testing::IsEmpty());
  size_t needed = 0;
  for (const Permission& permission : NeededPermissions()) needed += permission.verbs.size();
  EXPECT_EQ(api.asked.size(), needed);
  EXPECT_TRUE(std::all_of(api.asked.begin(), api.asked.end(),
                          [](const auto& each) { return each.second == 1; }));
}

TEST(SelfCheckTest, NamesTheVerbThatIsMissing) {
  RoleApi api;
  api.Lead("pod-1");
  api.denied = "create jobs";
  EXPECT_THAT(Bad(&api),
              testing::ElementsAre(testing::StartsWith("may create jobs.batch: no role")));
}

TEST(SelfCheckTest, NamesTheDefinitionThatIsNotInstalled) {
  RoleApi api;
  api.Lead("pod-1");
  api.installed = false;
  EXPECT_THAT(Bad(&api), testing::ElementsAre(testing::HasSubstr(
                             "CustomResourceDefinition paralleljobs.paralleljob.dev")));
}

TEST(SelfCheckTest, NobodyLeads) {
  RoleApi api;
  EXPECT_THAT(Bad(&api), testing::ElementsAre(testing::StartsWith("a process leads")));
  api.Lead("");  // released
  EXPECT_THAT(Bad(&api), testing::ElementsAre(testing::HasSubstr("nobody holds it")));
}

TEST(SelfCheckTest, WhoWasKilledLeadsNoMore) {
  RoleApi api;
  api.Lead("pod-1", "2026-01-01T00:00:00.000000Z");
  EXPECT_THAT(Bad(&api), testing::ElementsAre(testing::HasSubstr("pod-1 holds it, and has not")));
}

}  // namespace
}  // namespace pj::op

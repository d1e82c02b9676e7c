// What `doctor` says of the operator, on a cluster that the test plays.
#include "cli/operator_check.h"

#include <fmt/core.h>
#include <gmock/gmock.h>

#include <map>

#include "base/json.h"
#include "kube/objects.h"

namespace pj::cli {
namespace {

using testing::HasSubstr;
using Outcome = Check::Outcome;

constexpr char kHolder[] = "pj-operator-5d9f-x2_1_1700000000";

class FakeCluster : public kube::HttpApi {
 public:
  Result<kube::Response> Do(const kube::Request& request) override {
    if (forbidden) return kube::Response{.code = 403, .reason = "Forbidden"};
    if (request.name.empty()) {
      return kube::Response{.code = 200, .body = DumpJson({{"items", lists[request.type.plural]}})};
    }
    for (const Json& object : lists[request.type.plural]) {
      if (object["metadata"]["name"] == request.name) {
        return kube::Response{.code = 200, .body = DumpJson(object)};
      }
    }
    return kube::Response{.code = 404, .reason = "NotFound"};
  }
  Result<std::unique_ptr<kube::Watch>> OpenWatch(const kube::WatchRequest&) override {
    return Fail(Code::kInternal, "no watch");
  }
  Result<kube::Response> GetRaw(const kube::RawRequest&, const kube::RawReceiver&) override {
    return Fail(Code::kInternal, "nothing raw");
  }

  std::map<std::string, Json> lists = {
      {"deployments", Json::array()}, {"leases", Json::array()}, {"pods", Json::array()}};
  bool forbidden = false;
};

class OperatorCheck : public testing::Test {
 protected:
  OperatorCheck() {
    auto api = std::make_unique<FakeCluster>();
    fake_ = api.get();
    cluster_.api = std::move(api);
    cluster_.ns = "default";
    clock_.Advance(Seconds(1000));
  }
  static Json Container(const std::string& watched) {
    Json args = Json::array({"--leader-elect"});
    if (!watched.empty()) args.push_back("--namespace=" + watched);
    return {{"containers", Json::array({{{"name", "operator"}, {"args", args}}})}};
  }
  // Of the chart in namespace paralleljob; `watched`: the only namespace it works in.
  void AddDeployment(const std::string& watched, int ready) {
    fake_->lists["deployments"].push_back(
        {{"metadata", {{"name", "pj-operator"}, {"namespace", "paralleljob"}}},
         {"spec", {{"template", {{"spec", Container(watched)}}}}},
         {"status", {{"readyReplicas", ready}}}});
  }
  void AddPod(const std::string& watched) {
    fake_->lists["pods"].push_back(
        {{"metadata", {{"name", "pj-operator-5d9f-x2"}}}, {"spec", Container(watched)}});
  }
  void AddLease(Nanos age, const std::string& holder = kHolder) {
    kube::Lease lease{.meta = {.name = "paralleljob-operator", .ns = "paralleljob"}};
    lease.holder = holder;
    lease.duration_seconds = 15;
    lease.renew_time = FormatRfc3339(clock_.Wall() - age);
    fake_->lists["leases"].push_back(*ParseJson(kube::Encode(lease)));
  }
  Check Look() { return CheckOperator(cluster_, "", clock_); }
  void ExpectBad(const std::string& message, const std::string& way_out) {
    const Check check = Look();
    EXPECT_EQ(check.outcome, Outcome::kBad) << check.message;
    EXPECT_THAT(check.message, HasSubstr(message));
    EXPECT_THAT(check.way_out, HasSubstr(way_out));
  }

  ManualClock clock_;
  ClusterTarget cluster_;
  FakeCluster* fake_;
};

TEST_F(OperatorCheck, OneForAllNamespacesIsGood) {
  AddDeployment("", 1);
  AddLease(Seconds(3));
  const Check check = Look();
  EXPECT_EQ(check.outcome, Outcome::kGood) << check.message;
  EXPECT_EQ(check.message, "Deployment pj-operator in namespace paralleljob is ready");
}

TEST_F(OperatorCheck, OneThatWorksInItsOwnNamespaceOnlyIsBadForOthers) {
  AddDeployment("paralleljob", 1);
  AddPod("paralleljob");
  AddLease(Seconds(3));
  ExpectBad("works only in namespace paralleljob", "use -n paralleljob");
  ExpectBad("jobs in default would stay Pending", "--reuse-values --set clusterScope=true");
  cluster_.ns = "paralleljob";
  EXPECT_EQ(Look().outcome, Outcome::kGood);
}

TEST_F(OperatorCheck, TheLeadersPodTellsItWhereDeploymentsMayNotBeSeen) {
  AddPod("paralleljob");
  AddLease(Seconds(3));
  ExpectBad("works only in namespace paralleljob", "use -n paralleljob");
}

TEST_F(OperatorCheck, ALeaseThatIsNotRenewedIsNoOperator) {
  AddPod("");
  AddLease(Seconds(3));
  EXPECT_THAT(Look().message, HasSubstr("leads (Lease in namespace paralleljob)"));
  clock_.Advance(Seconds(57));
  ExpectBad("no operator runs", "helm install");
  ExpectBad("not renewed for 60 s", "helm install");
}

TEST_F(OperatorCheck, AFreshLeaseOfAPodThatIsGoneIsNoOperator) {
  AddLease(Seconds(3));
  ExpectBad("is that of pj-operator-5d9f-x2_1_1700000000, whose pod is gone", "helm install");
}

TEST_F(OperatorCheck, AProcessOutsideTheClusterLeadsToo) {
  AddLease(Seconds(3), "laptop_17_1700000000");
  EXPECT_EQ(Look().outcome, Outcome::kGood);
}

TEST_F(OperatorCheck, NobodyIsBadAndWhatMayNotBeSeenUnsure) {
  ExpectBad("no operator runs: jobs would stay Pending", "helm install");
  AddDeployment("", 0);
  ExpectBad("has no ready pod", "kubectl describe pods -n paralleljob");
  fake_->forbidden = true;
  EXPECT_EQ(Look().outcome, Outcome::kUnsure);
}

}  // namespace
}  // namespace pj::cli

#include "tests/sim/cluster/operator_api.h"

#include <utility>

#include "ledger/plants.h"
#include "operator/kinds.h"

namespace pj::sim {
namespace {

constexpr Nanos kLongestPause = Seconds(40);  // beyond any lead
constexpr double kAtScaling = 8;  // between what was decided and its write, a pause hurts most

Error Lost(const kube::Request& request) {
  return {Code::kUnavailable, "the request was lost", request.name, ""};
}

bool IsWrite(const kube::Request& request) {
  return request.verb != kube::Verb::kGet && request.verb != kube::Verb::kList;
}

// Shows some events twice, ends when it likes, or goes dead without a word.
class ShakyWatch : public kube::Watch {
 public:
  ShakyWatch(OperatorApi* api, std::unique_ptr<kube::Watch> inner)
      : api_(api), inner_(std::move(inner)) {}

  std::optional<kube::WatchEvent> Next(Millis wait) override {
    Env* env = api_->env();
    const bool shaky = env->Chaos() && !api_->perfect();
    if (shaky && last_ && env->time.Chance(0.05)) return std::exchange(last_, std::nullopt);
    if (shaky && env->time.Chance(env->scenario.dead_watch)) dead_ = true;
    if (dead_ && !api_->perfect()) return std::nullopt;
    std::optional<kube::WatchEvent> event = inner_->Next(wait);
    if (!event) return event;
    if (event->type == kube::WatchEvent::Type::kError &&
        ledger::Planted(ledger::Plant::kIgnoresExpiredWatch)) {
      return std::nullopt;
    }
    last_ = event->type == kube::WatchEvent::Type::kModified ? event : std::nullopt;
    if (shaky && env->time.Chance(0.02)) inner_->Stop();
    return event;
  }
  bool Ended() const override { return inner_->Ended(); }
  void Stop() override { inner_->Stop(); }

 private:
  OperatorApi* api_;
  std::unique_ptr<kube::Watch> inner_;
  std::optional<kube::WatchEvent> last_;
  bool dead_ = false;
};

}  // namespace

// The time until the request arrives.
void OperatorApi::Pass(const kube::Request& request) {
  Timeline& time = env_->time;
  const bool scaling = (request.verb == kube::Verb::kGet && request.type == op::Jobs()) ||
                       (request.verb == kube::Verb::kUpdate && request.type == kube::ConfigMaps());
  const double pause = env_->scenario.operator_pause * (scaling ? kAtScaling : 1);
  if (env_->Chaos() && time.Chance(pause)) {
    time.Trace("an operator hangs");
    paused_ = true;
    env_->on_pause();
    time.RunUntil(time.Now() + kLongestPause / 2 + time.Below(kLongestPause / 2));
    paused_ = false;
    return;
  }
  time.RunUntil(time.Now() + Nanos(1000) + time.Below(Millis(2)));
}

Result<kube::Response> OperatorApi::Do(const kube::Request& request) {
  if (dead_) return std::unexpected(Lost(request));
  if (perfect_) return calm_.Do(request);
  // The election keeps its own time: its requests come at once.
  const bool election = request.ns == kOperatorNs;
  const bool background = request.verb == kube::Verb::kList || election;
  if (!background) Pass(request);
  const bool may_die = env_->Chaos() && IsWrite(request) && !election;
  const bool dies = may_die && env_->time.Chance(env_->scenario.operator_crash);
  if (dies && env_->time.Chance(0.5)) dead_ = true;
  if (dead_) return std::unexpected(Lost(request));
  const uint64_t kind = env_->Faulty() ? env_->time.Pick(2) : 2;
  if (kind == 0) return std::unexpected(Lost(request));
  Result<kube::Response> response = server_.Do(request);
  if (dies) dead_ = true;
  if (dies || kind == 1) return std::unexpected(Lost(request));
  return response;
}

Result<std::unique_ptr<kube::Watch>> OperatorApi::OpenWatch(const kube::WatchRequest& request) {
  if (dead_) return Fail(Code::kUnavailable, "the process is dead");
  PJ_ASSIGN(std::unique_ptr<kube::Watch> inner, server_.OpenWatch(request));
  return std::unique_ptr<kube::Watch>(std::make_unique<ShakyWatch>(this, std::move(inner)));
}

}  // namespace pj::sim

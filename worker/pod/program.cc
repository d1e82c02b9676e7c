#include "worker/pod/program.h"

#include <fmt/core.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "base/fs.h"
#include "base/log.h"
#include "base/process.h"
#include "job/pod_contract.h"
#include "kube/http_api.h"
#include "kube/kubeconfig.h"
#include "worker/pod/agent.h"
#include "worker/pod/finalise.h"
#include "worker/pod/slot_place.h"

namespace pj::worker {
namespace {

constexpr int kExitFailed = 1;

std::string Variable(const char* name) { return GetEnv(name); }

// Calls back on a thread of its own at the first SIGTERM or SIGINT, until it is destroyed. The
// signals are blocked in all threads: make the mask before any exists.
class StopSignal {
 public:
  static sigset_t Block() {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    return signals;
  }

  StopSignal(const sigset_t& signals, std::function<void()> stop)
      : signals_(::signalfd(-1, &signals, SFD_CLOEXEC)),
        end_(::eventfd(0, EFD_CLOEXEC)),
        thread_([this, stop = std::move(stop)] {
          pollfd polled[] = {{signals_.get(), POLLIN, 0}, {end_.get(), POLLIN, 0}};
          while (::poll(polled, 2, -1) < 0) {
          }
          if ((polled[0].revents & POLLIN) != 0) stop();
        }) {}
  ~StopSignal() {
    const uint64_t one = 1;
    static_cast<void>(!::write(end_.get(), &one, sizeof one));
    thread_.join();
  }

 private:
  UniqueFd signals_;
  UniqueFd end_;
  std::thread thread_;
};

Result<std::unique_ptr<kube::HttpApi>> OpenApi() {
  PJ_ASSIGN(const kube::ClientConfig config,
            kube::LoadInCluster({.host = GetEnv("KUBERNETES_SERVICE_HOST"),
                                 .port = GetEnv("KUBERNETES_SERVICE_PORT"),
                                 .folder = job::kTokenDir}));
  return kube::HttpApi::Open(config);
}

int Report(const Result<int>& code) {
  if (code) return *code;
  PJ_ERROR("{}", code.error().ToString());
  return kExitFailed;
}

Result<int> RunAgent(bool own_slots, const sigset_t& signals) {
  PodAgentOptions options;
  PJ_ASSIGN(options.config, ReadPodConfig(Variable));
  PJ_ASSIGN(const std::unique_ptr<SlotSide> slots,
            own_slots ? OwnSlots(options.folders) : HostSlots(options.folders, signals));
  options.slots = slots->place;
  PJ_ASSIGN(const std::unique_ptr<kube::HttpApi> api, OpenApi());
  options.api = api.get();
  const std::string job = options.config.objects.ns + "/" + options.config.objects.job;
  const std::string uid = options.config.objects.identity.uid;
  const log::JobScope scope(job, uid);
  const std::unique_ptr<PodAgent> agent = PodAgent::Create(std::move(options));
  const StopSignal stop(signals, [&agent] { agent->Stop(); });
  return agent->Run();
}

Result<int> RunFinaliser(const sigset_t& signals) {
  PJ_ASSIGN(const PodConfig config, ReadPodConfig(Variable));
  PJ_ASSIGN(const std::unique_ptr<kube::HttpApi> api, OpenApi());
  Finaliser finaliser(config, PodFolders{}, api.get());
  const StopSignal stop(signals, [&finaliser] { finaliser.Stop(); });
  return finaliser.Run();
}

}  // namespace

int AgentMain(bool own_slots) {
  ::signal(SIGPIPE, SIG_IGN);
  const sigset_t signals = StopSignal::Block();
  return Report(RunAgent(own_slots, signals));
}

int FinaliseMain() {
  ::signal(SIGPIPE, SIG_IGN);
  const sigset_t signals = StopSignal::Block();
  return Report(RunFinaliser(signals));
}

}  // namespace pj::worker

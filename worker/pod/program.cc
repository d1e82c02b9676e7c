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
#include "job/run_store.h"
#include "kube/http_api.h"
#include "kube/kubeconfig.h"
#include "worker/pod/agent.h"
#include "worker/pod/finalise.h"
#include "worker/pod/job.h"
#include "worker/pod/slot_place.h"
#include "worker/settings.h"

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

bool HasEnded(const job::RunStore& store) {
  const Result<std::optional<job::StoredResult>> known = store.LoadResult();
  if (!known || !*known) return false;
  PJ_INFO("the job has ended: {}", (*known)->exit_code == 0 ? "Complete" : "Failed");
  return true;
}

Result<int> RunAgent(const sigset_t& signals) {
  PodAgentOptions options;
  PJ_ASSIGN(options.config, ReadPodConfig(Variable));
  PJ_ASSIGN(const std::unique_ptr<kube::HttpApi> api, OpenApi());
  options.api = api.get();
  const job::RunStore store(api.get(), options.config.objects);
  PJ_ASSIGN(const std::unique_ptr<SlotSide> slots,
            HostSlots(options.folders, signals, [&store] { return HasEnded(store); }));
  if (!slots) return 0;
  options.slots = slots->place;
  const std::string name = options.config.objects.ns + "/" + options.config.objects.job;
  const std::string uid = options.config.objects.identity.uid;
  const log::JobScope scope(name, uid);
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

void InitPodLog(const std::function<std::string(const char*)>& lookup,
                const std::string& manifest) {
  using log::Level;
  const std::string name = lookup(job::kEnvLogLevel);
  Level level = Level::kInfo;
  if (name == "debug") level = Level::kDebug;
  if (name == "warning") level = Level::kWarning;
  if (name == "error") level = Level::kError;
  if (name.empty() && !manifest.empty()) {
    // One that cannot be read is told of by whoever needs it.
    const Result<api::ParallelJob> job = LoadPodManifest(manifest);
    if (job) level = OwnLevel(job->spec.logging_level.value);
  }
  log::Init(level, lookup(job::kEnvLogFormat) == "json" ? log::Format::kJson : log::Format::kText);
}

int AgentMain() {
  ::signal(SIGPIPE, SIG_IGN);
  const sigset_t signals = StopSignal::Block();
  return Report(RunAgent(signals));
}

int FinaliseMain() {
  ::signal(SIGPIPE, SIG_IGN);
  const sigset_t signals = StopSignal::Block();
  return Report(RunFinaliser(signals));
}

}  // namespace pj::worker

#include "worker/pod/control_watch.h"

#include <unistd.h>

#include <string>
#include <utility>

#include "base/hash.h"
#include "base/log.h"
#include "kube/cache.h"
#include "kube/objects.h"
#include "kube/reflector.h"

namespace pj::worker {
namespace {

struct ControlView {
  kube::Meta meta;
  ledger::Control control;
};

Result<ControlView> Decode(std::string_view json) {
  PJ_ASSIGN(kube::ConfigMap map, kube::DecodeConfigMap(json));
  PJ_ASSIGN(ledger::Control control, job::DecodeControlMap(map));
  return ControlView{std::move(map.meta), std::move(control)};
}

kube::ReflectorOptions OptionsFor(const job::JobObjects& objects) {
  kube::ReflectorOptions options{.type = kube::ConfigMaps(), .ns = objects.ns};
  options.field_selector = "metadata.name=" + objects.Name("ctl");
  options.seed = Crc32c(objects.identity.uid, static_cast<uint32_t>(::getpid()));
  return options;
}

class NamedWatch : public ControlWatch {
 public:
  NamedWatch(kube::Api* api, const job::JobObjects& objects, OnChange on_change)
      : on_change_(std::move(on_change)),
        cache_(Decode, [this](const auto& change) { Tell(change); }),
        reflector_(*api, cache_, OptionsFor(objects)),
        thread_(reflector_) {}

 private:
  void Tell(const kube::CacheChange<ControlView>& change) {
    on_change_(change.after ? &change.after->control : nullptr);
  }

  OnChange on_change_;
  kube::Cache<ControlView> cache_;
  kube::Reflector reflector_;
  kube::ReflectorThread thread_;
};

}  // namespace

std::unique_ptr<ControlWatch> ControlWatch::Start(kube::Api* api, const job::JobObjects& objects,
                                                  OnChange on_change) {
  return std::make_unique<NamedWatch>(api, objects, std::move(on_change));
}

}  // namespace pj::worker

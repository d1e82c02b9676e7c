#include "worker/pod/config.h"

#include <fmt/core.h>
#include <unistd.h>

#include <charconv>

#include "base/clock.h"

namespace pj::worker {
namespace {

class Reader {
 public:
  explicit Reader(const std::function<std::string(const char*)>& lookup) : lookup_(lookup) {}

  std::string Text(const char* name) {
    std::string value = lookup_(name);
    if (value.empty()) Note(name, "is not set");
    return value;
  }

  uint32_t Number(const char* name, uint32_t least) {
    const std::string text = Text(name);
    uint32_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || value < least) {
      Note(name, fmt::format("is no number from {}: \"{}\"", least, text));
    }
    return value;
  }

  const Status& status() const { return status_; }

 private:
  void Note(const char* name, const std::string& what) {
    if (status_) status_ = Fail(Code::kInvalid, what, name, "worker pods are made by the operator");
  }

  const std::function<std::string(const char*)>& lookup_;
  Status status_;
};

}  // namespace

std::string PodConfig::Node() const { return fmt::format("instance-{}", ordinal); }

std::string NewIncarnation(const PodConfig& config) {
  uint64_t nonce = 0;
  if (::getentropy(&nonce, sizeof nonce) != 0) {
    nonce = static_cast<uint64_t>(SystemClock().Wall().time_since_epoch().count());
  }
  return fmt::format("{}/{:016x}", config.pod_uid, nonce);
}

Result<PodConfig> ReadPodConfig(const std::function<std::string(const char*)>& lookup) {
  Reader reader(lookup);
  PodConfig config;
  config.objects.ns = reader.Text(job::kEnvNamespace);
  config.objects.job = reader.Text(job::kEnvJob);
  config.objects.identity.uid = reader.Text(job::kEnvUid);
  config.objects.identity.run = reader.Number(job::kEnvRun, 1);
  config.ordinal = reader.Number(job::kEnvOrdinal, 0);
  config.pod_name = reader.Text(job::kEnvPodName);
  config.pod_uid = reader.Text(job::kEnvPodUid);
  config.pod_ip = lookup(job::kEnvPodIp);
  if (!lookup(job::kEnvGpus).empty()) config.gpus = reader.Number(job::kEnvGpus, 0);
  PJ_TRY(reader.status());
  return config;
}

}  // namespace pj::worker

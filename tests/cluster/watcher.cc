// kube_watcher KUBECONFIG NAMESPACE SILENCE_SECONDS: follows the ConfigMaps of a namespace as the
// operator does, through whatever lies between. For each line on stdin it prints one JSON object:
// what its cache holds and what has happened to its watch. Ends with stdin.
#include <fmt/core.h>

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>

#include "base/json.h"
#include "kube/cache.h"
#include "kube/http_api.h"
#include "kube/kubeconfig.h"
#include "kube/objects.h"
#include "kube/reflector.h"

namespace pj::kube {
namespace {

std::string Report(const Cache<ConfigMap>& cache, const ReflectorStats& stats) {
  Json objects = Json::object();
  for (const auto& map : cache.All()) objects[map->meta.name] = map->meta.resource_version;
  return DumpJson({{"objects", std::move(objects)},
                   {"synced", stats.synced},
                   {"lists", stats.lists},
                   {"watches", stats.watches},
                   {"events", stats.events},
                   {"expired", stats.expired},
                   {"silent", stats.silent},
                   {"failures", stats.failures},
                   {"lastError", stats.last_error}});
}

int Follow(const std::string& kubeconfig, const std::string& ns, Seconds silence) {
  const Result<ClientConfig> config = LoadKubeconfig(kubeconfig);
  if (!config) {
    fmt::print(stderr, "{}\n", config.error().ToString());
    return 3;
  }
  const HttpApiOptions limits{.silence = silence, .watch_silence = silence};
  auto api = HttpApi::Open(*config, limits);
  if (!api) {
    fmt::print(stderr, "{}\n", api.error().ToString());
    return 3;
  }
  Cache<ConfigMap> cache(DecodeConfigMap);
  Reflector reflector(**api, cache,
                      {.type = ConfigMaps(), .ns = ns, .page_size = 5, .silence = silence});
  const ReflectorThread thread(reflector);
  for (std::string line; std::getline(std::cin, line);) {
    fmt::print("{}\n", Report(cache, reflector.stats()));
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace
}  // namespace pj::kube

int main(int argc, char** argv) {
  if (argc != 4) {
    fmt::print(stderr, "usage: kube_watcher KUBECONFIG NAMESPACE SILENCE_SECONDS\n");
    return 2;
  }
  return pj::kube::Follow(argv[1], argv[2], pj::Seconds(std::atoi(argv[3])));
}

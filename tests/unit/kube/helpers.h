// Short ways to make requests in the tests of kube.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>

#include "kube/memory_api.h"
#include "kube/objects.h"
#include "unit/temp_dir.h"

namespace pj::kube {

inline ConfigMap MakeMap(const std::string& name, const std::string& value = "v") {
  ConfigMap map;
  map.meta.name = name;
  map.meta.ns = "ns";
  map.data["key"] = value;
  return map;
}

inline Request CreateOf(const ConfigMap& map) {
  return {.verb = Verb::kCreate, .type = ConfigMaps(), .ns = "ns", .body = Encode(map)};
}
inline Request UpdateOf(const ConfigMap& map) {
  return {.verb = Verb::kUpdate,
          .type = ConfigMaps(),
          .ns = "ns",
          .name = map.meta.name,
          .body = Encode(map)};
}
inline Request GetOf(const std::string& name) {
  return {.verb = Verb::kGet, .type = ConfigMaps(), .ns = "ns", .name = name};
}
inline Request DeleteOf(const std::string& name) {
  return {.verb = Verb::kDelete, .type = ConfigMaps(), .ns = "ns", .name = name};
}
inline Request ListOf(const std::string& labels = {}) {
  return {.verb = Verb::kList, .type = ConfigMaps(), .ns = "ns", .label_selector = labels};
}

// The answer, which must be one.
inline Response Must(Api& api, const Request& request) {
  auto answer = api.Do(request);
  EXPECT_TRUE(answer.has_value()) << (answer ? "" : answer.error().ToString());
  return answer.value_or(Response{});
}
// The ConfigMap of an answer that must be a success.
inline ConfigMap MustMap(Api& api, const Request& request) {
  const Response answer = Must(api, request);
  EXPECT_TRUE(answer.ok()) << answer.body;
  auto map = DecodeConfigMap(answer.body);
  EXPECT_TRUE(map.has_value()) << answer.body;
  return map.value_or(ConfigMap{});
}

inline std::unique_ptr<MemoryApi> OpenApi(MemoryApiOptions options = {}) {
  auto api = MemoryApi::Open(std::move(options));
  EXPECT_TRUE(api.has_value()) << (api ? "" : api.error().ToString());
  return api ? std::move(*api) : nullptr;
}

}  // namespace pj::kube

// Typed views of the few kinds that we use; the only place that walks their JSON.
#pragma once

#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace pj::kube {

struct OwnerReference {
  std::string api_version = {};
  std::string kind = {};
  std::string name = {};
  std::string uid = {};
  bool controller = true;
  bool operator==(const OwnerReference&) const = default;
};

struct Meta {
  std::string name = {};
  std::string ns = {};
  std::string uid = {};               // set by the server
  std::string resource_version = {};  // set by the server; opaque
  std::map<std::string, std::string> labels = {};
  std::map<std::string, std::string> annotations = {};
  std::optional<OwnerReference> owner = {};
};

// `binary_data` holds raw bytes (base64 only on the wire).
struct ConfigMap {
  Meta meta = {};
  std::map<std::string, std::string> data = {};
  std::map<std::string, std::string> binary_data = {};
  bool immutable = false;
};

struct Lease {
  Meta meta = {};
  std::string holder = {};
  int64_t duration_seconds = 0;
  int64_t transitions = 0;
  std::string renew_time = {};  // RFC 3339 with microseconds
};

std::string Encode(const ConfigMap& map);
std::string Encode(const Lease& lease);
Result<ConfigMap> DecodeConfigMap(std::string_view json);
Result<Lease> DecodeLease(std::string_view json);
// Of any kind; looks at nothing but the metadata.
Result<Meta> DecodeMeta(std::string_view json);
// The same of an object that has been parsed; its metadata must be an object.
Meta MetaOf(const nlohmann::ordered_json& object);

}  // namespace pj::kube

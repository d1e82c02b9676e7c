#include "job/job_objects.h"

#include <fmt/core.h>

#include <charconv>
#include <map>

#include "api/parallel_job.h"
#include "base/json.h"
#include "job/pod_contract.h"

namespace pj::job {
namespace {

using Data = std::map<std::string, std::string>;

// Reads the numbers of one object, and knows whether one was missing or damaged.
class Numbers {
 public:
  explicit Numbers(const kube::ConfigMap& map) : map_(map) {}

  template <class N>
  N Need(const std::string& key) {
    return map_.data.contains(key) ? Have<N>(key) : Bad<N>(key);
  }
  // 0 where the key is missing.
  template <class N>
  N Have(const std::string& key) {
    const auto it = map_.data.find(key);
    if (it == map_.data.end()) return 0;
    N value = 0;
    const char* const end = it->second.data() + it->second.size();
    const auto [at, error] = std::from_chars(it->second.data(), end, value);
    return error == std::errc() && at == end && !it->second.empty() ? value : Bad<N>(key);
  }
  Status Check() const {
    if (bad_.empty()) return {};
    return Fail(Code::kCorrupt, fmt::format("LedgerCorrupt: {} is missing or no number", bad_),
                map_.meta.name);
  }

 private:
  template <class N>
  N Bad(const std::string& key) {
    if (bad_.empty()) bad_ = key;
    return 0;
  }

  const kube::ConfigMap& map_;
  std::string bad_;
};

std::string Text(const Data& data, const std::string& key) {
  const auto it = data.find(key);
  return it == data.end() ? std::string() : it->second;
}

template <class N>
std::string Digits(N number) {
  return fmt::format("{}", number);
}

uint64_t Count(const Json& object, const char* key) {
  const auto it = object.find(key);
  if (it == object.end()) return 0;
  return static_cast<uint64_t>(std::max<int64_t>(0, CheckedInt(*it).value_or(0)));
}

bool Flag(const Json& object, const char* key) {
  const auto it = object.find(key);
  return it != object.end() && it->is_boolean() && it->get<bool>();
}

std::string String(const Json& object, const char* key) {
  const auto it = object.find(key);
  return it != object.end() && it->is_string() ? it->get<std::string>() : std::string();
}

}  // namespace

std::string JobObjects::Name(const std::string& what) const {
  return ledger::ChildName(job, identity, what);
}

kube::Meta JobObjects::Meta(const std::string& name) const {
  return {.name = name,
          .ns = ns,
          .labels = {{kJobLabel, job}, {kRunLabel, identity.ShortHash()}},
          .owner = kube::OwnerReference{api::kApiVersion, api::kKind, job, identity.uid}};
}

kube::ConfigMap EncodePlan(const JobObjects& objects, const PlanFacts& facts) {
  kube::ConfigMap map{.meta = objects.Meta(objects.Name("plan")), .immutable = true};
  map.data = {{"hash", facts.hash},
              {"miniBatches", Digits(facts.mini_batches)},
              {"roots", Digits(facts.roots)},
              {"items", Digits(facts.items)}};
  if (!facts.inline_table.empty()) map.binary_data["table"] = facts.inline_table;
  if (!facts.file.empty()) {
    map.data["file"] = facts.file;
    map.data["fileBytes"] = Digits(facts.file_bytes);
    map.data["fileSha256"] = facts.file_sha256;
  }
  if (facts.started_wall_ns != 0) map.data["startedWallNs"] = Digits(facts.started_wall_ns);
  return map;
}

Result<PlanFacts> DecodePlan(const kube::ConfigMap& map) {
  Numbers numbers(map);
  PlanFacts facts{.hash = Text(map.data, "hash"),
                  .mini_batches = numbers.Need<uint64_t>("miniBatches"),
                  .roots = numbers.Need<uint64_t>("roots"),
                  .items = numbers.Need<uint64_t>("items"),
                  .inline_table = Text(map.binary_data, "table"),
                  .file = Text(map.data, "file"),
                  .file_bytes = numbers.Have<uint64_t>("fileBytes"),
                  .file_sha256 = Text(map.data, "fileSha256"),
                  .started_wall_ns = numbers.Have<int64_t>("startedWallNs")};
  PJ_TRY(numbers.Check());
  return facts;
}

kube::ConfigMap EncodeControlMap(const JobObjects& objects, const ledger::Control& control) {
  kube::ConfigMap map{.meta = objects.Meta(objects.Name("ctl"))};
  map.binary_data[kRecordKey] = ledger::EncodeControl(control);
  return map;
}

Result<ledger::Control> DecodeControlMap(const kube::ConfigMap& map) {
  return ledger::DecodeControl(Text(map.binary_data, kRecordKey));
}

kube::ConfigMap EncodeResult(const JobObjects& objects, const StoredResult& result) {
  kube::ConfigMap map{.meta = objects.Meta(objects.Name("result")), .immutable = true};
  map.data = {{"exitCode", Digits(result.exit_code)},
              {"summary", result.summary_json},
              {"publishedPath", result.published_path},
              {"publishedBytes", Digits(result.published_bytes)},
              {"publishedRows", Digits(result.published_rows)},
              {"publishedCrc", Digits(result.published_crc)}};
  map.binary_data["header"] = result.header;
  return map;
}

Result<StoredResult> DecodeResult(const kube::ConfigMap& map) {
  Numbers numbers(map);
  StoredResult result{.exit_code = numbers.Need<int>("exitCode"),
                      .summary_json = Text(map.data, "summary"),
                      .published_path = Text(map.data, "publishedPath"),
                      .published_bytes = numbers.Have<uint64_t>("publishedBytes"),
                      .published_rows = numbers.Have<uint64_t>("publishedRows"),
                      .published_crc = numbers.Have<uint32_t>("publishedCrc"),
                      .header = Text(map.binary_data, "header")};
  PJ_TRY(numbers.Check());
  return result;
}

std::string EncodeWorkerState(const WorkerState& state) {
  Json json{{"environmentReady", state.environment_ready},
            {"initialising", state.initialising},
            {"started", state.started},
            {"progress", state.progress},
            {"slots", state.slots}};
  if (!state.lost_reason.empty()) {
    json["lost"] = {{"reason", state.lost_reason}, {"message", state.lost_message}};
  }
  if (!state.trouble_reason.empty()) {
    json["trouble"] = {{"reason", state.trouble_reason}, {"message", state.trouble_message}};
  }
  return DumpJson(json);
}

Result<WorkerState> DecodeWorkerState(std::string_view text) {
  PJ_ASSIGN(const Json json, ParseJson(text, kWorkerStateNote));
  if (!json.is_object()) return Fail(Code::kInvalid, "is no object", kWorkerStateNote);
  WorkerState state;
  state.environment_ready = Flag(json, "environmentReady");
  state.initialising = Flag(json, "initialising");
  state.started = Count(json, "started");
  state.progress = Count(json, "progress");
  state.slots = static_cast<uint32_t>(Count(json, "slots"));
  if (const auto lost = json.find("lost"); lost != json.end() && lost->is_object()) {
    state.lost_reason = String(*lost, "reason");
    state.lost_message = String(*lost, "message");
  }
  if (const auto trouble = json.find("trouble"); trouble != json.end() && trouble->is_object()) {
    state.trouble_reason = String(*trouble, "reason");
    state.trouble_message = String(*trouble, "message");
  }
  return state;
}

}  // namespace pj::job

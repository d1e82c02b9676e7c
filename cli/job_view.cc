#include "cli/job_view.h"

#include <fmt/core.h>

#include <algorithm>

#include "api/load.h"
#include "base/json.h"
#include "base/words.h"
#include "cli/cluster_target.h"

namespace pj::cli {
namespace {

JobCounts Counts(const Json& object) {
  return {NumberAt(object, "total"), NumberAt(object, "succeeded"), NumberAt(object, "failed")};
}

// Reason and message of the condition that says most, and what is decided.
void ReadConditions(const Json& status, JobView* job) {
  const auto list = status.find("conditions");
  if (list == status.end() || !list->is_array()) return;
  const auto is = [&](const char* type) -> const Json* {
    for (const Json& one : *list) {
      if (one.is_object() && TextAt(one, "type") == type && TextAt(one, "status") == "True")
        return &one;
    }
    return nullptr;
  };
  job->complete = is("Complete") != nullptr;
  job->failed = is("Failed") != nullptr;
  job->stalled = is("Stalled") != nullptr;
  for (const char* type :
       {"Failed", "Complete", "Stalled", "FailureTarget", "SuccessCriteriaMet", "Reconciling"}) {
    if (const Json* condition = is(type)) {
      job->reason = TextAt(*condition, "reason");
      job->message = TextAt(*condition, "message");
      return;
    }
  }
}

void ReadErrors(const Json& status, JobView* job) {
  const auto list = status.find("errors");
  if (list == status.end() || !list->is_array()) return;
  for (const Json& entry : *list) {
    if (!entry.is_object()) continue;
    JobView::ErrorGroup group{
        NumberAt(entry, "count"), TextAt(entry, "message"), {}, TextAt(entry, "log")};
    if (const auto ids = entry.find("miniBatches"); ids != entry.end() && ids->is_array()) {
      for (const Json& id : *ids) {
        if (const auto number = CheckedInt(id)) {
          group.mini_batches.push_back(static_cast<uint64_t>(*number));
        }
      }
    }
    job->errors.push_back(std::move(group));
  }
}

void ReadOutputs(const Json& object, const Json& status, JobView* job) {
  for (const auto& [name, path] : PartAt(status, "outputs").items()) {
    if (path.is_string()) job->outputs[name] = path.get<std::string>();
  }
  if (job->outputs.empty()) return;
  Diagnostics ignored;
  const api::ParallelJob manifest = api::LoadStoredJob(DumpJson(object), &ignored);
  const job::JobObjects objects{job->ns, job->name, job->identity};
  for (const auto& [name, path] : job->outputs) {
    if (auto place = job::PlaceOf(manifest.spec, objects, path)) job->places[name] = *place;
  }
}

Json PlacesJson(const JobView& job) {
  Json out = Json::object();
  for (const auto& [name, place] : job.places) {
    out[name] = {{"claim", place.claim}, {"path", place.path}};
  }
  return out;
}

Json ToJson(const JobCounts& counts) {
  return {{"total", counts.total}, {"succeeded", counts.succeeded}, {"failed", counts.failed}};
}

}  // namespace

JobView ViewOf(const Json& object) {
  const Json& meta = PartAt(object, "metadata");
  const Json& status = PartAt(object, "status");
  const Json& workers = PartAt(status, "workers");
  JobView job;
  job.name = TextAt(meta, "name");
  job.ns = TextAt(meta, "namespace");
  job.identity = {.uid = TextAt(meta, "uid"),
                  .run = std::max<uint32_t>(1, static_cast<uint32_t>(NumberAt(status, "run")))};
  job.instances = CheckedInt(PartAt(object, "spec").value("instanceCount", Json(1))).value_or(1);
  job.state = TextAt(status, "state");
  job.seen = !job.state.empty();
  if (!job.seen) job.state = "Pending";
  job.planned = status.contains("miniBatches");
  job.mini_batches = Counts(PartAt(status, "miniBatches"));
  job.items = Counts(PartAt(status, "items"));
  job.retries = NumberAt(status, "retries");
  job.workers_wanted = static_cast<int64_t>(NumberAt(workers, "wanted"));
  job.workers_ready = static_cast<int64_t>(NumberAt(workers, "ready"));
  job.progress = TextAt(status, "progress");
  job.duration = TextAt(status, "duration");
  job.rate = TextAt(status, "rate");
  job.eta = TextAt(status, "eta");
  ReadOutputs(object, status, &job);
  ReadConditions(status, &job);
  ReadErrors(status, &job);
  if (!job.seen) {
    job.reason = "NotSeen";
    job.message = "no operator has looked at it yet; `paralleljob doctor` tells whether one runs";
  }
  return job;
}

Json ToJson(const JobView& job) {
  Json errors = Json::array();
  for (const JobView::ErrorGroup& group : job.errors) {
    errors.push_back({{"count", group.count},
                      {"message", group.message},
                      {"miniBatches", group.mini_batches},
                      {"log", group.log}});
  }
  return {{"job", job.name},
          {"namespace", job.ns},
          {"state", job.state},
          {"reason", job.reason},
          {"message", job.message},
          {"progress", job.progress},
          {"miniBatches", ToJson(job.mini_batches)},
          {"items", ToJson(job.items)},
          {"retries", job.retries},
          {"workers", {{"wanted", job.workers_wanted}, {"ready", job.workers_ready}}},
          {"duration", job.duration},
          {"rate", job.rate},
          {"eta", job.eta},
          {"outputs", job.outputs},
          {"places", PlacesJson(job)},
          {"errors", std::move(errors)}};
}

Result<JobView> GetJob(kube::Api* api, const std::string& ns, const std::string& name) {
  PJ_ASSIGN(const Json object, GetObject(api, kube::ParallelJobs(), ns, name));
  return ViewOf(object);
}

std::string ProgressText(const JobView& job) {
  if (!job.planned) {
    return job.message.empty() ? job.state : fmt::format("{}: {}", job.state, job.message);
  }
  const JobCounts& batches = job.mini_batches;
  const uint64_t done = batches.succeeded + batches.failed;
  std::string text = fmt::format("{}: {}/{} mini-batches", job.state, done, batches.total);
  if (!job.rate.empty()) text += " · " + job.rate;
  if (!job.eta.empty()) text += " · ETA " + job.eta;
  return text + fmt::format(" · {} failed · {} · {}/{} workers", batches.failed,
                            Count(job.retries, "retry"), job.workers_ready, job.workers_wanted);
}

std::string OutputsText(const JobView& job) {
  std::string out;
  for (const auto& [name, path] : job.outputs) {
    const auto place = job.places.find(name);
    out += fmt::format("{}: {}\n", name, place == job.places.end() ? path : place->second.Text());
  }
  return out;
}

std::string FetchHint(const JobView& job) {
  return fmt::format("`paralleljob fetch {}` brings outputs and logs here", job.name);
}

std::string ErrorsText(const JobView& job) {
  std::string out;
  for (const JobView::ErrorGroup& group : job.errors) {
    std::string ids;
    for (const uint64_t id : group.mini_batches) {
      ids += fmt::format("{}{}", ids.empty() ? "" : ", ", id);
    }
    out += fmt::format("  {} × {}\n", group.count, group.message);
    if (!ids.empty()) {
      out +=
          fmt::format("      mini-batch{} {}\n", group.mini_batches.size() == 1 ? "" : "es", ids);
    }
    if (!group.log.empty()) out += fmt::format("      log {}\n", group.log);
  }
  return out;
}

Status MiniBatchIsThere(const JobView& job, int64_t mini_batch) {
  const uint64_t total = job.mini_batches.total;
  if (mini_batch < 0 || !job.planned || static_cast<uint64_t>(mini_batch) < total) return {};
  if (total == 0) return Fail(Code::kNotFound, "the job has no mini-batches", "--mini-batch");
  return Fail(Code::kNotFound, fmt::format("the job has mini-batches 0 to {}", total - 1),
              fmt::format("--mini-batch {}", mini_batch));
}

std::string NoErrorsText(const JobView& job) {
  return job.Ended() ? "no errors" : "no errors so far";
}

}  // namespace pj::cli

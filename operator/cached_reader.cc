#include "operator/cached_reader.h"

#include "base/hash.h"
#include "job/pod_contract.h"
#include "operator/kinds.h"

namespace pj::op {
namespace {

std::string Label(const kube::Meta& meta, const char* key) {
  const auto found = meta.labels.find(key);
  return found == meta.labels.end() ? std::string() : found->second;
}

}  // namespace

template <class View>
struct CachedReader::Kind {
  using Ptr = std::shared_ptr<const View>;
  using Names = std::set<std::pair<std::string, std::string>>;
  using LabelValue = std::pair<std::string, std::string>;

  Kind(CachedReader& reader, const kube::ResourceType& resource,
       Result<View> (*decode)(std::string_view))
      : owner(reader),
        type(resource),
        cache(decode, [this](const kube::CacheChange<View>& change) { Note(change); }),
        reflector(*reader.options_.api, cache,
                  {.type = resource,
                   .ns = reader.options_.ns,
                   .label_selector = resource == kube::ParallelJobs() ? "" : job::kRunLabel,
                   .clock = reader.options_.clock,
                   .seed = reader.options_.seed ^ Crc32c(resource.plural)}) {}

  // On the reflector's thread: keeps the index, and tells whose object changed.
  void Note(const kube::CacheChange<View>& change) {
    const View& view = change.after != nullptr ? *change.after : *change.before;
    const std::pair name(view.meta.ns, view.meta.name);
    if (type == kube::ParallelJobs()) return owner.Changed({name.first, name.second});
    {
      const std::lock_guard lock(mutex);
      for (const char* label : {job::kRunLabel, job::kJobLabel}) {
        if (label == job::kJobLabel && type != Pods()) continue;  // nobody looks for others so
        if (change.before != nullptr) Drop({label, Label(change.before->meta, label)}, name);
        if (change.after != nullptr) index[{label, Label(change.after->meta, label)}].insert(name);
      }
    }
    owner.Changed({view.meta.ns, Label(view.meta, job::kJobLabel)});
  }

  void Drop(const LabelValue& value, const std::pair<std::string, std::string>& name) {
    const auto found = index.find(value);
    if (found == index.end()) return;
    found->second.erase(name);
    if (found->second.empty()) index.erase(found);
  }

  std::vector<Ptr> With(const std::string& ns, const LabelValue& value) const {
    Names names;
    {
      const std::lock_guard lock(mutex);
      if (const auto found = index.find(value); found != index.end()) names = found->second;
    }
    std::vector<Ptr> out;
    for (const auto& [in, name] : names) {
      if (in != ns) continue;
      if (Ptr object = cache.Get(in, name)) out.push_back(std::move(object));
    }
    return out;
  }
  std::vector<Ptr> OfRun(const std::string& ns, const std::string& run) const {
    return With(ns, {job::kRunLabel, run});
  }

  CachedReader& owner;
  const kube::ResourceType type;
  mutable std::mutex mutex;
  std::map<LabelValue, Names> index;
  kube::Cache<View> cache;
  kube::Reflector reflector;
  std::unique_ptr<kube::ReflectorThread> thread;  // last: joined first
};

template <class View>
std::unique_ptr<CachedReader::Kind<View>> CachedReader::MakeKind(
    const kube::ResourceType& type, Result<View> (*decode)(std::string_view)) {
  return std::make_unique<Kind<View>>(*this, type, decode);
}

CachedReader::CachedReader(CachedReaderOptions options)
    : options_(std::move(options)),
      parallel_jobs_(MakeKind(kube::ParallelJobs(), DecodeParallelJob)),
      maps_(MakeKind(kube::ConfigMaps(), DecodeRunMap)),
      leases_(MakeKind(kube::Leases(), DecodeWorkerLease)),
      jobs_(MakeKind(Jobs(), DecodeWorkerJob)),
      pods_(MakeKind(Pods(), DecodeWorkerPod)) {}

CachedReader::~CachedReader() = default;

template <class Each>
void CachedReader::ForEachKind(const Each& each) {
  each(*parallel_jobs_);
  each(*maps_);
  each(*leases_);
  each(*jobs_);
  each(*pods_);
}

void CachedReader::Start() {
  ForEachKind(
      [](auto& kind) { kind.thread = std::make_unique<kube::ReflectorThread>(kind.reflector); });
}

bool CachedReader::Step(const std::string& plural) {
  bool moved = false;
  ForEachKind([&](auto& kind) {
    if (kind.type.plural != plural) return;
    const kube::ReflectorStats before = kind.reflector.stats();
    kind.reflector.Step(Millis(0));
    const kube::ReflectorStats after = kind.reflector.stats();
    moved = after.state != before.state || after.version != before.version ||
            after.events != before.events;
  });
  return moved;
}

bool CachedReader::Synced() const {
  for (const auto& [name, stats] : Stats()) {
    if (!stats.synced) return false;
  }
  return true;
}

std::map<std::string, kube::ReflectorStats> CachedReader::Stats() const {
  return {{parallel_jobs_->type.plural, parallel_jobs_->reflector.stats()},
          {maps_->type.plural, maps_->reflector.stats()},
          {leases_->type.plural, leases_->reflector.stats()},
          {jobs_->type.plural, jobs_->reflector.stats()},
          {pods_->type.plural, pods_->reflector.stats()}};
}

void CachedReader::Changed(const JobKey& key) {
  if (options_.changed && !key.name.empty()) options_.changed(key);
}

Result<std::optional<JobWorld>> CachedReader::Read(const JobKey& key) {
  const std::shared_ptr<const ParallelJobView> job = parallel_jobs_->cache.Get(key.ns, key.name);
  if (job == nullptr) return std::optional<JobWorld>();
  JobWorld world{.job = *job};
  const std::string run = job->identity().ShortHash();
  for (const auto& map : maps_->OfRun(key.ns, run)) Place(*map, &world);
  for (const auto& lease : leases_->OfRun(key.ns, run)) Place(*lease, &world);
  for (const auto& worker_job : jobs_->OfRun(key.ns, run)) Place(*worker_job, &world);
  for (const auto& pod : pods_->OfRun(key.ns, run)) Place(*pod, &world);
  SortWorld(&world);
  return std::optional<JobWorld>(std::move(world));
}

Result<std::vector<WorkerPodView>> CachedReader::Leftovers(const JobKey& key,
                                                           const std::string& run) {
  std::vector<WorkerPodView> out;
  for (const auto& pod : pods_->With(key.ns, {job::kJobLabel, key.name})) {
    if (IsLeftover(pod->meta, key, run)) out.push_back(*pod);
  }
  return out;
}

const kube::CacheView* CachedReader::CacheOf(const kube::ResourceType& type) const {
  if (type == kube::ParallelJobs()) return &parallel_jobs_->cache;
  if (type == kube::ConfigMaps()) return &maps_->cache;
  if (type == kube::Leases()) return &leases_->cache;
  if (type == Jobs()) return &jobs_->cache;
  if (type == Pods()) return &pods_->cache;
  return nullptr;
}

void CachedReader::Wrote(const kube::Request& request, const kube::Response& response) {
  const kube::CacheView* cache = CacheOf(request.type);
  if (cache == nullptr) return;
  if (request.verb == kube::Verb::kDelete) return;  // deleting again is harmless
  const Result<kube::Meta> meta = kube::DecodeMeta(response.body);
  if (!meta) return;
  const bool own = request.type == kube::ParallelJobs();
  const JobKey key{request.ns, own ? meta->name : Label(*meta, job::kJobLabel)};
  own_.Wrote(key.ToString(), *cache, meta->resource_version);
}

bool CachedReader::IsNew(const JobKey& key) const {
  const std::shared_ptr<const ParallelJobView> job = parallel_jobs_->cache.Get(key.ns, key.name);
  return job && !job->deleting && job->status_json.find("\"conditions\"") == std::string::npos;
}

bool CachedReader::ShowsOwnWrites(const JobKey& key) { return own_.Seen(key.ToString()); }

}  // namespace pj::op

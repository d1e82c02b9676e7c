#include "kube/writer.h"

#include <fmt/core.h>

#include <algorithm>
#include <random>

namespace pj::kube {
namespace {

using Type = WatchEvent::Type;

uint64_t SystemSeed() {
  std::random_device device;
  return (uint64_t{device()} << 32) | device();
}

Response Answer(int code, const ResourceType& type, const Stored& object) {
  Response out;
  out.code = code;
  out.body = FullText(type, object);
  return out;
}

std::string UidOf(const Tree& object) { return object.at("metadata").value("uid", ""); }

std::string VersionOf(const Tree& object) {
  const std::string version = object.at("metadata").value("resourceVersion", "");
  return version == "0" ? "" : version;
}

bool IsNumber(const std::string& text) {
  return !text.empty() && text.size() <= 19 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::string WrongUid(const std::string& wanted, const std::string& is) {
  return fmt::format("Precondition failed: UID in precondition: {}, UID in object meta: {}", wanted,
                     is);
}

bool InChanges(const std::vector<Change>& changes, const ObjectKey& key) {
  return std::any_of(changes.begin(), changes.end(),
                     [&](const Change& change) { return change.after->key == key; });
}

}  // namespace

Writer::Writer(ObjectTable& table, const Clock& clock, uint64_t uid_seed)
    : table_(table), clock_(clock), rng_(uid_seed != 0 ? uid_seed : SystemSeed()) {}

std::string Writer::NewUid() {
  const uint64_t a = rng_.Next();
  const uint64_t b = rng_.Next();
  return fmt::format("{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}", a >> 32, (a >> 16) & 0xffff, a & 0xfff,
                     ((b >> 48) & 0x3fff) | 0x8000, b & 0xffff'ffff'ffff);
}

std::string Writer::Now() const { return FormatRfc3339Seconds(clock_.Wall()); }

Result<Response> Writer::Create(const Request& request, Tree object) {
  Tree& meta = object["metadata"];
  if (!VersionOf(object).empty()) {
    return ServerError("resourceVersion should not be set on objects to be created");
  }
  const std::string prefix = meta.value("generateName", "");
  if (meta.value("name", "").empty() && !prefix.empty()) {
    meta["name"] = fmt::format("{}{:05x}", prefix, rng_.Next() & 0xfffff);
  }
  const std::string name = meta.value("name", "");
  const ObjectKey key = KeyOf(request.type, request.ns, name);
  PrepareCreate(request.type, {.uid = NewUid(), .now = Now()}, object);
  if (auto causes = Validate(request.type, object, nullptr); !causes.empty()) {
    return Invalid(request.type, name, causes);
  }
  if (StoredPtr old = table_.Find(key)) return AlreadyExists(request.type, name, old->deleting);
  StoredPtr stored = MakeStored(key, std::move(object), table_.NextVersion(0));
  PJ_TRY(table_.Commit({{Type::kAdded, nullptr, stored}}));
  return Answer(201, request.type, *stored);
}

Result<Response> Writer::Update(const Request& request, Tree object) {
  const Traits traits = TraitsOf(request.type);
  const ResourceType& type = request.type;
  if (request.verb == Verb::kUpdateStatus && !traits.status) return NoSuchPath();
  StoredPtr old = table_.Find(KeyOf(type, request.ns, request.name));
  const std::string uid = UidOf(object);
  if (old == nullptr && !traits.create_on_update) return NotFound(type, request.name);
  if (!uid.empty() && (old == nullptr || uid != old->uid)) {
    return Conflict(type, request.name, WrongUid(uid, old == nullptr ? "" : old->uid));
  }
  const std::string version = VersionOf(object);
  if (!version.empty() && !IsNumber(version)) {
    return Invalid(type, request.name,
                   {{"FieldValueInvalid", "metadata.resourceVersion",
                     fmt::format("Invalid value: \"{}\": must be an unsigned integer", version)}});
  }
  if (old == nullptr) {
    object["metadata"].erase("resourceVersion");
    return Create(request, std::move(object));
  }
  if (version.empty() && !traits.update_without_version) {
    return Invalid(type, request.name,
                   {{"FieldValueInvalid", "metadata.resourceVersion",
                     "Invalid value: 0: must be specified for an update"}});
  }
  if (!version.empty() && version != std::to_string(old->version)) {
    return Conflict(type, request.name, std::string(kStale));
  }
  return Store(request, old, std::move(object));
}

Result<Response> Writer::Store(const Request& request, const StoredPtr& old, Tree object) {
  const Tree before = TreeOf(*old);
  PrepareUpdate(request.type, before, request.verb == Verb::kUpdateStatus, object);
  if (auto causes = Validate(request.type, object, &before); !causes.empty()) {
    return Invalid(request.type, request.name, causes);
  }
  // Nothing changes: no write, no new version, no event.
  if (object == before) return Answer(200, request.type, *old);
  if (old->deleting && !object["metadata"].contains("finalizers")) {
    return FinishDeletion(request, old, std::move(object));
  }
  StoredPtr stored = MakeStored(old->key, std::move(object), table_.NextVersion(0));
  PJ_TRY(table_.Commit({{Type::kModified, old, stored}}));
  return Answer(200, request.type, *stored);
}

// The last finalizer went: the update is a deletion.
Result<Response> Writer::FinishDeletion(const Request& request, const StoredPtr& old, Tree object) {
  StoredPtr last = MakeStored(old->key, std::move(object), table_.NextVersion(0));
  std::vector<Change> changes{{Type::kDeleted, old, last}};
  Collect(old->uid, changes);
  PJ_TRY(table_.Commit(changes));
  return Answer(200, request.type, *last);
}

Result<Response> Writer::Delete(const Request& request) {
  StoredPtr old = table_.Find(KeyOf(request.type, request.ns, request.name));
  if (old == nullptr) return NotFound(request.type, request.name);
  if (!request.precondition_uid.empty() && request.precondition_uid != old->uid) {
    return Conflict(request.type, request.name, WrongUid(request.precondition_uid, old->uid));
  }
  std::vector<Change> changes;
  Remove(old, changes);
  PJ_TRY(table_.Commit(changes));
  if (!old->finalizers) return Deleted(request.type, request.name, old->uid);
  return Answer(200, request.type, changes.empty() ? *old : *changes.front().after);
}

void Writer::Remove(const StoredPtr& object, std::vector<Change>& changes) {
  if (object->finalizers) return MarkDeleting(object, changes);
  StoredPtr last = MakeStored(object->key, TreeOf(*object), table_.NextVersion(changes.size()));
  changes.push_back({Type::kDeleted, object, std::move(last)});
  Collect(object->uid, changes);
}

void Writer::MarkDeleting(const StoredPtr& object, std::vector<Change>& changes) {
  if (object->deleting) return;
  Tree tree = TreeOf(*object);
  Tree& meta = tree["metadata"];
  meta["deletionTimestamp"] = Now();
  meta["deletionGracePeriodSeconds"] = 0;
  if (meta.contains("generation")) meta["generation"] = meta["generation"].get<int64_t>() + 1;
  StoredPtr next = MakeStored(object->key, std::move(tree), table_.NextVersion(changes.size()));
  changes.push_back({Type::kModified, object, std::move(next)});
}

// What the garbage collector does some time later in a cluster: dependents whose last owner went
// are deleted, the others only lose the reference.
void Writer::Collect(const std::string& owner_uid, std::vector<Change>& changes) {
  for (const ObjectKey& key : table_.DependentsOf(owner_uid)) {
    if (InChanges(changes, key)) continue;
    StoredPtr object = table_.Find(key);
    const bool owned = std::ranges::any_of(object->owner_uids, [&](const std::string& uid) {
      StoredPtr owner = table_.FindByUid(uid);
      return owner != nullptr && !InChanges(changes, owner->key);
    });
    if (owned) {
      DropOwner(object, owner_uid, changes);
    } else {
      Remove(object, changes);
    }
  }
}

void Writer::DropOwner(const StoredPtr& object, const std::string& uid,
                       std::vector<Change>& changes) {
  Tree tree = TreeOf(*object);
  Tree kept = Tree::array();
  for (const Tree& owner : tree["metadata"]["ownerReferences"]) {
    if (owner.value("uid", "") != uid) kept.push_back(owner);
  }
  tree["metadata"]["ownerReferences"] = std::move(kept);
  StoredPtr next = MakeStored(object->key, std::move(tree), table_.NextVersion(changes.size()));
  changes.push_back({Type::kModified, object, std::move(next)});
}

}  // namespace pj::kube

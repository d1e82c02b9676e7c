// Writer: the operator's writes to the API, and what each answer means for a reconciler.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "base/result.h"
#include "kube/api.h"
#include "kube/objects.h"

namespace pj::op {

// An answer that no second try changes until a person does something: the status must tell.
inline bool IsRefusal(const Error& error) {
  return error.code == Code::kForbidden || error.code == Code::kInvalid ||
         error.code == Code::kTooLarge;
}

// Of one turn; not thread-safe. `api` lives longer. A 404 or 409 on a write that came too late is
// kNotFound or kConflict: the next reconcile sees the newer state.
class Writer {
 public:
  // Told of each object that was really written, with the server's answer: for reading one's own
  // writes. May be empty.
  using Wrote = std::function<void(const kube::Request&, const kube::Response&)>;

  explicit Writer(kube::Api* api, Wrote wrote = {}) : api_(api), wrote_(std::move(wrote)) {}

  // An object that exists already is success: names are deterministic. True when it is new.
  Result<bool> Create(const kube::ResourceType& type, const std::string& ns, std::string body);
  Status Update(const kube::ResourceType& type, const std::string& ns, const std::string& name,
                std::string body);
  Status UpdateStatus(const kube::ResourceType& type, const std::string& ns,
                      const std::string& name, std::string body);
  // The pod goes at once: for one whose kubelet cannot say that its containers have ended.
  Status ForceDeletePod(const kube::Meta& pod);
  // The pod, which is told to go, gets less time for it.
  Status ShortenGrace(const kube::Meta& pod, Seconds grace);
  // One that is gone is success. `uid` guards against a successor of the same name.
  Status Delete(const kube::ResourceType& type, const std::string& ns, const std::string& name,
                const std::string& uid);
  // The object as it is stored now: what an update must start from.
  Result<std::string> Get(const kube::ResourceType& type, const std::string& ns,
                          const std::string& name);

  // When the server wants to be asked again, of the last answer that said so.
  std::optional<Seconds> retry_after() const { return retry_after_; }
  // All of a kind that match a label selector, as a list.
  Result<std::string> ListLabelled(const kube::ResourceType& type, const std::string& ns,
                                   const std::string& label_selector);
  // The Events about the object of that UID, as a list; at most so many.
  Result<std::string> ListAbout(const std::string& ns, const std::string& uid, int limit);

 private:
  Result<kube::Response> Do(const kube::Request& request);

  kube::Api* api_;
  Wrote wrote_;
  std::optional<Seconds> retry_after_;
};

}  // namespace pj::op

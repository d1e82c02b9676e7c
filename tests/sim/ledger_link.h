// LedgerLink: the way from agents and seals to one job's records and back: a network that loses,
// delays and doubts, in front of the production store client. The checker sees what arrives.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "kube/api.h"
#include "tests/sim/checker.h"
#include "tests/sim/timeline.h"
#include "worker/store.h"

namespace pj::sim {

struct LinkOptions {
  Timeline* time = nullptr;
  kube::Api* api = nullptr;
  job::JobObjects objects;
  Checker* checker = nullptr;
  double fault = 0;             // chance that a request meets one, while `chaos`
  std::function<bool()> chaos;  // the first phase lasts
  std::function<bool()> counts = [] { return true; };  // the checker wants to see what arrives
};

// Not thread-safe. Everything that it is given lives longer.
class LedgerLink {
 public:
  using Answer = std::function<void(const ledger::Reply&)>;

  explicit LedgerLink(LinkOptions options)
      : options_(std::move(options)), store_(options_.api, options_.objects) {}

  void Deliver(const Sender& sender, const ledger::Call& call, Answer answer);
  // Of this sender nothing arrives any more, whatever it sends.
  void Cut(const std::string& incarnation) { cut_.insert(incarnation); }
  // What it sends until then arrives only then.
  void Hold(const std::string& incarnation, Nanos until) { held_[incarnation] = until; }
  uint64_t requests() const { return requests_; }

 private:
  ledger::Reply Carry(const Sender& sender, const ledger::Call& call);

  LinkOptions options_;
  worker::StoreClient store_;
  std::set<std::string> cut_;
  std::map<std::string, Nanos> held_;
  uint64_t requests_ = 0;
};

}  // namespace pj::sim

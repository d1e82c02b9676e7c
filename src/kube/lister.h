// Get and list of the embedded API server, with pages that show one moment. Internal to src/kube.
#pragma once

#include <deque>
#include <map>
#include <string>
#include <vector>

#include "kube/answers.h"
#include "kube/object_table.h"
#include "kube/selector.h"

namespace pj::kube {

// Not thread-safe: the server calls it under the table's lock. Lives as long as the table.
class Lister {
 public:
  explicit Lister(ObjectTable& table) : table_(table) {}

  Response Get(const Request& request) const;
  Response List(const Request& request);
  // Forgets the pages that were not fetched yet: their tokens are answered with 410.
  void ExpirePages() { pages_.clear(); }

 private:
  // The rest of a list that was cut by its limit, as it was when the first page was read.
  struct Pages {
    uint64_t id = 0;
    uint64_t version = 0;
    std::vector<StoredPtr> rest;
  };
  Response FirstPage(const Request& request);
  Response NextPage(const Request& request);
  Response Page(const Request& request, Pages pages);

  ObjectTable& table_;
  std::deque<Pages> pages_;
  uint64_t next_id_ = 1;
};

}  // namespace pj::kube

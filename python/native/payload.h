// One mini-batch's payload (src/plan/plan.h, "Wire form"): counting it, and making the list of
// paths.
#pragma once

#include <cstdint>
#include <string_view>

#include "object.h"

namespace pj::slot {

// Reads as little as the fast way needs; anything it does not like is left to the Python code,
// which then finds the same fault and words the error.
class PayloadView {
 public:
  explicit PayloadView(std::string_view bytes) : bytes_(bytes) {}
  // The items of the payload, 0 when it is malformed.
  uint64_t Items() const;
  // A list of str, each file's size and mtime compared with the plan's. Empty without an exception:
  // a table, a file that is not as planned, or bytes that are no payload.
  Object FileList() const;

 private:
  std::string_view bytes_;
};

}  // namespace pj::slot

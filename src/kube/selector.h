// Label and field selectors of lists and watches: "a=b,c!=d,e in (f,g),!h" and "metadata.name=x".
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace pj::kube {

// Immutable once parsed. An empty one matches everything.
class Selector {
 public:
  // kInvalid names the part that cannot be read.
  static Result<Selector> ParseLabels(std::string_view text);
  // Only metadata.name and metadata.namespace, as for kinds without fields of their own.
  static Result<Selector> ParseFields(std::string_view text);

  bool Matches(const std::map<std::string, std::string>& labels) const;
  bool MatchesFields(const std::string& ns, const std::string& name) const;
  bool empty() const { return terms_.empty(); }

 private:
  enum class Op { kIn, kNotIn, kExists, kAbsent };
  struct Term {
    std::string key;
    Op op = Op::kExists;
    std::vector<std::string> values;
  };
  static Result<Term> ParseTerm(std::string_view text);
  std::vector<Term> terms_;
};

}  // namespace pj::kube

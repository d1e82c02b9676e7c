// Kube fields: what of Kubernetes' own types a manifest may hold (volume sources, parts of a pod),
// in the rows of the field table. The validator, the documentation and the CRD schema read it.
#pragma once

#include <string>
#include <vector>

#include "api/fields.h"
#include "base/result.h"

namespace pj::api {

// All rows below a fragment with the whole paths of a manifest: "spec.work.volume.nfs.server"; none
// for a field that is no fragment. A row of type kFragment is taken as it is: the API server checks
// it when the pods are made.
struct NestedField {
  std::string path;
  const Field* field;
};
std::vector<NestedField> NestedFields(const Field& fragment);

// What of the fragment at `fragment.path` (compact JSON) does not fit its rows: unknown and missing
// keys, wrong types, more than the limits. `where` of an error is the path below the fragment.
std::vector<Error> CheckFragment(const Field& fragment, const std::string& json);

// Nothing when what is written to the volume source `json` is still there after the pods, for all
// of them to read; otherwise what is wrong with it.
std::vector<Error> CheckKeeps(const std::string& json);

}  // namespace pj::api

// programArguments: words, runtime flags and bindings, with exact places. Internal to src/api;
// others use SplitProgramArguments and BindArguments of load.h.
#pragma once

#include <string>
#include <vector>

#include "api/parallel_job.h"
#include "api/places.h"
#include "api/shell_words.h"

namespace pj::api {

// As SplitProgramArguments, each finding at the place of its word where `node` (the text as it was
// read) is known.
std::vector<Word> TakeRuntimeFlags(const std::string& text, const Diagnostic& place,
                                   const YamlNode* node, ParallelJobSpec* spec, Diagnostics* out);

// `place` moved to the byte `offset` of the text in `node` (which may be null).
Diagnostic PlaceInText(const Diagnostic& place, const YamlNode* node, size_t offset);

}  // namespace pj::api

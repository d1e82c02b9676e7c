// The job description that the zygote reads: SlotJob as JSON, and what each slot gets on top.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "worker/agent.h"

namespace pj::worker {

// Every field of SlotJob under its own name; `table` is null for file lists, else the schema
// {delimiter, header, support_multi_line, empty_as_string, include_path_column, infer_column_types,
// encoding, columns: [{name, type}], headers: [[{name, type}]], path_columns}.
std::string EncodeSlotJob(const SlotJob& job);

// Environment of one slot on top of SlotJob::env: its number, the node, one GPU when there are
// some.
std::map<std::string, std::string> SlotEnvironment(const SlotJob& job, int slot,
                                                   const std::vector<std::string>& all_gpus);

// `python -c …` that starts the zygote (wire.h), as arguments.
std::string ZygoteProgram(const std::string& runtime_dir);

}  // namespace pj::worker

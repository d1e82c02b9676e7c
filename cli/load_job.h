// LoadOne: a job file for a command that works on exactly one job, findings already printed.
#pragma once

#include <optional>

#include "api/load.h"
#include "cli/commands.h"

namespace pj::cli {

api::LoadOptions ToLoadOptions(const FileOptions& options, Severity registered_environment);

// Nothing if there were errors (printed on stderr; with -o json the NotStarted object on stdout).
std::optional<api::LoadedJob> LoadOne(const FileOptions& options,
                                      Severity registered_environment = Severity::kError);

}  // namespace pj::cli

// LocalChecks: what can be said of a job's script and inputs on this machine before it runs.
#pragma once

#include <optional>
#include <string>

#include "api/load.h"
#include "base/diagnostics.h"

namespace pj::cli {

// A syntax error in the entry script, or no run() in it. `unchecked`: how bad it is that no Python
// can look. A script that is a module of the environment only is not looked at.
void CheckScript(const api::LoadedJob& job, Severity unchecked, Diagnostics* findings);

// False when `run` would install another Python than the one that would look at the script.
bool ChecksWithItsPython(const api::LoadedJob& job, const std::string& env);

// Local inputs that are not there, or of another kind. `severity`: `run` refuses them, but a job
// file may be meant for another place.
void CheckInputs(const api::LoadedJob& job, Severity severity, Diagnostics* findings);

// What keeps inputs that are here from being split: their MLTable, a size that does not fit them.
// `warn`: also what planning only warns of, as that. Reads no data.
void CheckPlanning(const api::LoadedJob& job, std::optional<Severity> warn, Diagnostics* findings);

}  // namespace pj::cli

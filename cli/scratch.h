// Scratch folders below TMPDIR, absolute even where TMPDIR is not: slots work in folders of theirs.
#pragma once

#include <string>

#include "base/result.h"

namespace pj::cli {

// Makes TMPDIR/<prefix>XXXXXX, whose X are replaced; /tmp where TMPDIR is empty or not set. The
// caller removes it.
Result<std::string> MakeScratchFolder(const std::string& prefix);

}  // namespace pj::cli

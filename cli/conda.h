// CondaFile: what a Conda environment file asks for, and whether a Python satisfies its pin.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace pj::cli {

struct CondaFile {
  std::vector<std::string> pip;       // requirements below `pip:`
  std::vector<std::string> packages;  // all others but python and pip themselves
  std::string python_pin;             // "=3.11", ">=3.9,<3.12"; empty = any
};

// `where` is for messages. A file without dependencies asks for nothing.
Result<CondaFile> ParseCondaFile(std::string_view text, const std::string& where);

// Conda's version rules as far as they are used for Python: = == != < <= > >= ~= with `,` (and) and
// `|` (or); = and a trailing .* compare only the numbers given. `version`: "3.11.2".
bool SatisfiesPin(std::string_view version, std::string_view pin);

}  // namespace pj::cli

// Findings: what `verify` has found not to agree, a sentence each.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace pj::cli {

using Findings = std::vector<std::string>;

void Expect(Findings* findings, const std::string& what, uint64_t want, uint64_t have);

// Length and CRC32C of a file, read in pieces.
struct FileSum {
  uint64_t bytes = 0;
  uint32_t crc = 0;
};
Result<FileSum> SumFile(const std::string& path);

}  // namespace pj::cli

#include "cli/findings.h"

#include <fmt/core.h>

#include <cerrno>
#include <fstream>
#include <string_view>

#include "base/hash.h"

namespace pj::cli {

void Expect(Findings* findings, const std::string& what, uint64_t want, uint64_t have) {
  if (want != have) findings->push_back(fmt::format("{}: expected {}, found {}", what, want, have));
}

Result<FileSum> SumFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return FailErrno(errno, "cannot open", path);
  FileSum sum;
  std::string buffer(1 << 20, '\0');
  while (in.read(buffer.data(), static_cast<std::streamsize>(buffer.size())) || in.gcount() > 0) {
    const auto n = static_cast<size_t>(in.gcount());
    sum.crc = Crc32c(std::string_view(buffer).substr(0, n), sum.crc);
    sum.bytes += n;
  }
  return sum;
}

}  // namespace pj::cli

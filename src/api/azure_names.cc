#include "api/azure_names.h"

#include <filesystem>

#include "api/azure_source.h"

namespace pj::api {
namespace {

constexpr size_t kNameBytes = 40;

}  // namespace

std::string KubernetesName(std::string_view text) {
  std::string out;
  for (const char c : AsciiLower(text)) {
    const bool good = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    // Bytes of one character of more than one byte give one dash.
    const bool inner = (static_cast<unsigned char>(c) & 0xC0) == 0x80;
    if (good) out += c;
    if (!good && !inner && !out.empty()) out += '-';
  }
  out.resize(std::min(out.size(), kNameBytes));
  while (out.ends_with('-')) out.pop_back();
  return out.empty() ? "job" : out;
}

std::string NameOfFile(const std::string& path) {
  std::error_code error;  // of a working folder that is gone: the name in the path has to do
  const std::filesystem::path full = std::filesystem::absolute(path, error);
  const std::filesystem::path file =
      (error ? std::filesystem::path(path) : full).lexically_normal();
  const std::string stem = file.stem().string();
  if (AsciiLower(stem) != "pipeline") return stem;
  return file.parent_path().filename().string();
}

}  // namespace pj::api

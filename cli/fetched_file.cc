#include "cli/fetched_file.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "base/fs.h"
#include "base/hash.h"

namespace pj::cli {
namespace {

namespace fs = std::filesystem;

constexpr int kBreaks = 5;  // of the connection, without a byte in between
constexpr size_t kPiece = 1 << 20;

Result<std::string> DigestOf(const std::string& path) {
  PJ_ASSIGN(const UniqueFd fd, OpenFile(path, O_RDONLY));
  Sha256 sha;
  std::string piece(kPiece, '\0');
  while (true) {
    const ssize_t got = ::read(fd.get(), piece.data(), piece.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return FailErrno(errno, "cannot read", path);
    if (got == 0) return sha.HexDigest();
    sha.Update({piece.data(), static_cast<size_t>(got)});
  }
}

// One try: the bytes go to `path`; their digest.
Result<std::string> Download(ReaderPod* pod, const RemoteFile& file, const std::string& path,
                             const std::function<bool()>& stop) {
  PJ_ASSIGN(const UniqueFd fd, OpenFile(path, O_WRONLY | O_CREAT | O_TRUNC));
  Sha256 sha;
  uint64_t have = 0;
  Status written;
  const auto take = [&](std::string_view piece) {
    written = stop() ? Fail(Code::kCancelled, "stopped", path) : WriteAll(fd.get(), piece, path);
    if (!written) return false;
    sha.Update(piece);
    have += piece.size();
    return true;
  };
  int breaks = 0;
  while (have < file.size) {
    const uint64_t before = have;
    const Status read = pod->Read(file, have, take);
    if (!written) return std::unexpected(written.error());
    if (read && have == file.size) break;
    if (!read && !read.error().Retryable()) return std::unexpected(read.error());
    if (!read && read.error().code == Code::kConflict) return std::unexpected(read.error());
    breaks = have > before ? 0 : breaks + 1;
    if (breaks == kBreaks) {
      return Fail(Code::kUnavailable,
                  fmt::format("broke off at {} of {} bytes{}", have, file.size,
                              read ? "" : ": " + read.error().message),
                  file.path, "fetch again: what is here already stays");
    }
  }
  PJ_TRY(Fdatasync(fd.get(), path));
  return sha.HexDigest();
}

}  // namespace

Result<Fetched> FetchFile(ReaderPod* pod, const RemoteFile& file, const std::string& folder,
                          const std::function<bool()>& stop) {
  const fs::path target = fs::path(folder) / file.path;
  PJ_TRY(MakeDirs(target.parent_path().string()));
  std::error_code error;
  if (fs::is_regular_file(target, error) && fs::file_size(target, error) == file.size) {
    PJ_ASSIGN(const std::string here, DigestOf(target.string()));
    PJ_ASSIGN(const std::string there, pod->Digest(file));
    if (here == there) return Fetched{here, true};
  }
  const std::string part = target.string() + ".part";
  std::string there;
  std::string here;
  for (int attempt = 0; attempt < 2; ++attempt) {
    PJ_ASSIGN(here, Download(pod, file, part, stop));
    PJ_ASSIGN(there, pod->Digest(file));
    if (here == there) break;
  }
  if (here != there) {
    fs::remove(part, error);
    return Fail(
        Code::kCorrupt,
        fmt::format("its SHA-256 is {} there and {} here", there.substr(0, 16), here.substr(0, 16)),
        file.path, "does it change while it is read? Fetch again when the job has ended");
  }
  fs::rename(part, target, error);
  if (error) return FailErrno(error.value(), "cannot rename", target.string());
  return Fetched{here, false};
}

}  // namespace pj::cli

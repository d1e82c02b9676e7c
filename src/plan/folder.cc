#include "plan/folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <span>
#include <thread>

#include "base/fs.h"

namespace pj::plan {
namespace {

constexpr size_t kDirentBytes = 256 << 10;
constexpr size_t kEntriesAtOnce = 8192;
constexpr size_t kEntriesForHelper = 4096;

void StatSome(int fd, std::span<Folder::Entry> entries) {
  for (Folder::Entry& entry : entries) {
    if (entry.folder) continue;
    struct stat info{};
    if (::fstatat(fd, entry.name.c_str(), &info, 0) != 0) {
      entry.error = errno;
      continue;
    }
    entry.mode = info.st_mode;
    // Only where the mode leaves a doubt: it costs a second look at the file.
    if ((info.st_mode & 0444) != 0444 &&
        ::faccessat(fd, entry.name.c_str(), R_OK, AT_EACCESS) != 0) {
      entry.error = errno;
    }
    entry.bytes = static_cast<uint64_t>(info.st_size);
    entry.mtime_ns = int64_t{info.st_mtim.tv_sec} * 1'000'000'000 + info.st_mtim.tv_nsec;
  }
}

void StatAll(int fd, std::span<Folder::Entry> entries) {
  if (entries.size() < kEntriesForHelper) return StatSome(fd, entries);
  const size_t half = entries.size() / 2;
  const std::jthread helper([=] { StatSome(fd, entries.first(half)); });
  StatSome(fd, entries.subspan(half));
}

}  // namespace

Status Folder::Load(const Filter& wanted) {
  PJ_ASSIGN(const UniqueFd fd, OpenFile(path_, O_RDONLY | O_DIRECTORY));
  struct stat info{};
  if (::fstat(fd.get(), &info) != 0) return FailErrno(errno, "cannot stat", path_);
  device_ = info.st_dev;
  inode_ = info.st_ino;
  PJ_TRY(ReadNames(fd.get(), wanted));
  return names_.Finish();
}

Status Folder::ReadNames(int fd, const Filter& wanted) {
  std::string buffer(kDirentBytes, '\0');
  while (true) {
    const auto count = ::syscall(SYS_getdents64, fd, buffer.data(), buffer.size());
    if (count < 0) return FailErrno(errno, "cannot list", path_);
    if (count == 0) return {};
    for (long at = 0; at < count;) {
      // struct linux_dirent64: u64 inode, i64 offset, u16 length, u8 type, name.
      const char* raw = buffer.data() + at;
      uint16_t length = 0;
      std::memcpy(&length, raw + 16, sizeof length);
      PJ_TRY(Add(fd, std::string_view(raw + 19), static_cast<uint8_t>(raw[18]), wanted));
      at += length;
    }
  }
}

Status Folder::Add(int fd, std::string_view name, uint8_t type, const Filter& wanted) {
  if (name == "." || name == "..") return {};
  bool folder = type == DT_DIR;
  if (type == DT_LNK || type == DT_UNKNOWN) {
    if (!wanted(name, true) && !wanted(name, false)) return {};
    struct stat info{};
    folder = ::fstatat(fd, name.data(), &info, 0) == 0 && S_ISDIR(info.st_mode);
  }
  return wanted(name, folder) ? names_.Add(name, folder) : Status{};
}

Result<std::vector<Folder::Entry>> Folder::Next() {
  std::vector<Entry> entries;
  NameSorter::Name name;
  while (entries.size() < kEntriesAtOnce) {
    PJ_ASSIGN(const bool more, names_.Next(&name));
    if (!more) break;
    entries.push_back({.name = std::string(name.text), .folder = name.folder});
  }
  if (entries.empty()) return entries;
  PJ_ASSIGN(const UniqueFd fd, OpenFile(path_, O_RDONLY | O_DIRECTORY));
  StatAll(fd.get(), entries);
  return entries;
}

}  // namespace pj::plan

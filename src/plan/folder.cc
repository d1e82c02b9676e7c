#include "plan/folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <thread>

#include "base/fs.h"

namespace pj::plan {
namespace {

constexpr size_t kDirentBytes = 256 << 10;
constexpr size_t kStatsPerThread = 2048;

size_t SharedPrefix(std::string_view a, std::string_view b) {
  const size_t n = std::min(a.size(), b.size());
  size_t i = 0;
  while (i < n && a[i] == b[i]) ++i;
  return i;
}

// Big-endian, so that integers compare as the bytes do.
uint64_t KeyOf(std::string_view name, size_t skip, bool folder) {
  uint64_t key = 0;
  for (size_t i = skip; i < skip + 8; ++i) {
    const bool slash = folder && i == name.size();
    key = key << 8 | (slash ? '/' : i < name.size() ? static_cast<uint8_t>(name[i]) : 0U);
  }
  return key;
}

}  // namespace

Status Folder::Load(const std::string& path, const Filter& wanted) {
  PJ_ASSIGN(const UniqueFd fd, OpenFile(path, O_RDONLY | O_DIRECTORY));
  struct stat info{};
  if (::fstat(fd.get(), &info) != 0) return FailErrno(errno, "cannot stat", path);
  device_ = info.st_dev;
  inode_ = info.st_ino;
  PJ_TRY(ReadNames(fd.get(), path, wanted));
  Sort();
  StatAll(fd.get());
  return {};
}

Status Folder::ReadNames(int fd, const std::string& path, const Filter& wanted) {
  std::string buffer(kDirentBytes, '\0');
  while (true) {
    const auto count = ::syscall(SYS_getdents64, fd, buffer.data(), buffer.size());
    if (count < 0) return FailErrno(errno, "cannot list", path);
    if (count == 0) return {};
    for (long at = 0; at < count;) {
      // struct linux_dirent64: u64 inode, i64 offset, u16 length, u8 type, name.
      const char* raw = buffer.data() + at;
      uint16_t length = 0;
      std::memcpy(&length, raw + 16, sizeof length);
      Add(fd, std::string_view(raw + 19), static_cast<uint8_t>(raw[18]), wanted);
      at += length;
    }
  }
}

void Folder::Add(int fd, std::string_view name, uint8_t type, const Filter& wanted) {
  if (name == "." || name == "..") return;
  bool folder = type == DT_DIR;
  if (type == DT_LNK || type == DT_UNKNOWN) {
    if (!wanted(name, true) && !wanted(name, false)) return;
    struct stat info{};
    folder = ::fstatat(fd, name.data(), &info, 0) == 0 && S_ISDIR(info.st_mode);
  }
  if (!wanted(name, folder)) return;
  Entry entry;
  entry.name = static_cast<uint32_t>(names_.size());
  entry.size = static_cast<uint16_t>(name.size());
  entry.folder = folder;
  names_.append(name);
  names_.push_back('\0');
  entries_.push_back(entry);
}

// By full path: a folder sorts as its name and a slash, because that is how the paths below it go
// on.
void Folder::Sort() {
  if (entries_.empty()) return;
  size_t skip = entries_[0].size;
  for (const Entry& entry : entries_) {
    skip = std::min(skip, SharedPrefix(Name(entries_[0]), Name(entry).substr(0, skip)));
  }
  for (Entry& entry : entries_) entry.key = KeyOf(Name(entry), skip, entry.folder);
  std::sort(entries_.begin(), entries_.end(), [this](const Entry& a, const Entry& b) {
    if (a.key != b.key) return a.key < b.key;
    const std::string_view x = Name(a);
    const std::string_view y = Name(b);
    const int order = x.substr(0, std::min(x.size(), y.size())).compare(y.substr(0, x.size()));
    if (order != 0) return order < 0;
    if (x.size() < y.size()) return (a.folder ? '/' : 0) < static_cast<uint8_t>(y[x.size()]);
    return x.size() > y.size() && static_cast<uint8_t>(x[y.size()]) < (b.folder ? '/' : 0);
  });
}

void Folder::StatSome(int fd, size_t begin, size_t end) {
  for (size_t i = begin; i < end; ++i) {
    Entry& entry = entries_[i];
    if (entry.folder) continue;
    struct stat info{};
    if (::fstatat(fd, names_.data() + entry.name, &info, 0) != 0) {
      entry.error = errno;
      continue;
    }
    entry.mode = info.st_mode;
    // Only where the mode leaves a doubt: it costs a second look at the file.
    if ((info.st_mode & 0444) != 0444 &&
        ::faccessat(fd, names_.data() + entry.name, R_OK, AT_EACCESS) != 0) {
      entry.error = errno;
    }
    entry.bytes = static_cast<uint64_t>(info.st_size);
    entry.mtime_ns = int64_t{info.st_mtim.tv_sec} * 1'000'000'000 + info.st_mtim.tv_nsec;
  }
}

void Folder::StatAll(int fd) {
  const size_t half = entries_.size() / 2;
  if (entries_.size() < 2 * kStatsPerThread) {
    StatSome(fd, 0, entries_.size());
    return;
  }
  const std::jthread helper([this, fd, half] { StatSome(fd, 0, half); });
  StatSome(fd, half, entries_.size());
}

}  // namespace pj::plan

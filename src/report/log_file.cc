#include "report/log_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <utility>

namespace pj::report {
namespace {

constexpr size_t kBuffer = 256 << 10;

}  // namespace

LogFile::LogFile(std::string path, std::string head, Old old)
    : path_(std::move(path)), head_(std::move(head)), old_(old) {
  EnsureOpen();
}

bool LogFile::EnsureOpen() {
  if (fd_.valid()) return true;
  const std::string dir = std::filesystem::path(path_).parent_path().string();
  if (!dir.empty() && !MakeDirs(dir)) return false;
  const int truncate = old_ == Old::kReplace ? O_TRUNC : 0;
  Result<UniqueFd> fd = OpenFile(path_, O_RDWR | O_CREAT | O_APPEND | truncate);
  struct stat info{};
  if (!fd || ::fstat(fd->get(), &info) != 0) return false;
  const auto size = static_cast<uint64_t>(info.st_size);
  // Whoever wrote it before may have been killed in the middle of a record.
  char last = '\n';
  const bool torn = size > 0 && ::pread(fd->get(), &last, 1, info.st_size - 1) == 1 && last != '\n';
  const std::string_view begin = size == 0 ? std::string_view(head_) : torn ? "\n" : "";
  if (!WriteAll(fd->get(), begin, path_)) return false;
  fd_ = std::move(*fd);
  size_ = size + begin.size();
  return true;
}

void LogFile::Add(std::string_view record) {
  buffer_.append(record);
  ++buffered_;
  if (buffer_.size() >= kBuffer) Flush();
}

void LogFile::Flush() {
  if (buffer_.empty()) return;
  if (EnsureOpen() && TakeBackTorn() && WriteAll(fd_.get(), buffer_, path_)) {
    size_ += buffer_.size();
  } else {
    dropped_ += buffered_;
    torn_ = fd_.valid();
    TakeBackTorn();
  }
  buffer_.clear();
  buffered_ = 0;
}

bool LogFile::TakeBackTorn() {
  if (torn_) torn_ = ::ftruncate(fd_.get(), static_cast<off_t>(size_)) != 0;
  return !torn_;
}

}  // namespace pj::report

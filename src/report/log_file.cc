#include "report/log_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <utility>

namespace pj::report {
namespace {

constexpr size_t kBuffer = 256 << 10;

}  // namespace

LogFile::LogFile(std::string path, std::string head)
    : path_(std::move(path)), head_(std::move(head)) {
  EnsureOpen();
}

bool LogFile::EnsureOpen() {
  if (fd_.valid()) return true;
  const std::string dir = std::filesystem::path(path_).parent_path().string();
  if (!dir.empty() && !MakeDirs(dir)) return false;
  Result<UniqueFd> fd = OpenFile(path_, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND);
  if (!fd || !WriteAll(fd->get(), head_, path_)) return false;
  fd_ = std::move(*fd);
  size_ = head_.size();
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

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "base/byte_io.h"
#include "base/rename_onto.h"
#include "plan/block_file.h"
#include "plan/plan_file.h"

namespace pj::plan {
namespace {

constexpr uint64_t kBufferBytes = 16 * kBlockBytes;

size_t CommonPrefix(std::string_view a, std::string_view b) {
  const size_t n = std::min(a.size(), b.size());
  size_t i = 0;
  while (i < n && a[i] == b[i]) ++i;
  return i;
}

void PutVarint(uint64_t v, std::string* out) {
  for (; v >= 0x80; v >>= 7) out->push_back(static_cast<char>(v | 0x80));
  out->push_back(static_cast<char>(v));
}

}  // namespace

void PackKey(std::string_view value, std::string* packed) {
  PutVarint(value.size(), packed);
  packed->append(value);
}

void OffsetList::Add(uint64_t offset) {
  PutVarint(offset - last_, &steps_);
  last_ = offset;
  ++count_;
}

void PieceList::Put(uint64_t v) { PutVarint(v, &bytes_); }

void PieceList::AddFiles(uint64_t first, uint64_t count) {
  Put(ZigZag(Delta(first, file_)));
  Put(count);
  file_ = first + count;
  items_ += count;
  ++count_;
}

void PieceList::AddRange(uint64_t file, uint64_t offset, uint64_t length, uint64_t records) {
  Put(ZigZag(Delta(file, file_)));
  if (file != file_) end_ = 0;
  Put(offset - end_);
  Put(length);
  Put(records);
  file_ = file;
  end_ = offset + length;
  items_ += records;
  ++count_;
}

Result<std::unique_ptr<PlanWriter>> PlanWriter::Create(const std::string& path) {
  const std::string temporary = fmt::format("{}.tmp-{}", path, ::getpid());
  PJ_ASSIGN(UniqueFd fd, OpenFile(temporary, O_WRONLY | O_CREAT | O_TRUNC));
  std::unique_ptr<PlanWriter> writer(new PlanWriter(path, temporary, std::move(fd)));
  PJ_TRY(writer->Append(kPlanMagic));
  return writer;
}

PlanWriter::PlanWriter(std::string path, std::string temporary, UniqueFd fd)
    : path_(std::move(path)), temporary_(std::move(temporary)), fd_(std::move(fd)) {}

PlanWriter::~PlanWriter() {
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

Status PlanWriter::Append(std::string_view bytes) {
  buffer_.append(bytes);
  return buffer_.size() >= kBufferBytes ? Flush(false) : Status{};
}

// Whole blocks only, so that each gets its checksum; the rest waits for more.
Status PlanWriter::Flush(bool all) {
  const size_t count = all ? buffer_.size() : buffer_.size() / kBlockBytes * kBlockBytes;
  const std::string_view ready = std::string_view(buffer_).substr(0, count);
  sha_.Update(ready);
  for (size_t i = 0; i < count; i += kBlockBytes) {
    crcs_.push_back(Crc32c(ready.substr(i, kBlockBytes)));
  }
  PJ_TRY(WriteAll(fd_.get(), ready, temporary_));
  flushed_ += count;
  buffer_.erase(0, count);
  return {};
}

Status PlanWriter::FlushGroup() {
  if (group_files_ == 0) return {};
  groups_.Add(Offset());
  PutVarint(group_.size(), &buffer_);
  PJ_TRY(Append(group_));
  group_.clear();
  group_files_ = 0;
  last_mtime_ = 0;
  return {};
}

Result<uint64_t> PlanWriter::AddFile(const FileRef& file, uint32_t header) {
  const size_t shared = group_files_ == 0 ? 0 : CommonPrefix(last_path_, file.path);
  PutVarint(shared, &group_);
  PutVarint(file.path.size() - shared, &group_);
  group_.append(file.path, shared);
  PutVarint(file.size, &group_);
  PutVarint(ZigZag(Delta(static_cast<uint64_t>(file.mtime_ns), static_cast<uint64_t>(last_mtime_))),
            &group_);
  PutVarint(header, &group_);
  last_path_ = file.path;
  last_mtime_ = file.mtime_ns;
  if (++group_files_ == kGroupFiles) PJ_TRY(FlushGroup());
  return files_++;
}

Status PlanWriter::BeginMiniBatch(const BodyHead& head) {
  std::string front;
  PutVarint(head.items, &front);
  PutVarint(head.source, &front);
  front.append(head.keys);
  PutVarint(head.pieces, &front);
  bodies_.Add(Offset());
  total_items_ += head.items;
  PutVarint(front.size() + head.piece_bytes, &buffer_);
  return Append(front);
}

Status PlanWriter::AddMiniBatch(uint32_t source, std::string_view keys, const PieceList& pieces) {
  PJ_TRY(BeginMiniBatch({source, keys, pieces.items(), pieces.count(), pieces.bytes().size()}));
  return Append(pieces.bytes());
}

Status PlanWriter::AppendIndex(const OffsetList& offsets) {
  return offsets.ForEach([this](uint64_t offset) {
    ByteWriter entry;
    entry.U64(offset);
    return Append(entry.str());
  });
}

Status PlanWriter::FinishFile(const PlanMeta& meta) {
  PJ_TRY(FlushGroup());
  PlanFooter footer;
  footer.table = meta.table;
  footer.mini_batches = bodies_.size();
  footer.total_items = total_items_;
  footer.files = files_;
  footer.group_index = Offset();
  PJ_TRY(AppendIndex(groups_));
  footer.body_index = Offset();
  PJ_TRY(AppendIndex(bodies_));
  footer.meta = Offset();
  PJ_TRY(Append(EncodeMeta(meta)));
  footer.data_bytes = Offset();
  PJ_TRY(Flush(true));
  footer.hash = sha_.HexDigest();
  ByteWriter tail;
  for (const uint32_t crc : crcs_) tail.U32(crc);
  footer.checksums_crc = Crc32c(tail.str());
  tail.Raw(EncodeFooter(footer));
  PJ_TRY(WriteAll(fd_.get(), tail.str(), temporary_));
  return Fdatasync(fd_.get(), temporary_);
}

Status PlanWriter::Finish(const PlanMeta& meta) {
  PJ_TRY(FinishFile(meta));
  const auto is_there = [this] {
    struct stat ours{}, found{};
    return ::fstat(fd_.get(), &ours) == 0 && ::stat(path_.c_str(), &found) == 0 &&
           ours.st_ino == found.st_ino && ours.st_dev == found.st_dev;
  };
  PJ_TRY(RenameOnto(temporary_, path_, {.is_there = is_there}));
  temporary_.clear();
  const std::string dir = std::filesystem::path(path_).parent_path().string();
  return SyncDir(dir.empty() ? "." : dir);
}

}  // namespace pj::plan

// OpenPlan: random access to a plan file.
#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>

#include "base/byte_io.h"
#include "base/way_out.h"
#include "plan/block_file.h"
#include "plan/plan_file.h"

namespace pj::plan {
namespace {

// Pieces of a body come with counts from the file: nothing is reserved before its bytes were seen.
class FilePlan : public Plan {
 public:
  FilePlan(UniqueFd fd, const std::string& path, PlanFooter footer, std::vector<uint32_t> crcs)
      : file_(std::move(fd), path, footer.data_bytes, std::move(crcs)),
        footer_(std::move(footer)) {}

  Status Load() {
    PJ_ASSIGN(const Slice magic, file_.Read(0, kPlanMagic.size()));
    if (magic.bytes != kPlanMagic) return Corrupt("not a plan file");
    const uint64_t groups = (footer_.files + kGroupFiles - 1) / kGroupFiles;
    const bool ordered = footer_.group_index <= footer_.body_index &&
                         footer_.body_index <= footer_.meta && footer_.meta <= footer_.data_bytes;
    if (!ordered || (footer_.body_index - footer_.group_index) / 8 != groups ||
        (footer_.meta - footer_.body_index) / 8 != footer_.mini_batches) {
      return Corrupt("plan file has a broken index");
    }
    PJ_ASSIGN(const Slice meta, file_.Read(footer_.meta, footer_.data_bytes - footer_.meta));
    PJ_ASSIGN(meta_, DecodeMeta(meta.bytes));
    if (meta_.table != footer_.table) return Corrupt("plan file contradicts itself");
    return {};
  }

  uint64_t size() const override { return footer_.mini_batches; }
  uint64_t total_items() const override { return footer_.total_items; }
  const std::string& hash() const override { return footer_.hash; }
  std::string paths_hash() const override { return meta_.paths_hash; }
  const TableSchema* schema() const override { return meta_.table ? &meta_.schema : nullptr; }

  Result<MiniBatch> Get(uint64_t index) const override {
    PJ_ASSIGN(const Slice body, Body(index));
    ByteReader in(body.bytes);
    MiniBatch out;
    out.index = index;
    out.items = in.Varint();
    const uint64_t source = in.Varint();
    if (!in.ok() || source >= meta_.sources.size()) return Corrupt("plan file has a broken entry");
    out.source = meta_.sources[source];
    for (const std::string& key : meta_.keys) {
      out.keys.emplace_back(key, std::string(in.Bytes()));
    }
    PJ_TRY(meta_.table ? TakeRanges(&in, &out) : TakeFiles(&in, &out));
    if (!in.ok() || !in.AtEnd()) return Corrupt("plan file has a broken entry");
    return out;
  }

  Result<uint64_t> Items(uint64_t index) const override {
    PJ_ASSIGN(const Slice body, Body(index));
    ByteReader in(body.bytes);
    const uint64_t items = in.Varint();
    if (!in.ok()) return Corrupt("plan file has a broken entry");
    return items;
  }

  Status AppendPayload(uint64_t index, std::string* out) const override {
    PJ_ASSIGN(const MiniBatch mini_batch, Get(index));
    EncodePayload(mini_batch, out);
    return {};
  }

 private:
  // A file of a group, decoded one after the other.
  struct GroupCursor {
    uint64_t group = UINT64_MAX;
    Slice slice;
    std::string_view rest;
    uint64_t next = 0;  // number of the file that comes next
    FileRef file;
    uint32_t header = 0;
  };

  std::unexpected<Error> Corrupt(const char* what) const {
    return Fail(Code::kCorrupt, what, file_.path(), kStartAnew);
  }

  Result<Slice> Body(uint64_t index) const {
    if (index >= footer_.mini_batches) {
      return Fail(Code::kNotFound, "there is no mini-batch " + std::to_string(index), file_.path());
    }
    PJ_ASSIGN(const uint64_t offset, file_.ReadU64(footer_.body_index + 8 * index));
    return file_.ReadSized(offset);
  }

  // Moves the cursor onto file `number`.
  Status Seek(uint64_t number, GroupCursor* at) const {
    if (number >= footer_.files) return Corrupt("plan file names a file that it does not hold");
    if (at->group == number / kGroupFiles && at->next == number + 1) return {};
    if (at->group != number / kGroupFiles || at->next > number) {
      at->group = number / kGroupFiles;
      PJ_ASSIGN(const uint64_t offset, file_.ReadU64(footer_.group_index + 8 * at->group));
      PJ_ASSIGN(at->slice, file_.ReadSized(offset));
      at->rest = at->slice.bytes;
      at->next = at->group * kGroupFiles;
      at->file = {};
    }
    ByteReader in(at->rest);
    for (; at->next <= number; ++at->next) {
      const uint64_t shared = in.Varint();
      const std::string_view rest = in.Bytes();
      if (!in.ok() || shared > at->file.path.size()) return Corrupt("plan file has a broken path");
      at->file.path.resize(shared);
      at->file.path.append(rest);
      at->file.size = in.Varint();
      at->file.mtime_ns = static_cast<int64_t>(static_cast<uint64_t>(at->file.mtime_ns) +
                                               static_cast<uint64_t>(UnZigZag(in.Varint())));
      at->header = static_cast<uint32_t>(in.Varint());
    }
    if (!in.ok()) return Corrupt("plan file has a broken file entry");
    at->rest = in.rest();
    return {};
  }

  Status TakeFiles(ByteReader* in, MiniBatch* out) const {
    GroupCursor at;
    uint64_t end = 0;
    const uint64_t runs = in->Varint();
    for (uint64_t i = 0; i < runs && in->ok(); ++i) {
      const uint64_t first = end + static_cast<uint64_t>(UnZigZag(in->Varint()));
      const uint64_t count = in->Varint();
      if (first > footer_.files || count > footer_.files - first) {
        return Corrupt("plan file names a file that it does not hold");
      }
      end = first + count;
      for (uint64_t number = first; number < end; ++number) {
        PJ_TRY(Seek(number, &at));
        out->files.push_back(at.file);
      }
    }
    if (out->files.size() != out->items) return Corrupt("plan file miscounts its files");
    return {};
  }

  Status TakeRanges(ByteReader* in, MiniBatch* out) const {
    GroupCursor at;
    uint64_t number = 0;
    uint64_t end = 0;
    uint64_t items = 0;
    const uint64_t count = in->Varint();
    for (uint64_t i = 0; i < count && in->ok(); ++i) {
      const int64_t step = UnZigZag(in->Varint());
      if (step != 0) end = 0;
      number += static_cast<uint64_t>(step);
      TableRange range;
      range.offset = end + in->Varint();
      range.length = in->Varint();
      range.records = in->Varint();
      if (!in->ok()) break;
      PJ_TRY(Seek(number, &at));
      range.file = at.file;
      range.header = at.header;
      if (range.offset > at.file.size || range.length > at.file.size - range.offset ||
          range.header >= meta_.schema.headers.size()) {
        return Corrupt("plan file has a range beyond its file");
      }
      end = range.offset + range.length;
      items += range.records;
      out->ranges.push_back(std::move(range));
    }
    if (items != out->items) return Corrupt("plan file miscounts its records");
    return {};
  }

  BlockFile file_;
  PlanFooter footer_;
  PlanMeta meta_;
};

Result<std::vector<uint32_t>> ReadChecksums(int fd, const PlanFooter& footer, uint64_t file_bytes,
                                            const std::string& path) {
  const uint64_t blocks = footer.data_bytes / kBlockBytes + (footer.data_bytes % kBlockBytes != 0);
  if (footer.data_bytes > file_bytes ||
      file_bytes != footer.data_bytes + 4 * blocks + kFooterBytes) {
    return Fail(Code::kCorrupt, "plan file has the wrong length", path);
  }
  PJ_ASSIGN(const std::string bytes, ReadAt(fd, footer.data_bytes, 4 * blocks, path));
  if (Crc32c(bytes) != footer.checksums_crc) {
    return Fail(Code::kCorrupt, "checksums of the plan file are damaged", path);
  }
  ByteReader in(bytes);
  std::vector<uint32_t> out(blocks);
  for (uint32_t& crc : out) crc = in.U32();
  return out;
}

}  // namespace

Result<std::unique_ptr<Plan>> OpenPlan(const std::string& file) {
  PJ_ASSIGN(UniqueFd fd, OpenFile(file, O_RDONLY));
  struct stat info{};
  if (::fstat(fd.get(), &info) != 0) return FailErrno(errno, "cannot stat", file);
  const uint64_t bytes = static_cast<uint64_t>(info.st_size);
  if (!S_ISREG(info.st_mode) || bytes < kFooterBytes) {
    return Fail(Code::kCorrupt, "not a plan file", file);
  }
  PJ_ASSIGN(const std::string tail, ReadAt(fd.get(), bytes - kFooterBytes, kFooterBytes, file));
  auto footer = DecodeFooter(tail);
  if (!footer) return Fail(footer.error().code, footer.error().message, file);
  PJ_ASSIGN(auto checksums, ReadChecksums(fd.get(), *footer, bytes, file));
  auto plan =
      std::make_unique<FilePlan>(std::move(fd), file, std::move(*footer), std::move(checksums));
  PJ_TRY(plan->Load());
  return plan;
}

}  // namespace pj::plan

#include "plan/name_sorter.h"

#include <algorithm>
#include <cstring>

namespace pj::plan {
namespace {

constexpr size_t kReadBytes = 64 << 10;
// In the scratch file: u16 length, u8 folder, the name.
constexpr size_t kHeadBytes = 3;

size_t SharedPrefix(std::string_view a, std::string_view b) {
  const size_t n = std::min(a.size(), b.size());
  size_t i = 0;
  while (i < n && a[i] == b[i]) ++i;
  return i;
}

// Big-endian, so that integers compare as the bytes do.
uint64_t KeyOf(const NameSorter::Name& name, size_t skip) {
  uint64_t key = 0;
  for (size_t i = skip; i < skip + 8; ++i) {
    const bool slash = name.folder && i == name.text.size();
    key = key << 8 | (slash ? '/' : i < name.text.size() ? static_cast<uint8_t>(name.text[i]) : 0U);
  }
  return key;
}

// By full path: a folder sorts as its name and a slash, because that is how the paths below it go
// on.
bool Before(const NameSorter::Name& a, const NameSorter::Name& b) {
  const std::string_view x = a.text;
  const std::string_view y = b.text;
  const size_t shared = std::min(x.size(), y.size());
  const int order = x.substr(0, shared).compare(y.substr(0, shared));
  if (order != 0) return order < 0;
  if (x.size() < y.size()) return (a.folder ? '/' : 0) < static_cast<uint8_t>(y[x.size()]);
  return x.size() > y.size() && static_cast<uint8_t>(x[y.size()]) < (b.folder ? '/' : 0);
}

}  // namespace

Status NameSorter::Add(std::string_view name, bool folder) {
  entries_.push_back({.at = static_cast<uint32_t>(names_.size()),
                      .size = static_cast<uint16_t>(name.size()),
                      .folder = folder});
  names_.append(name);
  return entries_.size() < run_names_ ? Status{} : Spill();
}

void NameSorter::Sort() {
  if (entries_.empty()) return;
  const std::string_view first = NameOf(entries_[0]).text;
  size_t skip = first.size();
  for (const Entry& entry : entries_) {
    skip = std::min(skip, SharedPrefix(first.substr(0, skip), NameOf(entry).text));
  }
  for (Entry& entry : entries_) entry.key = KeyOf(NameOf(entry), skip);
  std::sort(entries_.begin(), entries_.end(), [this](const Entry& a, const Entry& b) {
    return a.key != b.key ? a.key < b.key : Before(NameOf(a), NameOf(b));
  });
}

Status NameSorter::Spill() {
  if (!scratch_.valid()) {
    PJ_ASSIGN(scratch_, OpenScratchFile(dir_));
  }
  Sort();
  const uint64_t offset = scratch_size_;
  PJ_TRY(WriteRun());
  runs_.push_back({.offset = offset, .end = scratch_size_});
  entries_.clear();
  names_.clear();
  return {};
}

Status NameSorter::WriteRun() {
  std::string out;
  for (const Entry& entry : entries_) {
    out.push_back(static_cast<char>(entry.size & 0xFF));
    out.push_back(static_cast<char>(entry.size >> 8));
    out.push_back(entry.folder ? 1 : 0);
    out.append(NameOf(entry).text);
  }
  scratch_size_ += out.size();
  return WriteAll(scratch_.get(), out, dir_);
}

Status NameSorter::Finish() {
  if (runs_.empty()) {
    Sort();
    return {};
  }
  if (!entries_.empty()) PJ_TRY(Spill());
  for (Run& run : runs_) {
    PJ_TRY(Advance(&run));
    heap_.push_back(&run);
  }
  const auto later = [](const Run* a, const Run* b) { return Before(b->front, a->front); };
  std::make_heap(heap_.begin(), heap_.end(), later);
  return {};
}

// Has at least `need` unread bytes afterwards.
Status NameSorter::Fill(Run* run, size_t need) const {
  if (run->buffer.size() - run->used >= need) return {};
  run->buffer.erase(0, run->used);
  run->used = 0;
  const uint64_t count = std::min<uint64_t>(run->end - run->offset, std::max(kReadBytes, need));
  PJ_ASSIGN(const std::string more, ReadAt(scratch_.get(), run->offset, count, dir_));
  run->buffer += more;
  run->offset += count;
  return {};
}

Result<bool> NameSorter::Advance(Run* run) const {
  if (run->used == run->buffer.size() && run->offset == run->end) return false;
  PJ_TRY(Fill(run, kHeadBytes));
  const auto* head = reinterpret_cast<const uint8_t*>(run->buffer.data() + run->used);
  const size_t size = head[0] | static_cast<size_t>(head[1]) << 8;
  run->front.folder = head[2] != 0;
  PJ_TRY(Fill(run, kHeadBytes + size));
  run->front.text = std::string_view(run->buffer).substr(run->used + kHeadBytes, size);
  run->used += kHeadBytes + size;
  return true;
}

Result<bool> NameSorter::NextMerged(Name* name) {
  const auto later = [](const Run* a, const Run* b) { return Before(b->front, a->front); };
  if (taken_) {
    PJ_ASSIGN(const bool more, Advance(heap_.back()));
    if (more) {
      std::push_heap(heap_.begin(), heap_.end(), later);
    } else {
      heap_.pop_back();
    }
  }
  taken_ = !heap_.empty();
  if (!taken_) return false;
  std::pop_heap(heap_.begin(), heap_.end(), later);
  *name = heap_.back()->front;
  return true;
}

Result<bool> NameSorter::Next(Name* name) {
  if (!runs_.empty()) return NextMerged(name);
  if (next_ == entries_.size()) return false;
  *name = NameOf(entries_[next_++]);
  return true;
}

}  // namespace pj::plan

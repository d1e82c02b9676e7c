#include "worker/code_archive.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <zlib.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <set>
#include <system_error>

#include "base/fs.h"
#include "base/limits.h"

namespace pj::worker {
namespace {

namespace fs = std::filesystem;

constexpr size_t kBlock = 512;
constexpr size_t kUnpackedBytes = 2 * limits::kArchivedBytes;  // headers of small files included
constexpr int kGzip = 16 + MAX_WBITS;

// The parts of a ustar header that we use.
struct Header {
  char name[100];
  char mode[8];
  char uid[8];
  char gid[8];
  char size[12];
  char mtime[12];
  char checksum[8];
  char type;
  char link[100];
  char magic[6];
  char version[2];
  char user[32];
  char group[32];
  char device[16];
  char prefix[155];
  char unused[12];
};
static_assert(sizeof(Header) == kBlock);

template <size_t N>
void PutOctal(char (&field)[N], uint64_t value) {
  const std::string digits = fmt::format("{:0{}o}", value, N - 1);
  std::memcpy(field, digits.data(), N - 1);
}

template <size_t N>
std::string TextOf(const char (&field)[N]) {
  return {field, ::strnlen(field, N)};
}

unsigned ChecksumOf(Header header) {
  std::memset(header.checksum, ' ', sizeof header.checksum);
  unsigned sum = 0;
  for (size_t i = 0; i < kBlock; ++i) sum += reinterpret_cast<const unsigned char*>(&header)[i];
  return sum;
}

// A path of more than 100 bytes is split at a '/'.
bool PutPath(const std::string& path, Header* header) {
  if (path.size() <= sizeof header->name) {
    std::memcpy(header->name, path.data(), path.size());
    return true;
  }
  const size_t slash = path.rfind('/', sizeof header->prefix);
  if (slash == std::string::npos || path.size() - slash - 1 > sizeof header->name) return false;
  std::memcpy(header->prefix, path.data(), slash);
  std::memcpy(header->name, path.data() + slash + 1, path.size() - slash - 1);
  return true;
}

Status AddFile(const CodeFile& file, std::string* tar) {
  Header header{};
  if (!PutPath(file.path, &header)) {
    return Fail(Code::kInvalid, "has a path that a tar file cannot hold", file.path,
                "shorten it: at most 100 bytes of name, 155 of folders");
  }
  PutOctal(header.mode, file.executable ? 0755 : 0644);
  PutOctal(header.uid, 0);
  PutOctal(header.gid, 0);
  PutOctal(header.size, file.content.size());
  PutOctal(header.mtime, 0);
  header.type = '0';
  std::memcpy(header.magic, "ustar", 6);
  std::memcpy(header.version, "00", 2);
  const std::string sum = fmt::format("{:06o}", ChecksumOf(header));
  std::memcpy(header.checksum, sum.data(), sum.size());
  header.checksum[6] = '\0';
  header.checksum[7] = ' ';
  tar->append(reinterpret_cast<const char*>(&header), kBlock);
  *tar += file.content;
  tar->append((kBlock - file.content.size() % kBlock) % kBlock, '\0');
  return {};
}

Result<std::string> Gunzip(std::string_view bytes) {
  z_stream stream{};
  if (::inflateInit2(&stream, kGzip) != Z_OK) return Fail(Code::kInternal, "zlib does not start");
  stream.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  std::string out;
  std::string piece(256 << 10, '\0');
  int code = Z_OK;
  while (code == Z_OK && out.size() <= kUnpackedBytes) {
    stream.next_out = reinterpret_cast<Bytef*>(piece.data());
    stream.avail_out = static_cast<uInt>(piece.size());
    code = ::inflate(&stream, Z_NO_FLUSH);
    out.append(piece.data(), piece.size() - stream.avail_out);
  }
  ::inflateEnd(&stream);
  if (out.size() > kUnpackedBytes) {
    return Fail(Code::kTooLarge, fmt::format("unpacks to more than {} MiB", kUnpackedBytes >> 20));
  }
  if (code != Z_STREAM_END) {
    return Fail(Code::kCorrupt, fmt::format("the archive of the code is damaged (zlib: {})", code));
  }
  return out;
}

bool StaysInside(const std::string& path) {
  const fs::path relative(path);
  if (path.empty() || relative.is_absolute()) return false;
  return std::none_of(relative.begin(), relative.end(),
                      [](const fs::path& part) { return part == ".." || part == "."; });
}

// One entry at `*at`, which moves behind it; false at the end of the archive.
Result<bool> ReadEntry(std::string_view tar, size_t* at, CodeFile* file) {
  const auto corrupt = [&](const std::string& what) {
    return Fail(Code::kCorrupt, "the archive of the code is damaged: " + what,
                fmt::format("byte {}", *at));
  };
  if (tar.size() - *at < kBlock) return corrupt("it has no end");
  Header header;
  std::memcpy(&header, tar.data() + *at, kBlock);
  if (header.name[0] == '\0') return false;
  unsigned sum = 0;
  std::from_chars(header.checksum, header.checksum + 6, sum, 8);
  if (sum != ChecksumOf(header)) return corrupt("a header's checksum is wrong");
  if (header.type != '0') return corrupt("an entry is no regular file");
  const std::string prefix = TextOf(header.prefix);
  file->path = prefix.empty() ? TextOf(header.name) : prefix + "/" + TextOf(header.name);
  if (!StaysInside(file->path)) return corrupt("a path leads out of the folder");
  uint64_t size = 0;
  std::from_chars(header.size, header.size + sizeof header.size - 1, size, 8);
  *at += kBlock;
  const uint64_t padded = (size + kBlock - 1) / kBlock * kBlock;
  if (padded > tar.size() - *at) return corrupt("a file is cut off");
  file->content = tar.substr(*at, size);
  uint64_t mode = 0;
  std::from_chars(header.mode, header.mode + sizeof header.mode - 1, mode, 8);
  file->executable = (mode & 0100) != 0;
  *at += padded;
  return true;
}

}  // namespace

Result<std::string> PackCode(const std::vector<CodeFile>& files) {
  std::string tar;
  for (const CodeFile& file : files) PJ_TRY(AddFile(file, &tar));
  tar.append(2 * kBlock, '\0');
  z_stream stream{};
  const int memory = 8;
  if (::deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, kGzip, memory, Z_DEFAULT_STRATEGY) !=
      Z_OK) {
    return Fail(Code::kInternal, "zlib does not start");
  }
  std::string out(::deflateBound(&stream, tar.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(tar.data());
  stream.avail_in = static_cast<uInt>(tar.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  const int code = ::deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  ::deflateEnd(&stream);
  if (code != Z_STREAM_END) return Fail(Code::kInternal, fmt::format("zlib failed with {}", code));
  return out;
}

Status UnpackArchive(std::string_view archive, const std::string& folder) {
  PJ_ASSIGN(const std::string tar, Gunzip(archive));
  PJ_TRY(MakeDirs(folder));
  size_t at = 0;
  while (true) {
    CodeFile file;
    PJ_ASSIGN(const bool more, ReadEntry(tar, &at, &file));
    if (!more) return {};
    const fs::path target = fs::path(folder) / file.path;
    PJ_TRY(MakeDirs(target.parent_path().string()));
    PJ_ASSIGN(const UniqueFd fd,
              OpenFile(target.string(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW,
                       file.executable ? 0755 : 0644));
    PJ_TRY(WriteAll(fd.get(), file.content, target.string()));
  }
}

Status UnpackCode(const std::string& parts, const std::string& folder) {
  std::error_code error;
  std::set<std::string> names;
  for (fs::directory_iterator it(parts, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (!name.starts_with('.')) names.insert(name);  // a kubelet's own links
  }
  if (error) return FailErrno(error.value(), "cannot read the parts of the code", parts);
  std::string archive;
  for (const std::string& name : names) {
    PJ_ASSIGN(const std::string part,
              ReadFile((fs::path(parts) / name).string(), limits::kConfigMapBytes));
    archive += part;
  }
  return UnpackArchive(archive, folder);
}

}  // namespace pj::worker

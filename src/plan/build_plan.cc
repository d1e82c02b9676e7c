// BuildPlan: checks the request, runs the planner of its kind and writes the file.
#include <fmt/core.h>
#include <fmt/ranges.h>

#include <filesystem>

#include "plan/encoding.h"
#include "plan/planner.h"
#include "plan/walk.h"

namespace pj::plan {
namespace {

constexpr size_t kDigestBuffer = 64 << 10;

Status CheckTable(const SourceSpec& source, const PlanRequest& request) {
  const DelimitedOptions& options = *source.table;
  PJ_TRY(ParseEncoding(options.encoding));
  const auto delimiter = static_cast<uint8_t>(options.delimiter);
  if (delimiter == '"' || delimiter == '\n' || delimiter == '\r' || delimiter == 0 ||
      delimiter > 0x7F) {
    return Fail(Code::kInvalid, fmt::format("character {} cannot be a delimiter", delimiter),
                "read_delimited.delimiter", "use one ASCII character, as \",\" or \"\\t\"");
  }
  if (request.unit == PlanRequest::SizeUnit::kFiles && request.partition_keys.empty()) {
    return Fail(Code::kInvalid, "a table is split by bytes or rows, not by files", "miniBatchSize",
                "write a unit: 1mb, 500rows");
  }
  if (options != *request.sources[0].table ||
      source.partition_format != request.sources[0].partition_format) {
    return Fail(Code::kInvalid, "inputs that are split together must be read with equal options",
                "input " + source.input_name, "make their MLTable files equal");
  }
  return {};
}

Status CheckRequest(const PlanRequest& request) {
  if (request.sources.empty()) return Fail(Code::kInvalid, "there is no input to split");
  if (request.size == 0 && request.partition_keys.empty()) {
    return Fail(Code::kInvalid, "mini-batches of size 0", "miniBatchSize", "use 1 or more");
  }
  const bool table = request.sources[0].table.has_value();
  for (const SourceSpec& source : request.sources) {
    if (source.table.has_value() != table) {
      return Fail(Code::kInvalid, "tables and file lists cannot be split together",
                  "input " + source.input_name);
    }
    if (table) PJ_TRY(CheckTable(source, request));
  }
  if (!table && request.partition_keys.empty() && request.unit != PlanRequest::SizeUnit::kFiles) {
    return Fail(Code::kInvalid, "a file list is split by a number of files", "miniBatchSize",
                "write a bare number");
  }
  return {};
}

std::unexpected<Error> EmptyInput(const PlanRequest& request) {
  std::vector<std::string> names;
  std::vector<std::string> roots;
  for (const SourceSpec& source : request.sources) {
    names.push_back(source.input_name);
    roots.push_back(source.root);
  }
  const bool table = request.sources[0].table.has_value();
  return Fail(Code::kInvalid,
              fmt::format("EmptyInput: no {} in input {}", table ? "records" : "files",
                          fmt::join(names, ", ")),
              fmt::format("{}", fmt::join(roots, ", ")), "check the path and its patterns");
}

std::string DirOf(const std::string& file) {
  const std::string dir = std::filesystem::path(file).parent_path().string();
  return dir.empty() ? "." : dir;
}

}  // namespace

void PathsDigest::Add(std::string_view kind, std::string_view text) {
  buffer_.append(kind).push_back('\0');
  buffer_.append(text).push_back('\0');
  if (buffer_.size() < kDigestBuffer) return;
  sha_.Update(buffer_);
  buffer_.clear();
}

std::string PathsDigest::HexDigest() {
  sha_.Update(buffer_);
  return sha_.HexDigest();
}

Result<std::optional<PathFormat>> FormatOf(const SourceSpec& source) {
  if (source.partition_format.empty()) return std::nullopt;
  PJ_ASSIGN(PathFormat format, PathFormat::Parse(source.partition_format));
  return format;
}

std::unexpected<Error> UnknownKey(const std::string& key, const std::vector<std::string>& known,
                                  const std::string& where) {
  return Fail(Code::kInvalid, fmt::format("partition key \"{}\" is no column of the data", key),
              where, fmt::format("use one of: {}", fmt::join(known, ", ")));
}

Result<std::unique_ptr<Plan>> BuildPlan(const PlanRequest& request, const std::string& file) {
  PJ_TRY(CheckRequest(request));
  PJ_ASSIGN(auto writer, PlanWriter::Create(file));
  PathsDigest digest;
  const PlanContext context{request, writer.get(), &digest,
                            request.sort_dir.empty() ? DirOf(file) : request.sort_dir};
  PlanMeta meta;
  meta.table = request.sources[0].table.has_value();
  meta.keys = request.partition_keys;
  for (const SourceSpec& source : request.sources) meta.sources.push_back(source.input_name);
  PJ_TRY(meta.table ? PlanTables(context, &meta.schema) : PlanFileLists(context));
  if (writer->mini_batches() == 0) return EmptyInput(request);
  meta.paths_hash = digest.HexDigest();
  PJ_TRY(writer->Finish(meta));
  writer.reset();
  return OpenPlan(file);
}

Result<std::string> HashInputPaths(const PlanRequest& request) {
  PathsDigest digest;
  for (const SourceSpec& source : request.sources) {
    digest.AddSource(source.input_name);
    PJ_TRY(WalkSource(source, request.sort_dir, [&](const FileRef& file) -> Status {
      digest.AddFile(file.path);
      return {};
    }));
  }
  return digest.HexDigest();
}

}  // namespace pj::plan

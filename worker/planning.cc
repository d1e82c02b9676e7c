#include "worker/planning.h"

#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "api/mltable.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/limits.h"

namespace pj::worker {
namespace {

using plan::PlanRequest;
using SizeUnit = plan::PlanRequest::SizeUnit;

constexpr uint64_t kDefaultFiles = 10;
constexpr uint64_t kDefaultBytes = 1 << 20;

Result<bool> IsFolder(const std::string& path, const std::string& where) {
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) return FailErrno(errno, "cannot find " + where, path);
  return S_ISDIR(info.st_mode);
}

plan::DelimitedOptions ToOptions(const api::ReadDelimited& read) {
  using From = api::ReadDelimited::Header;
  plan::DelimitedOptions out;
  out.delimiter = read.delimiter;
  out.encoding = read.encoding;
  out.support_multi_line = read.support_multi_line;
  out.empty_as_string = read.empty_as_string;
  out.include_path_column = read.include_path_column;
  out.infer_column_types = read.infer_column_types;
  switch (read.header) {
    case From::kNone:
      out.header = plan::HeaderMode::kNoHeader;
      break;
    case From::kFromFirstFile:
      out.header = plan::HeaderMode::kFromFirstFile;
      break;
    case From::kAllFilesDifferent:
      out.header = plan::HeaderMode::kAllFilesDifferentHeaders;
      break;
    case From::kAllFilesSame:
      out.header = plan::HeaderMode::kAllFilesSameHeaders;
      break;
  }
  return out;
}

// `original`: the folder that was copied, or empty.
std::string PathInPlace(const std::string& path, const std::string& original) {
  const std::filesystem::path normal = std::filesystem::path(path).lexically_normal();
  if (original.empty() || normal.empty() || *normal.begin() != "..") return path;
  std::error_code error;
  const std::filesystem::path base = std::filesystem::absolute(original, error);
  return error ? path : (base / normal).lexically_normal().string();
}

plan::PathSpec ToPath(const api::MltablePath& path) {
  using Kind = plan::PathSpec::Kind;
  switch (path.kind) {
    case api::MltablePath::Kind::kFile:
      return {Kind::kFile, path.path};
    case api::MltablePath::Kind::kFolder:
      return {Kind::kFolder, path.path};
    case api::MltablePath::Kind::kPattern:
      break;
  }
  return {Kind::kPattern, path.path};
}

// All findings in one error: its message is the first line, the others follow.
Error ToError(const Diagnostics& findings) {
  std::string text;
  for (const Diagnostic& d : findings.all()) {
    if (d.severity != Severity::kError) continue;
    text.append(text.empty() ? "" : "\n").append(d.ToString());
  }
  return {Code::kInvalid, text, {}, {}};
}

// The MLTable file itself is no data, wherever `paths` lead.
Status ReadMltable(const std::string& path, const std::string& original, plan::SourceSpec* source,
                   std::vector<std::string>* warnings) {
  PJ_ASSIGN(const bool folder, IsFolder(path, "input " + source->input_name));
  const std::string file = folder ? path + "/MLTable" : path;
  if (folder && ::access(file.c_str(), F_OK) != 0) {
    return Fail(Code::kInvalid,
                fmt::format("input {}: there is no MLTable file", source->input_name), path,
                "add one, or change the input's type to uri_folder");
  }
  PJ_ASSIGN(const std::string text, ReadFile(file, limits::kYamlBytes));
  Diagnostics findings;
  const std::optional<api::Mltable> table = api::ParseMltable(text, file, &findings);
  if (!table) return std::unexpected(ToError(findings));
  for (const Diagnostic& d : findings.all()) {
    if (warnings != nullptr) warnings->push_back(d.ToString());
  }
  std::error_code error;
  const std::filesystem::path absolute = std::filesystem::absolute(file, error).lexically_normal();
  if (error) return FailErrno(error.value(), "cannot resolve", file);
  source->root = absolute.parent_path().string();
  source->exclude = {absolute.string()};
  for (const api::MltablePath& entry : table->paths) {
    source->paths.push_back(ToPath(entry));
    source->paths.back().path = PathInPlace(entry.path, folder ? original : "");
  }
  if (table->read_delimited) source->table = ToOptions(*table->read_delimited);
  source->partition_format = table->partition_format;
  return {};
}

// Volumes whose files the kubelet writes when the pod starts: in each pod at another time.
bool IsWrittenByKubelet(const api::KubeJson& volume) {
  const Result<Json> source = ParseJson(volume);
  if (!source || !source->is_object()) return false;
  return source->contains("configMap") || source->contains("secret") ||
         source->contains("projected");
}

Result<plan::SourceSpec> MakeSource(const api::Input& input, const std::string& path,
                                    const PlanningOptions& options,
                                    std::vector<std::string>* warnings) {
  const auto original = options.copied_from.find(input.name);
  plan::SourceSpec source;
  source.input_name = input.name;
  source.root = path;
  source.unknown_times = IsWrittenByKubelet(input.volume);
  const std::string where = "input " + input.name;
  switch (input.type) {
    case api::DataType::kMltable:
      PJ_TRY(ReadMltable(path, original == options.copied_from.end() ? "" : original->second,
                         &source, warnings));
      return source;
    case api::DataType::kUriFile:
    case api::DataType::kUriFolder: {
      PJ_ASSIGN(const bool folder, IsFolder(path, where));
      if (folder == (input.type == api::DataType::kUriFolder)) return source;
      return Fail(Code::kInvalid, fmt::format("{} is a {}", where, folder ? "folder" : "file"),
                  path, fmt::format("change its type to {}", folder ? "uri_folder" : "uri_file"));
    }
    default:
      return Fail(Code::kInvalid, fmt::format("{} cannot be split into mini-batches", where),
                  "spec.inputData", "name an input of type uri_folder, uri_file or mltable");
  }
}

void Warn(std::vector<std::string>* warnings, std::string text) {
  if (warnings != nullptr) warnings->push_back(std::move(text));
}

Status SetTableSize(const api::MiniBatchSize& size, const PlanningOptions& options,
                    std::vector<std::string>* warnings, PlanRequest* request) {
  request->unit = SizeUnit::kBytes;
  request->size = size.count;
  if (size.unit == api::MiniBatchSize::Unit::kRows) request->unit = SizeUnit::kRows;
  if (size.unit != api::MiniBatchSize::Unit::kFiles) return {};
  if (!options.azure) {
    return Fail(Code::kInvalid,
                fmt::format("miniBatchSize {} has no unit, and the input is a table", size.count),
                "spec.miniBatchSize", fmt::format("write {0}b, {0}kb or {0}rows", size.count));
  }
  Warn(warnings,
       fmt::format("mini_batch_size {} on a table means {} bytes", size.count, size.count));
  return {};
}

Status SetListSize(const api::MiniBatchSize& size, const PlanningOptions& options,
                   std::vector<std::string>* warnings, PlanRequest* request) {
  request->unit = SizeUnit::kFiles;
  request->size = size.count;
  if (size.unit == api::MiniBatchSize::Unit::kFiles) return {};
  const bool rows = size.unit == api::MiniBatchSize::Unit::kRows;
  if (!options.azure || rows) {
    return Fail(Code::kInvalid,
                fmt::format("miniBatchSize is given in {}, and the input is a list of files",
                            rows ? "rows" : "bytes"),
                "spec.miniBatchSize", "write a bare number of files");
  }
  Warn(warnings, fmt::format("mini_batch_size on a file list counts files: {}", size.count));
  return {};
}

Status SetSize(const api::ParallelJobSpec& spec, const PlanningOptions& options,
               std::vector<std::string>* warnings, PlanRequest* request) {
  const bool table = request->sources[0].table.has_value();
  request->unit = table ? SizeUnit::kBytes : SizeUnit::kFiles;
  request->size = table ? kDefaultBytes : kDefaultFiles;
  request->partition_keys = spec.partition_keys;
  if (!spec.partition_keys.empty() || !spec.mini_batch_size) return {};
  return table ? SetTableSize(*spec.mini_batch_size, options, warnings, request)
               : SetListSize(*spec.mini_batch_size, options, warnings, request);
}

}  // namespace

Result<PlanRequest> MakePlanRequest(const api::ParallelJobSpec& spec,
                                    const std::map<std::string, std::string>& inputs,
                                    const PlanningOptions& options,
                                    std::vector<std::string>* warnings) {
  PlanRequest request;
  for (const std::string& name : spec.input_data) {
    const api::Input* input = spec.FindInput(name);
    const auto path = inputs.find(name);
    if (input == nullptr || path == inputs.end()) {
      return Fail(Code::kInvalid, fmt::format("there is no input {}", name), "spec.inputData",
                  "name one of spec.inputs");
    }
    PJ_ASSIGN(plan::SourceSpec source, MakeSource(*input, path->second, options, warnings));
    if (!request.sources.empty() &&
        source.table.has_value() != request.sources[0].table.has_value()) {
      return Fail(Code::kInvalid, "tables and file lists cannot be split together",
                  "spec.inputData", "use inputs of one kind");
    }
    request.sources.push_back(std::move(source));
  }
  if (request.sources.empty()) {
    return Fail(Code::kInvalid, "no input is split", "spec.inputData", "name an input");
  }
  if (request.sources.size() > 1 && !spec.partition_keys.empty()) {
    Warn(warnings,
         "partitionKeys with several inputs: a mini-batch never spans two of them, so keys that "
         "are in both make one of each");
  }
  PJ_TRY(SetSize(spec, options, warnings, &request));
  return request;
}

}  // namespace pj::worker

#include "cli/moved_run.h"

#include <cctype>
#include <string_view>

#include "base/json.h"

namespace pj::cli {
namespace {

// The folder that the run wrote to, as far as the place of its logs tells.
std::string OriginalRoot(const JobDir& dir, const job::StoredResult& result) {
  const Result<Json> summary = ParseJson(result.summary_json);
  if (!summary || !summary->is_object()) return dir.root();
  const std::string logs = summary->value("logs", std::string());
  const std::string below = dir.Logs().substr(dir.root().size());
  if (logs.size() <= below.size() || !logs.ends_with(below)) return dir.root();
  return logs.substr(0, logs.size() - below.size());
}

bool BelongsToPath(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '/' || c == '.' || c == '_' ||
         c == '-';
}

// Where a path begins so, in a sentence too.
void ReplaceAll(std::string_view from, std::string_view to, std::string* text) {
  for (size_t at = 0; (at = text->find(from, at)) != std::string::npos;) {
    const bool begins = at == 0 || !BelongsToPath((*text)[at - 1]);
    if (begins) text->replace(at, from.size(), to);
    at += begins ? to.size() : from.size();
  }
}

void ReplaceIn(std::string_view from, std::string_view to, Json* value) {
  if (value->is_string()) {
    ReplaceAll(from, to, &value->get_ref<std::string&>());
  } else if (value->is_structured()) {
    for (Json& item : *value) ReplaceIn(from, to, &item);
  }
}

}  // namespace

std::string PathHere(const JobDir& dir, const job::StoredResult& result, const std::string& path) {
  const std::string original = OriginalRoot(dir, result) + "/";
  return path.starts_with(original) ? dir.root() + "/" + path.substr(original.size()) : path;
}

std::string SummaryHere(const JobDir& dir, const job::StoredResult& result) {
  const std::string original = OriginalRoot(dir, result);
  Result<Json> summary = ParseJson(result.summary_json);
  if (!summary || original == dir.root()) return result.summary_json;
  ReplaceIn(original + "/", dir.root() + "/", &*summary);
  return DumpJson(*summary);
}

}  // namespace pj::cli

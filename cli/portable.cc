#include "cli/portable.h"

#include <filesystem>
#include <vector>

#include "api/bindings.h"
#include "base/fs.h"
#include "base/limits.h"

namespace pj::cli {
namespace {

namespace fs = std::filesystem;

fs::path Normal(const fs::path& path) {
  std::error_code error;
  const fs::path full = fs::absolute(path, error);
  return (error ? path : full).lexically_normal();
}

// What is right already stays as it was written.
void Rebase(const fs::path& folder, const std::string& base_dir, std::string* path) {
  if (path->empty() || base_dir.empty() || fs::path(*path).is_absolute()) return;
  const fs::path full = Normal(fs::path(base_dir) / *path);
  if (full == Normal(folder / *path)) return;
  const std::string relative = full.lexically_relative(Normal(folder)).string();
  *path = relative.starts_with(".") ? relative : "./" + relative;
}

// Without the blanks that keep every later message at its place in the file.
void TidyBindings(std::string* text) {
  const std::vector<api::Binding> bindings = api::FindBindings(*text);
  for (auto binding = bindings.rbegin(); binding != bindings.rend(); ++binding) {
    text->replace(binding->begin, binding->end - binding->begin, "${{" + binding->path + "}}");
  }
}

bool IsPath(const std::string& conda_file) {
  return !conda_file.empty() && conda_file.find('\n') == std::string::npos;
}

}  // namespace

Status MakePortable(const std::string& file, api::ParallelJob* job) {
  const std::string parent = fs::path(file).parent_path().string();
  const fs::path folder = parent.empty() ? "." : parent;
  for (api::Input& input : job->spec.inputs) {
    const bool here = input.volume.empty() && input.type != api::DataType::kLiteral;
    if (here) Rebase(folder, input.base_dir, &input.path);
  }
  api::Code& code = job->spec.task.code;
  if (code.source == api::Code::Source::kLocal) Rebase(folder, code.base_dir, &code.local);
  TidyBindings(&job->spec.task.program_arguments);
  api::Environment& environment = job->spec.task.environment;
  if (!IsPath(environment.conda_file)) return {};
  const std::string conda = (fs::path(environment.base_dir) / environment.conda_file).string();
  PJ_ASSIGN(environment.conda_file, ReadFile(conda, limits::kCondaFileLength));
  if (!environment.conda_file.ends_with("\n")) environment.conda_file += "\n";
  return {};
}

}  // namespace pj::cli

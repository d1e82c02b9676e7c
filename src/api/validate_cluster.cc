// CheckRunsInCluster: what a job needs so that pods can run it.
#include <fmt/core.h>

#include "api/validate.h"
#include "api/validate_kube.h"
#include "base/json.h"

namespace pj::api {
namespace {

class ClusterChecker {
 public:
  ClusterChecker(const ParallelJobSpec& spec, Diagnostics* out) : spec_(spec), out_(out) {}

  void Run() {
    CheckCode();
    CheckEnvironment();
    for (const Input& input : spec_.inputs) CheckInput(input);
    for (const Output& output : spec_.outputs) CheckOutput(output);
    CheckWork();
  }

 private:
  void Error(std::string field, std::string message, std::string hint) {
    out_->Add({.field = std::move(field), .message = std::move(message), .hint = std::move(hint)});
  }

  void CheckCode() {
    using Source = api::Code::Source;
    const api::Code& code = spec_.task.code;
    if (code.source == Source::kLocal) {
      return Error("spec.task.code.local", "names a folder of one machine, which pods do not see",
                   "use `paralleljob submit -f FILE`, or apply what `paralleljob convert -f FILE "
                   "--out DIR` writes");
    }
    if (code.source != Source::kConfigMap) return;
    const Result<Json> reference = ParseJson(code.reference);
    const auto named = [](const Json& one) {
      return one.is_object() && one.contains("name") && one["name"].is_string();
    };
    if (!reference || !named(*reference)) {
      Error("spec.task.code.configMap", "names no ConfigMap", "write configMap: {name: NAME}");
    }
  }

  void CheckEnvironment() {
    const Environment& environment = spec_.task.environment;
    if (environment.image.empty()) {
      Error("spec.task.environment.image", "a cluster needs the image that runs the script",
            "write environment: {image: NAME}");
    }
    if (!environment.conda_file.empty() || !environment.pip.empty()) {
      Error("spec.task.environment",
            "condaFile and pip are not supported in a cluster yet: pods would lack the packages",
            "build an image that has them, and name it alone: environment: {image: NAME}");
    }
  }

  void CheckInput(const Input& input) {
    if (input.type == DataType::kLiteral || !input.volume.empty()) return;
    Error(fmt::format("spec.inputs[{}]", input.name), "has no volume, so pods cannot see it",
          fmt::format("give it a volume, or --input {}=pvc:CLAIM/path", input.name));
  }

  void CheckOutput(const Output& output) {
    if (!output.volume.empty()) return;
    Error(fmt::format("spec.outputs[{}]", output.name),
          "has no volume: what pods write there would be lost", "give it a volume");
  }

  void CheckWork() {
    if (!spec_.work_volume.empty() || !spec_.outputs.empty()) return;
    if (spec_.logs == LogsPolicy::kNone) return;
    Error("spec.work.volume", "there is neither an output nor a work volume to keep logs on",
          "give one, or write logs: none");
  }

  const ParallelJobSpec& spec_;
  Diagnostics* out_;
};

}  // namespace

void CheckRunsInCluster(const ParallelJob& job, Diagnostics* out) {
  ClusterChecker(job.spec, out).Run();
}

}  // namespace pj::api

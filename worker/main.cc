// paralleljob-worker: the programs of worker pods, one subcommand each (job/pod_contract.h).
#include <CLI/CLI.hpp>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include "base/log.h"
#include "base/process.h"
#include "job/pod_contract.h"
#include "worker/code_archive.h"
#include "worker/pod/file_server.h"
#include "worker/pod/install.h"
#include "worker/pod/program.h"
#include "worker/pod/supervise.h"

namespace {

namespace job = pj::job;
namespace worker = pj::worker;

int Install(const std::string& dir, bool unpack_code) {
  pj::Status done = worker::InstallRuntime(dir);
  if (done && unpack_code) done = worker::UnpackCode(job::kCodePartsDir, job::kCodeDir);
  if (done) return 0;
  PJ_ERROR("{}", done.error().ToString());
  return 1;
}

void AddInstall(CLI::App* app, std::string* dir, bool* unpack_code) {
  CLI::App* command = app->add_subcommand(
      job::kInstallCommand, "copy the slot host and the Python runtime into a folder");
  command->add_option("DIR", *dir, "the runtime volume")->capture_default_str();
  command->add_flag(job::kUnpackFlag, *unpack_code,
                    "also unpack the job's code from the parts of its archive");
}

void AddSupervise(CLI::App* app, std::vector<std::string>* program) {
  CLI::App* command = app->add_subcommand(job::kSuperviseCommand,
                                          "run the agent, and start it again whenever it dies");
  command->add_option("PROGRAM", *program, "what to run, after --; else the agent");
  command->footer("Ends with 0 when the agent does, with 42 when its pod is not wanted any more.");
}

void AddAgent(CLI::App* app) {
  app->add_subcommand(job::kAgentCommand, "work on the pod's job: one incarnation of its agent");
  app->add_subcommand(job::kFinaliseCommand, "end a job of which no agent lives");
}

void AddRead(CLI::App* app, std::vector<std::string>* only) {
  CLI::App* command = app->add_subcommand(job::kReadCommand,
                                          "serve a job's outputs and logs to `paralleljob fetch`");
  command->add_option("PATH", *only, "only these, below the folder that is served");
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("The programs of paralleljob's worker pods.", "paralleljob-worker");
  app.set_version_flag("--version", PJ_VERSION);
  app.require_subcommand(1);
  std::string dir = job::kRuntimeDir;
  std::error_code ignored;
  const std::string self = std::filesystem::read_symlink("/proc/self/exe", ignored);
  std::vector<std::string> program = {self, job::kAgentCommand};
  bool unpack_code = false;
  AddInstall(&app, &dir, &unpack_code);
  AddSupervise(&app, &program);
  AddAgent(&app);
  std::vector<std::string> only;
  AddRead(&app, &only);
  CLI11_PARSE(app, argc, argv);
  const bool has_job =
      app.got_subcommand(job::kAgentCommand) || app.got_subcommand(job::kFinaliseCommand);
  worker::InitPodLog(pj::GetEnv, has_job ? job::kManifestFile : "");
  if (app.got_subcommand(job::kInstallCommand)) return Install(dir, unpack_code);
  if (app.got_subcommand(job::kAgentCommand)) return worker::AgentMain();
  if (app.got_subcommand(job::kFinaliseCommand)) return worker::FinaliseMain();
  if (app.got_subcommand(job::kReadCommand)) return worker::ReadMain(only);
  return worker::Supervise({.argv = program});
}

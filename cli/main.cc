// paralleljob: parallel batch jobs for Kubernetes, and on one machine. Maps argv to commands.h.
#include <malloc.h>
#include <CLI/CLI.hpp>

#include <csignal>
#include <string>

#include "base/log.h"
#include "cli/commands.h"
#include "cli/exit_codes.h"

namespace {

using pj::cli::FileOptions;

void AddOutputFormat(CLI::App* command, bool* json) {
  command
      ->add_option_function<std::string>(
          "-o", [json](const std::string& format) { *json = format == "json"; },
          "output format: text or json")
      ->check(CLI::IsMember({"text", "json"}));
}

void AddPairs(CLI::App* command, const std::string& flag, std::map<std::string, std::string>* into,
              const std::string& help) {
  auto take = [into, flag](const std::vector<std::string>& pairs) {
    for (const std::string& pair : pairs) {
      const size_t equals = pair.find('=');
      if (equals == std::string::npos || equals == 0) {
        throw CLI::ValidationError(flag, "'" + pair + "' is not NAME=VALUE");
      }
      (*into)[pair.substr(0, equals)] = pair.substr(equals + 1);
    }
  };
  command->add_option_function<std::vector<std::string>>(flag, take, help)
      ->type_name("NAME=VALUE")
      ->allow_extra_args(false);
}

void AddFileOptions(CLI::App* command, FileOptions* file) {
  command->add_option("-f,--filename", file->files, "job file: manifest or Azure pipeline.yml")
      ->required()
      ->type_name("FILE");
  AddPairs(command, "--input", &file->input_paths, "where an input lies on this machine");
  AddPairs(command, "--image", &file->images, "container image for a registered environment");
  command
      ->add_option("--set", file->set, "change a field of the manifest, e.g. spec.instanceCount=4")
      ->type_name("FIELD=VALUE")
      ->allow_extra_args(false);
  command->add_flag("--strict", file->strict, "warnings are errors");
  AddOutputFormat(command, &file->json);
}

struct AllOptions {
  pj::cli::RunOptions run;
  pj::cli::PlanOptions plan;
  pj::cli::ValidateOptions validate;
  pj::cli::ConvertOptions convert;
  pj::cli::DirOptions status;
  pj::cli::DirOptions verify;
};

void AddRun(CLI::App* app, pj::cli::RunOptions* run) {
  CLI::App* command = app->add_subcommand("run", "run a job on this machine and wait for it");
  AddFileOptions(command, &run->file);
  command->add_option("--output", run->output_dir, "folder of the results (default ./<job>-output)")
      ->type_name("DIR");
  command
      ->add_option("--env", run->env,
                   "current: the python3 on PATH; venv: a cached environment from condaFile or pip")
      ->check(CLI::IsMember({"current", "venv"}));
  command->add_flag("--fresh", run->fresh, "forget an earlier run in DIR and start again");
  command->add_flag("-q,--quiet", run->quiet, "no progress");
  command->add_option("--tick-ms", run->tick_ms, "commit progress this often, in milliseconds")
      ->check(CLI::Range(1, 60'000));
  command->footer(
      "Started again over an unfinished DIR it goes on where it was; Ctrl-C stops in order.\n"
      "Example: paralleljob run -f examples/iris/job.yaml --input iris=./data --output ./out");
}

void AddDir(CLI::App* app, const std::string& name, const std::string& help,
            pj::cli::DirOptions* options) {
  CLI::App* command = app->add_subcommand(name, help);
  command->add_option("DIR", options->dir, "folder of a local run")->required();
  AddOutputFormat(command, &options->json);
  command->footer("Example: paralleljob " + name + " ./iris-output");
}

void AddCommands(CLI::App* app, AllOptions* all) {
  AddRun(app, &all->run);
  CLI::App* plan =
      app->add_subcommand("plan", "print the mini-batches of a job without running it");
  AddFileOptions(plan, &all->plan.file);
  plan->add_flag("--all", all->plan.all, "every mini-batch, a line each");
  plan->footer("Example: paralleljob plan -f job.yaml --all -o json");
  CLI::App* validate =
      app->add_subcommand("validate", "report every error and warning of job files");
  AddFileOptions(validate, &all->validate.file);
  CLI::Option* fields = validate->add_flag(
      "--fields", all->validate.fields, "list every field of a manifest: values, default, meaning");
  validate->get_option("--filename")->required(false)->excludes(fields);
  validate->footer(
      "Examples: paralleljob validate --strict -f job.yaml -f pipeline.yml\n"
      "          paralleljob validate --fields -o json");
  CLI::App* convert = app->add_subcommand("convert", "print an Azure YAML job as a manifest");
  AddFileOptions(convert, &all->convert.file);
  convert->footer("Example: paralleljob convert -f pipeline.yml > job.yaml");
  AddDir(app, "status", "how far a local run is", &all->status);
  AddDir(app, "verify", "recount output, ledger and reports against each other", &all->verify);
}

int Dispatch(const CLI::App& app, const AllOptions& all) {
  if (app.got_subcommand("run")) return pj::cli::RunCommand(all.run);
  if (app.got_subcommand("plan")) return pj::cli::PlanCommand(all.plan);
  if (app.got_subcommand("validate")) return pj::cli::ValidateCommand(all.validate);
  if (app.got_subcommand("convert")) return pj::cli::ConvertCommand(all.convert);
  if (app.got_subcommand("status")) return pj::cli::StatusCommand(all.status);
  return pj::cli::VerifyCommand(all.verify);
}

// Large blocks go back to the system as soon as they are freed. By default glibc keeps more, the
// larger the blocks that it has seen: after planning a million files, tens of megabytes.
void ReturnMemoryEarly() {
  constexpr int kLargeBlock = 256 << 10;
  ::mallopt(M_MMAP_THRESHOLD, kLargeBlock);
  ::mallopt(M_TRIM_THRESHOLD, 2 * kLargeBlock);
  ::mallopt(M_ARENA_MAX, 2);  // each thread's own keeps what that thread has freed
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  ReturnMemoryEarly();
  pj::log::Init(pj::log::Level::kWarning);
  CLI::App app{"Parallel batch jobs: mini-batches over processes, every row exactly once."};
  app.name("paralleljob");
  app.set_version_flag("--version", PJ_VERSION);
  app.require_subcommand(1);
  AllOptions all;
  AddCommands(&app, &all);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp& help) {
    return app.exit(help);
  } catch (const CLI::CallForVersion& version) {
    return app.exit(version);
  } catch (const CLI::ParseError& error) {
    app.exit(error);
    return pj::cli::kExitBadInput;
  }
  return Dispatch(app, all);
}

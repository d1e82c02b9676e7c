#include "cli/command_line.h"

#include <CLI/CLI.hpp>
#include <exception>
#include <filesystem>
#include <new>
#include <sstream>
#include <string>

#include "cli/commands.h"
#include "cli/console.h"
#include "cli/exit_codes.h"
#include "cli/print.h"
#include "cli/usage.h"

namespace pj::cli {
namespace {

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
  AddPairs(command, "--image", &file->images,
           "container image: of a registered environment, of the step or of the job NAME");
  command
      ->add_option("--set", file->set, "change a field of the manifest, e.g. spec.instanceCount=4")
      ->type_name("FIELD=VALUE")
      ->allow_extra_args(false);
  command->add_flag("--strict", file->strict, "warnings are errors");
  AddOutputFormat(command, &file->json);
}

struct AllOptions {
  RunOptions run;
  PlanOptions plan;
  ValidateOptions validate;
  ConvertOptions convert;
  SubmitOptions submit;
  JobOptions job;  // of all commands that name a job
  FetchOptions fetch;
  LogsOptions logs;
  DoctorOptions doctor;
  DirOptions verify;
};

void AddRun(CLI::App* app, RunOptions* run) {
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
      "Started again over an unfinished DIR it goes on where it was, over a finished one it shows\n"
      "the result; a job that differs from the DIR's needs --fresh. Ctrl-C stops in order.\n"
      "Example: paralleljob run -f examples/iris/job.yaml --input flowers=./data --output ./out");
}

void AddDir(CLI::App* app, const std::string& name, const std::string& help, DirOptions* options) {
  CLI::App* command = app->add_subcommand(name, help);
  command->add_option("DIR", options->dir, "folder of a local run")->required();
  AddOutputFormat(command, &options->json);
  command->footer("Example: paralleljob " + name + " ./iris-output");
}

void AddCluster(CLI::App* command, ClusterOptions* cluster) {
  command->add_option("--kubeconfig", cluster->kubeconfig, "file that names the cluster")
      ->type_name("FILE");
  command->add_option("--context", cluster->context, "context of the kubeconfig file")
      ->type_name("NAME");
  command->add_option("-n,--namespace", cluster->ns, "namespace (default: the context's)")
      ->type_name("NAME");
}

void AddSubmit(CLI::App* app, SubmitOptions* submit) {
  CLI::App* command =
      app->add_subcommand("submit", "start a job on a cluster, its code and small inputs with it");
  AddFileOptions(command, &submit->file);
  AddCluster(command, &submit->cluster);
  AddPairs(command, "--output", &submit->outputs, "where an output goes: pvc:CLAIM/path");
  command->add_flag("--wait", submit->wait, "show progress and end with the job");
  command->footer(
      "Example: paralleljob submit -f job.yaml --image iris=registry/python:3.11 \\\n"
      "           --input flowers=pvc:data/iris --output scored=pvc:results/iris.csv --wait");
}

CLI::App* AddJob(CLI::App* app, const std::string& name, const std::string& help, JobOptions* job) {
  CLI::App* command = app->add_subcommand(name, help);
  command->add_option("JOB", job->job, "name of the job")->required();
  AddCluster(command, &job->cluster);
  AddOutputFormat(command, &job->json);
  command->footer("Example: paralleljob " + name + " iris -n research");
  return command;
}

void AddJobCommands(CLI::App* app, JobOptions* job) {
  CLI::App* status = AddJob(app, "status", "how a job stands: on a cluster, or in a folder", job);
  status->get_option("JOB")->required(false)->description(
      "name of the job, or folder of a local run; none lists the namespace's jobs");
  status->footer(
      "Examples: paralleljob status iris -n research\n"
      "          paralleljob status ./iris-output");
  AddJob(app, "errors", "what failed: kinds of errors, how often, where to look", job);
  AddJob(app, "suspend", "stop a job's pods in order; its progress is kept", job);
  AddJob(app, "resume", "go on with a suspended job", job);
  CLI::App* scale = AddJob(app, "scale", "change how many worker pods a job has", job);
  scale->add_option("--instances", job->instances, "worker pods")->required()->type_name("N");
  scale->footer("Example: paralleljob scale iris --instances 8");
  AddJob(app, "cancel", "end a job for good; what is committed is kept", job);
  AddJob(app, "top", "what each worker of a job does, and where", job);
}

CLI::App* AddForJob(CLI::App* app, const std::string& name, const std::string& help,
                    std::string* job, ClusterOptions* cluster) {
  CLI::App* command = app->add_subcommand(name, help);
  command->add_option("JOB", *job, "name of the job")->required();
  AddCluster(command, cluster);
  return command;
}

void AddLogs(CLI::App* app, LogsOptions* logs) {
  CLI::App* command = AddForJob(app, "logs",
                                "what a job's pods print; of a job that has ended, "
                                "why it did",
                                &logs->job, &logs->cluster);
  command->add_flag("-f,--follow", logs->follow, "print lines as they come, until the job ends");
  command
      ->add_option("--mini-batch", logs->mini_batch,
                   "every attempt of this mini-batch, with tracebacks, from the log folder")
      ->check(CLI::NonNegativeNumber)
      ->type_name("N");
  command->add_option("--instance", logs->instance, "one instance only")
      ->check(CLI::NonNegativeNumber)
      ->type_name("N");
  command->add_option("-c,--container", logs->container, "one container only")
      ->check(CLI::IsMember({"agent", "user"}));
  command->add_option("--tail", logs->tail, "the last lines of each container only")
      ->check(CLI::NonNegativeNumber)
      ->type_name("LINES");
  command
      ->add_option("--worker-image", logs->worker_image,
                   "image of the pod that reads the log folder (default: that of the job's pods)")
      ->type_name("REF");
  for (const char* other : {"--follow", "--instance", "--container", "--tail"}) {
    command->get_option("--mini-batch")->excludes(command->get_option(other));
  }
  AddOutputFormat(command, &logs->json);
  command->footer(
      "Examples: paralleljob logs iris -f\n"
      "          paralleljob logs iris --mini-batch 17");
}

void AddFetch(CLI::App* app, FetchOptions* fetch) {
  CLI::App* command = AddForJob(app, "fetch",
                                "bring a job's outputs and logs here, checked by "
                                "length and SHA-256",
                                &fetch->job, &fetch->cluster);
  command->add_option("--output", fetch->output_dir, "folder to write (default ./<job>-output)")
      ->type_name("DIR");
  command->add_flag("--no-logs", fetch->no_logs, "outputs only");
  command
      ->add_option("--worker-image", fetch->worker_image,
                   "image of the pod that reads the volumes (default: that of the job's pods)")
      ->type_name("REF");
  AddOutputFormat(command, &fetch->json);
  command->footer("Example: paralleljob fetch iris --output ./results");
}

void AddDoctor(CLI::App* app, DoctorOptions* doctor) {
  CLI::App* command = app->add_subcommand(
      "doctor", "check the cluster: reachable, definition, operator, permissions");
  AddCluster(command, &doctor->cluster);
  command
      ->add_option("--operator-namespace", doctor->operator_namespace,
                   "look for the operator only here (default: everywhere)")
      ->type_name("NAME");
  AddOutputFormat(command, &doctor->json);
  command->footer("Example: paralleljob doctor -n research");
}

void AddCommands(CLI::App* app, AllOptions* all) {
  AddRun(app, &all->run);
  CLI::App* plan =
      app->add_subcommand("plan", "print the mini-batches of a job without running it");
  AddFileOptions(plan, &all->plan.file);
  plan->add_flag("--all", all->plan.all, "every mini-batch, a line each");
  plan->add_option("--output", all->plan.output_dir,
                   "folder that the run will write, left out of the data (default ./<job>-output)")
      ->type_name("DIR");
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
  CLI::App* convert = app->add_subcommand(
      "convert", "print a job as a manifest, or make a folder for GitOps of it");
  AddFileOptions(convert, &all->convert.file);
  convert
      ->add_option("--out", all->convert.out_dir,
                   "write the job, its code in ConfigMaps and kustomization.yaml here")
      ->type_name("DIR");
  AddPairs(convert, "--output", &all->convert.outputs, "where an output goes: pvc:CLAIM/path");
  convert->footer(
      "Examples: paralleljob convert -f pipeline.yml > job.yaml\n"
      "          paralleljob convert -f job.yaml --image iris=registry/python:3.11 \\\n"
      "            --input flowers=pvc:data/iris --output scored=pvc:results/iris.csv --out "
      "deploy\n"
      "          kubectl apply -k deploy");
  AddSubmit(app, &all->submit);
  AddJobCommands(app, &all->job);
  AddLogs(app, &all->logs);
  AddFetch(app, &all->fetch);
  AddDoctor(app, &all->doctor);
  AddDir(app, "verify", "recount output, ledger and reports against each other", &all->verify);
}

int Dispatch(const CLI::App& app, const AllOptions& all) {
  if (app.got_subcommand("run")) return RunCommand(all.run);
  if (app.got_subcommand("plan")) return PlanCommand(all.plan);
  if (app.got_subcommand("validate")) return ValidateCommand(all.validate);
  if (app.got_subcommand("convert")) return ConvertCommand(all.convert);
  if (app.got_subcommand("submit")) return SubmitCommand(all.submit);
  if (app.got_subcommand("status")) return StatusCommand(all.job);
  if (app.got_subcommand("errors")) return ErrorsCommand(all.job);
  if (app.got_subcommand("suspend")) return SuspendCommand(all.job);
  if (app.got_subcommand("resume")) return ResumeCommand(all.job);
  if (app.got_subcommand("scale")) return ScaleCommand(all.job);
  if (app.got_subcommand("cancel")) return CancelCommand(all.job);
  if (app.got_subcommand("top")) return TopCommand(all.job);
  if (app.got_subcommand("logs")) return LogsCommand(all.logs);
  if (app.got_subcommand("fetch")) return FetchCommand(all.fetch);
  if (app.got_subcommand("doctor")) return DoctorCommand(all.doctor);
  return VerifyCommand(all.verify);
}

// The command line as a person types it into a shell.
std::string Typed(const std::string& name, int argc, char** argv) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:=,@%+";
  std::string out = name;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    out += ' ';
    if (!word.empty() && word.find_first_not_of(kPlain) == std::string::npos) {
      out += word;
      continue;
    }
    out += '\'';
    for (const char c : word) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
    out += '\'';
  }
  return out;
}

// What a command line says that cannot be understood. `help` and `help COMMAND` are no mistakes.
int Misused(const CLI::App& app, std::vector<std::string> words, const std::string& said) {
  Usage usage{.words = std::move(words), .said = said};
  const CLI::App* named = &app;
  const std::string command = usage.words.empty() ? "" : usage.words[0];
  const bool help = command == "help";
  for (const CLI::App* each : app.get_subcommands({})) {
    usage.commands.push_back(each->get_name());
    const std::string& wanted = help && usage.words.size() > 1 ? usage.words[1] : command;
    if (each->get_name() == wanted) named = each;
  }
  if (help && (usage.words.size() == 1 || named != &app)) {
    WriteOut(named->help(named == &app ? "" : app.get_name()));
    return kExitDone;
  }
  for (const CLI::Option* option : named->get_options()) {
    for (const std::string& name : option->get_lnames()) usage.flags.push_back("--" + name);
  }
  PrintError(UsageError(usage));
  return kExitBadInput;
}

void Describe(CLI::App* app, const char* program, AllOptions* all) {
  const std::string called = std::filesystem::path(program).filename().string();
  app->name(called == "kubectl-parallel" ? "kubectl parallel" : "paralleljob");
  app->set_version_flag("--version", PJ_VERSION);
  app->require_subcommand(1);
  AddCommands(app, all);
}

// What CLI11 prints for --help and --version.
int Answered(const CLI::App& app, const CLI::Success& asked) {
  std::ostringstream text;
  const int code = app.exit(asked, text, text);
  WriteOut(text.str());
  return code;
}

int Run(CLI::App* app, AllOptions* all, int argc, char** argv) {
  all->submit.file.typed = all->convert.file.typed = Typed(app->get_name(), argc, argv);
  try {
    app->parse(argc, argv);
  } catch (const CLI::Success& asked) {
    return Answered(*app, asked);
  } catch (const CLI::ParseError& error) {
    return Misused(*app, {argv + 1, argv + argc}, error.what());
  }
  return Dispatch(*app, *all);
}

// Nothing should throw so far; what does is said as every other error.
int Broken(const CLI::App& app, const std::exception& thrown) {
  bool json = false;
  for (const CLI::App* command : app.get_subcommands()) {
    const CLI::Option* format = command->get_option_no_throw("-o");
    json = format != nullptr && format->count() > 0 && format->results().back() == "json";
  }
  Error error{Code::kInternal, thrown.what(), "",
              "this is a mistake of paralleljob; a run goes on when it is started again"};
  if (dynamic_cast<const std::bad_alloc*>(&thrown) != nullptr) {
    error.message = "there is not enough memory";
    error.hint = "free some, or raise its limit; a run goes on when it is started again";
  }
  return app.got_subcommand("run") || app.got_subcommand("plan") ? NotStarted(error, json)
                                                                 : Refused(error, json);
}

}  // namespace

int RunCommandLine(int argc, char** argv) {
  CLI::App app{"Parallel batch jobs: mini-batches over processes, every row exactly once."};
  AllOptions all;
  try {
    Describe(&app, argv[0], &all);
    return Run(&app, &all, argc, argv);
  } catch (const std::exception& thrown) {
    return Broken(app, thrown);
  }
}

}  // namespace pj::cli

// The commands of `paralleljob`: options in, exit code out. main.cc maps argv to these.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace pj::cli {

// What every command that reads a job file takes.
struct FileOptions {
  std::vector<std::string> files;                  // -f
  std::map<std::string, std::string> input_paths;  // --input NAME=PATH
  std::map<std::string, std::string> images;       // --image NAME=REF
  std::vector<std::string> set;                    // --set spec.field=value
  bool strict = false;
  bool json = false;  // -o json
  std::string typed;  // the whole command line, for a message that says what to type instead
};

struct RunOptions {
  FileOptions file;
  std::string output_dir;       // --output; empty: ./<job>-output
  std::string env = "current";  // current, venv
  bool fresh = false;
  bool quiet = false;  // no progress
  int tick_ms = 200;
};

struct PlanOptions {
  FileOptions file;
  std::string output_dir;  // --output; empty: ./<job>-output. Left out of the data, as by `run`
  bool all = false;
};

struct ConvertOptions {
  FileOptions file;
  std::string out_dir;                         // --out: a folder for GitOps instead of stdout
  std::map<std::string, std::string> outputs;  // --output NAME=pvc:CLAIM/path
};

struct ValidateOptions {
  FileOptions file;
  bool fields = false;  // --fields: the table of all fields instead of findings
};

// Which cluster: as kubectl's options of these names.
struct ClusterOptions {
  std::string kubeconfig;
  std::string context;
  std::string ns;  // -n
};

struct SubmitOptions {
  FileOptions file;
  ClusterOptions cluster;
  std::map<std::string, std::string> outputs;  // --output NAME=pvc:CLAIM/path
  bool wait = false;
};

struct JobOptions {  // status, errors, suspend, resume, scale, cancel, top
  std::string job;   // status: empty lists all
  ClusterOptions cluster;
  int64_t instances = 0;  // scale
  bool json = false;
};

struct DoctorOptions {
  ClusterOptions cluster;
  std::string operator_namespace;  // --operator-namespace; empty: looks in all
  bool json = false;
};

struct FetchOptions {
  std::string job;
  ClusterOptions cluster;
  std::string output_dir;    // --output; empty: ./<job>-output
  std::string worker_image;  // --worker-image; empty: that of the job's pods
  bool no_logs = false;
  bool json = false;
};

struct LogsOptions {
  std::string job;
  ClusterOptions cluster;
  std::string container;    // --container: agent, user; empty: both
  int64_t instance = -1;    // --instance; -1: all
  int64_t mini_batch = -1;  // --mini-batch
  int64_t tail = -1;        // --tail: lines of each container
  bool follow = false;
  std::string worker_image;
  bool json = false;  // an object for each line
};

struct DirOptions {  // verify; status of a folder
  std::string dir;
  bool json = false;
};

int RunCommand(const RunOptions& options);
int PlanCommand(const PlanOptions& options);
int ValidateCommand(const ValidateOptions& options);
int ConvertCommand(const ConvertOptions& options);
int SubmitCommand(const SubmitOptions& options);
// A folder is a local run, anything else a job of a cluster.
int StatusCommand(const JobOptions& options);
int DirStatus(const DirOptions& options);
int JobStatus(const JobOptions& options);
int ErrorsCommand(const JobOptions& options);
int SuspendCommand(const JobOptions& options);
int ResumeCommand(const JobOptions& options);
int ScaleCommand(const JobOptions& options);
int CancelCommand(const JobOptions& options);
int FetchCommand(const FetchOptions& options);
int LogsCommand(const LogsOptions& options);
int TopCommand(const JobOptions& options);
int DoctorCommand(const DoctorOptions& options);
int VerifyCommand(const DirOptions& options);

}  // namespace pj::cli

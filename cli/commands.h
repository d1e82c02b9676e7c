// The commands of `paralleljob`: options in, exit code out. main.cc maps argv to these.
#pragma once

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
  bool all = false;
};

struct ConvertOptions {
  FileOptions file;
};

struct ValidateOptions {
  FileOptions file;
  bool fields = false;  // --fields: the table of all fields instead of findings
};

struct DirOptions {  // status, verify
  std::string dir;
  bool json = false;
};

int RunCommand(const RunOptions& options);
int PlanCommand(const PlanOptions& options);
int ValidateCommand(const ValidateOptions& options);
int ConvertCommand(const ConvertOptions& options);
int StatusCommand(const DirOptions& options);
int VerifyCommand(const DirOptions& options);

}  // namespace pj::cli

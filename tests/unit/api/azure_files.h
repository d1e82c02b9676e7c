// Azure YAML on disk for the tests: a folder with code, data and the files that a test writes.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "api/load.h"
#include "unit/temp_dir.h"

namespace pj::api {

class AzureFiles {
 public:
  AzureFiles() {
    Write("src/score.py", "def init(): pass\ndef run(b): return b\n");
    Write("data/a.txt", "1\n");
  }
  AzureFiles(const AzureFiles&) = delete;
  AzureFiles& operator=(const AzureFiles&) = delete;

  std::string Path(const std::string& name) const { return dir_ + "/" + name; }
  void Write(const std::string& name, const std::string& text) const {
    std::filesystem::create_directories(std::filesystem::path(Path(name)).parent_path());
    std::ofstream(Path(name)) << text;
  }

 private:
  const TempDir temp_;
  const std::string& dir_ = temp_.str();
};

// What loading a file gave.
struct Loaded {
  std::vector<LoadedJob> jobs;
  Diagnostics found;

  std::string Texts(Severity severity) const {
    std::string out;
    for (const Diagnostic& d : found.all()) {
      if (d.severity == severity) out += d.ToString() + "\n";
    }
    return out;
  }
  std::string Errors() const { return Texts(Severity::kError); }
  std::string Warnings() const { return Texts(Severity::kWarning); }
  const ParallelJobSpec& spec() const { return jobs.at(0).job.spec; }
};

inline Loaded LoadFile(const std::string& path, const LoadOptions& options = {}) {
  Loaded out;
  out.jobs = LoadJobFile(path, options, &out.found);
  return out;
}

// `text` as FILE in `files`, which must load without an error.
inline Loaded MustLoad(const AzureFiles& files, const std::string& text,
                       const LoadOptions& options = {}) {
  files.Write("job.yml", text);
  Loaded out = LoadFile(files.Path("job.yml"), options);
  EXPECT_EQ(out.Errors(), "") << text;
  EXPECT_EQ(out.jobs.size(), 1u);
  if (out.jobs.empty()) out.jobs.emplace_back();
  return out;
}

// The one error of `text`, told from its line on ("12:5: error: …").
inline std::string ErrorOf(const AzureFiles& files, const std::string& text,
                           const LoadOptions& options = {}) {
  files.Write("job.yml", text);
  std::string errors = LoadFile(files.Path("job.yml"), options).Errors();
  const std::string prefix = files.Path("job.yml") + ":";
  if (errors.starts_with(prefix)) errors = errors.substr(prefix.size());
  return errors;
}

// Replaces the first `from`, which must be there.
inline std::string With(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  if (at != std::string::npos) text.replace(at, from.size(), to);
  return text;
}

inline constexpr char kBare[] = R"(type: parallel
name: Bare Job
inputs:
  data:
    type: uri_folder
    path: ./data
  factor: 0.1
outputs:
  rows:
    type: uri_file
input_data: ${{inputs.data}}
mini_batch_size: "5"
task:
  code: ./src
  entry_script: score.py
  environment:
    image: registry/x:1
  program_arguments: --factor ${{inputs.factor}}
  append_row_to: ${{outputs.rows}}
)";

inline constexpr char kPipeline[] = R"(type: pipeline
display_name: My Pipeline!
inputs:
  images:
    type: uri_folder
    mode: download
    path: ./data
  threshold: 7
  text: a b
outputs:
  found:
    type: uri_file
    path: azureml://datastores/${{default_datastore}}/paths/${{name}}/found.csv
settings:
  default_compute: azureml:cpu
jobs:
  identify:
    type: parallel
    inputs:
      pictures: ${{parent.inputs.images}}
      words: ${{parent.inputs.text}}
    outputs:
      result: ${{parent.outputs.found}}
    input_data: ${{inputs.pictures}}
    mini_batch_size: "5"
    resources:
      instance_count: 2
    max_concurrency_per_instance: 3
    mini_batch_error_threshold: ${{parent.inputs.threshold}}
    logging_level: debug
    retry_settings:
      max_retries: 4
      timeout: 90
    environment_variables:
      A: 1
      B: yes
      C: x-${{parent.inputs.threshold}}-y
    task:
      type: run_function
      code: ./src
      entry_script: score.py
      environment:
        image: registry/x:1
      program_arguments: >-
        --words ${{inputs.words}}
        --allowed_failed_percent 30
        --resource_monitor_interva 20
        --append_row_dataframe_header
      append_row_to: ${{outputs.result}}
)";

}  // namespace pj::api

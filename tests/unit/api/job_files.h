// Files of a job for tests: a temporary folder with a script, manifests that differ in a few lines.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "api/load.h"
#include "unit/temp_dir.h"

namespace pj::api {

struct LoadedFile {
  std::vector<LoadedJob> jobs;
  Diagnostics found;

  std::string Text() const {
    std::string out;
    for (const Diagnostic& d : found.all()) out += d.ToString() + "\n";
    return out;
  }
  size_t Count(Severity severity) const {
    size_t count = 0;
    for (const Diagnostic& d : found.all()) count += d.severity == severity;
    return count;
  }
  const ParallelJobSpec& spec() const { return jobs.at(0).job.spec; }
};

// A folder of its own for each test, with code/score.py in it.
class JobFiles : public ::testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directories(dir_ + "/code/pkg");
    Write("code/score.py", "def run(batch): return batch\n");
    Write("code/pkg/main.py", "def run(batch): return batch\n");
  }

  void Write(const std::string& name, const std::string& text) const {
    std::ofstream(dir_ + "/" + name, std::ios::binary) << text;
  }
  LoadedFile Load(const std::string& text, const LoadOptions& options = {}) const {
    Write("job.yaml", text);
    LoadedFile out;
    out.jobs = LoadJobFile(dir_ + "/job.yaml", options, &out.found);
    return out;
  }
  // A good manifest, `spec` being further lines of its spec and `task` of its task.
  static std::string Manifest(const std::string& spec = "", const std::string& task = "") {
    std::string out =
        "apiVersion: paralleljob.dev/v1alpha1\n"
        "kind: ParallelJob\n"
        "metadata: {name: hello}\n"
        "spec:\n"
        "  inputs:\n"
        "  - {name: data, path: data}\n"
        "  - {name: limit, value: 7}\n"
        "  - {name: table, type: mltable, mode: direct, path: data}\n"
        "  outputs:\n"
        "  - {name: rows, type: uri_file, path: rows.csv}\n"
        "  inputData: ${{inputs.data}}\n"
        "  task:\n"
        "    code: {local: code}\n"
        "    entryScript: score.py\n";
    const bool writes = task.contains("appendRowTo") || task.contains("programArguments");
    if (!writes) out += "    appendRowTo: ${{outputs.rows}}\n";
    for (const auto& [lines, indent] : {std::pair(task, "    "), std::pair(spec, "  ")}) {
      size_t begin = 0;
      while (begin < lines.size()) {
        const size_t end = std::min(lines.find('\n', begin), lines.size());
        out += indent + lines.substr(begin, end - begin) + "\n";
        begin = end + 1;
      }
    }
    return out;
  }

  const TempDir temp_;
  const std::string& dir_ = temp_.str();
};

}  // namespace pj::api

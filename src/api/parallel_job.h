// ParallelJob v1alpha1: the one set of types behind the manifest and the Azure YAML.
// Source of every default and range: docs/contract (settings table).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace pj::api {

inline constexpr char kApiVersion[] = "paralleljob.dev/v1alpha1";
inline constexpr char kKind[] = "ParallelJob";

// Where a setting's value came from (shown in status.effective).
enum class Origin { kDefault, kManifest, kFlag };

template <class T>
struct Setting {
  T value{};
  Origin origin = Origin::kDefault;

  bool IsSet() const { return origin != Origin::kDefault; }
  void Set(T v, Origin from = Origin::kManifest) {
    value = std::move(v);
    origin = from;
  }
  bool operator==(const Setting& other) const { return value == other.value; }
};

enum class DataType {
  kUriFile,
  kUriFolder,
  kMltable,
  kMlflowModel,
  kCustomModel,
  kTritonModel,
  kLiteral
};
enum class InputMode { kRoMount, kDownload, kDirect };
enum class OutputMode { kRwMount, kUpload, kDirect };
enum class OutputFormat { kText, kCsv, kJsonl, kParquet };
enum class SuccessPolicy { kAuto, kRowCount, kNoException };
enum class LoggingLevel { kDebug, kInfo, kWarning };
enum class RerunPolicy { kAll, kFailedOnly };
enum class LogsPolicy { kKeep, kNone };

// A Kubernetes volume source (or any other pod fragment), kept as compact JSON text; empty = none.
using KubeJson = std::string;

struct Input {
  std::string name;
  DataType type = DataType::kUriFolder;
  std::string path;               // below `volume`, or a local path
  std::optional<InputMode> mode;  // unset: kRoMount, for a tabular mltable kDirect
  KubeJson volume;
  std::string value;     // kLiteral: as Python's str() would write it
  std::string base_dir;  // folder of the file that names `path`; not part of the manifest
  bool operator==(const Input&) const = default;
};

struct Output {
  std::string name;
  DataType type = DataType::kUriFolder;
  std::string path;
  std::optional<OutputMode> mode;
  KubeJson volume;
  std::optional<OutputFormat> format;  // unset: by the file's extension
  std::optional<bool> header;          // csv, text of DataFrames
  bool operator==(const Output&) const = default;
};

// Exactly one of the three is meant; unset = 10 files or 1 MB.
struct MiniBatchSize {
  enum class Unit { kFiles, kBytes, kRows };
  Unit unit = Unit::kFiles;
  uint64_t count = 10;
  bool operator==(const MiniBatchSize&) const = default;
};

struct RetrySettings {
  Setting<int64_t> max_retries{2};
  Setting<int64_t> timeout_seconds{60};
  bool operator==(const RetrySettings&) const = default;
};

struct Code {
  enum class Source { kNone, kLocal, kConfigMap, kArchive, kVolume, kGit, kImage };
  Source source = Source::kNone;
  std::string local;     // kLocal: a folder; kImage: a folder in the image
  KubeJson reference;    // the others: as in the manifest
  std::string base_dir;  // folder of the file that names `local`; not part of the manifest
  bool operator==(const Code&) const = default;
};

struct Environment {
  std::string image;
  std::string conda_file;  // path, or the file's text when it has a newline
  std::vector<std::string> pip;
  std::map<std::string, std::string> variables;
  std::string base_dir;
  bool operator==(const Environment&) const = default;
};

struct Task {
  std::string type = "run_function";
  Code code;
  std::string entry_script;
  Environment environment;
  std::string program_arguments;  // as written; see SplitProgramArguments
  std::string append_row_to;      // NAME of the output; empty = none
  bool operator==(const Task&) const = default;
};

// Paths of fields without an Origin that flags in programArguments gave; as with Origin, where a
// value came from makes no two specs different.
struct FlagFields {
  std::set<std::string> paths;
  bool operator==(const FlagFields& /*other*/) const { return true; }
};

struct ParallelJobSpec {
  std::vector<Input> inputs;
  std::vector<Output> outputs;
  std::vector<std::string> input_data;  // NAMEs of the major inputs
  std::optional<MiniBatchSize> mini_batch_size;
  std::vector<std::string> partition_keys;
  Setting<int64_t> instance_count{1};
  std::optional<int64_t> max_concurrency_per_instance;
  RetrySettings retry_settings;
  Setting<int64_t> mini_batch_error_threshold{-1};
  Setting<int64_t> error_threshold{-1};
  Setting<int64_t> allowed_failed_percent{100};
  Setting<int64_t> task_overhead_timeout_seconds{600};
  Setting<int64_t> init_timeout_seconds{600};
  std::optional<int64_t> progress_update_timeout_seconds;
  Setting<int64_t> first_task_creation_timeout_seconds{600};
  Setting<int64_t> resource_monitor_interval_seconds{600};
  Setting<LoggingLevel> logging_level{LoggingLevel::kInfo};
  Setting<bool> copy_logs_to_parent{false};
  Setting<SuccessPolicy> success_policy{SuccessPolicy::kAuto};
  Task task;
  std::map<std::string, std::string> environment_variables;
  KubeJson pod_template;
  KubeJson work_volume;
  LogsPolicy logs = LogsPolicy::kKeep;
  bool suspend = false;
  bool cancel = false;
  std::string managed_by;
  std::optional<int64_t> active_deadline_seconds;
  std::optional<int64_t> ttl_seconds_after_finished;
  std::string rerun;
  std::optional<RerunPolicy> rerun_policy;  // unset: kAll
  FlagFields from_flags;
  bool operator==(const ParallelJobSpec&) const = default;

  const Input* FindInput(const std::string& name) const;
  const Output* FindOutput(const std::string& name) const;
  // (maxRetries + 1) × (timeout + overhead) unless set.
  int64_t EffectiveProgressTimeoutSeconds() const;
};

struct ParallelJob {
  std::string name;
  std::string ns;  // metadata.namespace
  std::map<std::string, std::string> labels;
  std::map<std::string, std::string> annotations;
  ParallelJobSpec spec;
  bool operator==(const ParallelJob&) const = default;
};

}  // namespace pj::api

// Property: what ToManifest writes is read back as the same job, and written as the same bytes.
#include <gtest/gtest.h>

#include "api/fields.h"
#include "api/load.h"
#include "api/manifest.h"
#include "api/names.h"
#include "api/program_arguments.h"
#include "base/rng.h"
#include "base/yaml_doc.h"

namespace pj::api {
namespace {

class JobMaker {
 public:
  explicit JobMaker(uint64_t seed) : rng_(seed) {}

  ParallelJob Make() {
    ParallelJob job;
    job.name = "job-" + std::to_string(rng_.Below(1000));
    job.ns = Maybe() ? "ns" : "";
    job.labels = TextMap();
    job.annotations = TextMap();
    MakeSpec(&job.spec);
    return job;
  }

 private:
  bool Maybe() { return rng_.Below(2) == 1; }

  // Words that YAML readers are prone to misread.
  std::string Text() {
    static const char* const kTexts[] = {"a",
                                         "true",
                                         "yes",
                                         "y",
                                         "null",
                                         "~",
                                         "5",
                                         "010",
                                         "1e3",
                                         "1:30",
                                         "1_000",
                                         ".5",
                                         "0x1F",
                                         "- a",
                                         "a: b",
                                         "a #b",
                                         "#a",
                                         " a",
                                         "a ",
                                         "é€😀",
                                         "'a'",
                                         "\"a\"",
                                         "a\\b",
                                         "{a}",
                                         "[a]",
                                         "*a",
                                         "&a",
                                         "!a",
                                         "%a",
                                         "@a",
                                         "`a`",
                                         "<<",
                                         "a\nb",
                                         "a\nb\n",
                                         "a\n\n",
                                         "\na",
                                         " a\nb",
                                         "a\n b",
                                         "a\n\tb",
                                         "a\tb",
                                         "${{x}}",
                                         "|",
                                         ">-",
                                         "---",
                                         "...",
                                         "a\n---\nb",
                                         "a\n#c\nb",
                                         "=",
                                         "2020-01-01",
                                         "a/b.c-d",
                                         "./code",
                                         "x:y",
                                         "a\x01"
                                         "b",
                                         "a\r\nb",
                                         "?",
                                         "a, b",
                                         ".inf",
                                         "-",
                                         "NO",
                                         "a\n\n\nb",
                                         "a \nb  \nc"};
    return kTexts[rng_.Below(std::size(kTexts))];
  }
  std::map<std::string, std::string> TextMap() {
    std::map<std::string, std::string> out;
    for (uint64_t i = rng_.Below(4); i > 0; --i) {
      const std::string key = Text();
      if (key != "<<") out[key] = Maybe() ? Text() : "";
    }
    return out;
  }
  std::vector<std::string> Texts() {
    std::vector<std::string> out;
    for (uint64_t i = rng_.Below(3); i > 0; --i) out.push_back(Text());
    return out;
  }
  KubeJson Fragment() {
    static const char* const kFragments[] = {
        "",
        R"({"persistentVolumeClaim":{"claimName":"x"}})",
        R"({"emptyDir":{}})",
        R"({"a":[],"b":{},"c":[1,"2",null,true,1.5],"d":[{"e":"yes","f":[{"g":{"h":1}}]},)"
        R"({"i":""}]})",
        R"({"limits":{"cpu":2,"memory":"10Ki","x":"1e3"},"on":"off","5":"a\nb"})",
        R"({"n":null,"big":9223372036854775807,"t":{"u":{"v":{"w":[[1],[2]]}}}})"};
    return kFragments[rng_.Below(std::size(kFragments))];
  }
  template <class E>
  E Any() {
    return kNames<E>[rng_.Below(std::size(kNames<E>))].first;
  }

  void MakeInputs(ParallelJobSpec* spec) {
    for (uint64_t i = rng_.Below(4); i > 0; --i) {
      Input input;
      input.name = "in" + std::to_string(i);
      if (Maybe()) {
        input.type = DataType::kLiteral;
        input.value = Maybe() ? Text() : "";
      } else {
        input.type = Any<DataType>();
        input.path = Maybe() ? Text() : "";
        if (Maybe()) input.mode = Any<InputMode>();
        input.volume = Fragment();
      }
      spec->inputs.push_back(input);
      if (Maybe()) spec->input_data.push_back(input.name);
    }
    if (spec->input_data.empty()) spec->input_data.push_back("other");
  }

  void MakeOutputs(ParallelJobSpec* spec) {
    for (uint64_t i = rng_.Below(3); i > 0; --i) {
      Output output;
      output.name = "out" + std::to_string(i);
      output.type = Any<DataType>();
      output.path = Maybe() ? Text() : "";
      if (Maybe()) output.mode = Any<OutputMode>();
      output.volume = Fragment();
      if (Maybe()) output.format = Any<OutputFormat>();
      if (Maybe()) output.header = Maybe();
      spec->outputs.push_back(output);
      if (Maybe()) spec->task.append_row_to = output.name;
    }
  }

  void MakeIntegers(ParallelJobSpec* spec) {
    for (const Field& field : Fields()) {
      if (field.slot == nullptr || Maybe()) continue;
      const auto span = static_cast<uint64_t>(field.max - field.min) + 1;
      const int64_t value = field.min + static_cast<int64_t>(rng_.Below(span));
      const IntSlot slot = field.slot(*spec);
      if (auto* const* setting = std::get_if<Setting<int64_t>*>(&slot))
        (*setting)->Set(value);
      else
        *std::get<std::optional<int64_t>*>(slot) = value;
    }
  }

  void MakeTask(Task* task) {
    task->code.source = static_cast<Code::Source>(rng_.Below(6));
    using Source = Code::Source;
    if (task->code.source == Source::kLocal || task->code.source == Source::kImage) {
      task->code.local = Text();
    } else if (task->code.source != Source::kNone) {
      task->code.reference = R"({"name":"x"})";
    }
    task->entry_script = Text();
    task->environment.image = Maybe() ? Text() : "";
    task->environment.conda_file =
        Maybe() ? "name: x\ndependencies:\n- python\n- pip:\n  - a\n" : "";
    task->environment.pip = Texts();
    task->environment.variables = TextMap();
    task->program_arguments = Maybe() ? Text() : "--a ${{ inputs.b }} $[[--c ${{inputs.d}}]]";
  }

  void MakeSpec(ParallelJobSpec* spec) {
    MakeInputs(spec);
    MakeOutputs(spec);
    MakeIntegers(spec);
    MakeTask(&spec->task);
    using Unit = MiniBatchSize::Unit;
    if (Maybe()) {
      spec->mini_batch_size = {Maybe()   ? Unit::kFiles
                               : Maybe() ? Unit::kBytes
                                         : Unit::kRows,
                               (1 + rng_.Below(5000)) << rng_.Below(31)};
    }
    spec->partition_keys = Texts();
    if (Maybe()) spec->logging_level.Set(Any<LoggingLevel>());
    if (Maybe()) spec->copy_logs_to_parent.Set(Maybe());
    if (Maybe()) spec->success_policy.Set(Any<SuccessPolicy>());
    spec->environment_variables = TextMap();
    spec->pod_template = Fragment();
    spec->work_volume = Fragment();
    spec->logs = Any<LogsPolicy>();
    spec->suspend = Maybe();
    spec->cancel = Maybe();
    spec->managed_by = Maybe() ? Text() : "";
    spec->rerun = Maybe() ? Text() : "";
    if (Maybe()) spec->rerun_policy = Any<RerunPolicy>();
  }

  Rng rng_;
};

TEST(ManifestRoundTrip, ReadsBackWhatItWrites) {
  for (uint64_t seed = 1; seed <= 600; ++seed) {
    const ParallelJob job = JobMaker(seed).Make();
    const std::string text = ToManifest(job);
    Diagnostics found;
    ParallelJob stored = job;
    stored.ns.clear();
    stored.labels.clear();
    stored.annotations.clear();
    const auto object = FromStoredJson(ToManifestJson(job));
    ASSERT_TRUE(object) << seed << object.error().ToString();
    EXPECT_EQ(ToManifest(*object), ToManifest(stored)) << seed;
    const auto documents = ParseYaml(text, "m.yaml", YamlDialect::kKubectl, &found);
    ASSERT_EQ(documents.size(), 1u)
        << "seed " << seed << "\n"
        << (found.all().empty() ? "" : found.all()[0].ToString()) << "\n"
        << text;
    Places places("m.yaml");
    const ParallelJob read = ReadManifest(documents[0], "", &places, &found);
    std::string errors;
    for (const Diagnostic& d : found.all()) errors += d.ToString() + "\n";
    ASSERT_EQ(errors, "") << "seed " << seed << "\n" << text;
    ASSERT_EQ(ToManifest(read), text) << "seed " << seed;
    ASSERT_TRUE(read == job) << "seed " << seed << "\n" << text;
  }
}

TEST(ManifestRoundTrip, KeepsWhatFlagsSet) {
  ParallelJob job;
  job.name = "x";
  job.spec.input_data = {"a"};
  job.spec.task.program_arguments = "--error_threshold 5 --progress_update_timeout 9 z";
  Diagnostics found;
  SplitProgramArguments(job.spec.task.program_arguments, &job.spec, {}, &found);
  const auto documents = ParseYaml(ToManifest(job), "m.yaml", YamlDialect::kKubectl, &found);
  ASSERT_EQ(documents.size(), 1u);
  Places places("m.yaml");
  ParallelJob read = ReadManifest(documents[0], "", &places, &found);
  EXPECT_FALSE(places.Has("spec.errorThreshold")) << "it stands in the arguments";
  SplitProgramArguments(read.spec.task.program_arguments, &read.spec, {}, &found);
  EXPECT_TRUE(found.all().empty());
  EXPECT_TRUE(read == job);
}

}  // namespace
}  // namespace pj::api

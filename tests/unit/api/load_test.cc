#include "api/load.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/validate.h"
#include "tests/unit/api/job_files.h"

namespace pj::api {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

using LoadFile = JobFiles;

TEST_F(LoadFile, ReadsAManifest) {
  const LoadedFile f = Load(Manifest("miniBatchSize: 5\nretrySettings: {maxRetries: 0}"));
  EXPECT_EQ(f.Text(), "");
  ASSERT_EQ(f.jobs.size(), 1u);
  EXPECT_EQ(f.jobs[0].job.name, "hello");
  EXPECT_FALSE(f.jobs[0].from_azure);
  EXPECT_EQ(f.spec().inputs[0].base_dir, dir_);
  EXPECT_EQ(f.spec().inputs[1].type, DataType::kLiteral);
  EXPECT_EQ(f.spec().inputs[1].value, "7");
  EXPECT_THAT(f.spec().input_data, ElementsAre("data"));
  EXPECT_EQ(f.spec().mini_batch_size->count, 5u);
  EXPECT_EQ(f.spec().retry_settings.max_retries.value, 0) << "an explicit 0 counts";
  EXPECT_TRUE(f.spec().retry_settings.max_retries.IsSet());
}

TEST_F(LoadFile, HasTheDefaultsOfTheContract) {
  const ParallelJobSpec spec = Load(Manifest()).spec();
  EXPECT_EQ(spec.instance_count.value, 1);
  EXPECT_EQ(spec.retry_settings.max_retries.value, 2);
  EXPECT_EQ(spec.retry_settings.timeout_seconds.value, 60);
  EXPECT_EQ(spec.mini_batch_error_threshold.value, -1);
  EXPECT_EQ(spec.error_threshold.value, -1);
  EXPECT_EQ(spec.allowed_failed_percent.value, 100);
  EXPECT_EQ(spec.task_overhead_timeout_seconds.value, 600);
  EXPECT_EQ(spec.init_timeout_seconds.value, 600);
  EXPECT_EQ(spec.EffectiveProgressTimeoutSeconds(), 3 * 660);
  EXPECT_EQ(spec.first_task_creation_timeout_seconds.value, 600);
  EXPECT_EQ(spec.resource_monitor_interval_seconds.value, 600);
}

TEST_F(LoadFile, ReportsEverythingAtOnceWithItsPlace) {
  const LoadedFile f = Load(Manifest("mini_batch_size: 5\nerrorThreshold: -2\nsuspend: maybe"));
  EXPECT_EQ(f.Count(Severity::kError), 3u) << f.Text();
  EXPECT_THAT(f.Text(),
              HasSubstr("job.yaml:16:3: error: spec.mini_batch_size: unknown key; did you "
                        "mean miniBatchSize?"));
  EXPECT_THAT(f.Text(),
              HasSubstr("job.yaml:17:19: error: spec.errorThreshold: takes a whole number "
                        "from -1 to 2147483647 (found \"-2\"); the default is -1"));
  EXPECT_THAT(f.Text(), HasSubstr("18:12: error: spec.suspend: takes true or false, not text"));
}

struct Bad {
  const char* spec;     // lines of the spec
  const char* message;  // a part of what is said
};

TEST_F(LoadFile, RefusesBadValues) {
  const Bad cases[] = {
      {"instanceCount: -1", "from 0 to 2147483647"},
      {"instanceCount: 4294967297", "found \"4294967297\""},
      {"instanceCount: 99999999999999999999", "is out of range"},
      {"instanceCount: 1.9", "without a fraction"},
      {"instanceCount: '2'", "remove the quotes"},
      {"instanceCount: yes", "not a boolean"},
      {"instanceCount: 10Ki", "not text"},
      {"instanceCount: [1]", "not a list"},
      {"instanceCount:", "has no value"},
      {"instanceCount: .nan", "without a fraction"},
      {"maxConcurrencyPerInstance: 0", "from 1 to"},
      {"retrySettings: {maxRetries: -1}", "spec.retrySettings.maxRetries: takes a whole number"},
      {"retrySettings: {timeoutSeconds: 0}", "from 1 to 259200"},
      {"retrySettings: {timeoutSeconds: 259201}", "from 1 to 259200"},
      {"retrySettings: {timeout: 5}", "did you mean timeoutSeconds?"},
      {"retrySettings: 5", "takes a mapping"},
      {"maxRetries: 5", "did you mean spec.retrySettings.maxRetries?"},
      {"miniBatchErrorThreshold: -2", "from -1 to"},
      {"allowedFailedPercent: 101", "from 0 to 100"},
      {"taskOverheadTimeoutSeconds: 0", "from 1 to 259200"},
      {"initTimeoutSeconds: 259201", "from 1 to 259200"},
      {"progressUpdateTimeoutSeconds: 0", "from 1 to 259200"},
      {"firstTaskCreationTimeoutSeconds: 0", "from 1 to 259200"},
      {"resourceMonitorIntervalSeconds: -1", "from 0 to"},
      {"loggingLevel: info", "did you mean INFO?"},
      {"successPolicy: auto", "did you mean Auto?"},
      {"copyLogsToParent: 1", "not a number"},
      {"miniBatchSize: 0", "must be 1 or more"},
      {"miniBatchSize: 10kb", "is a list of files"},
      {"miniBatchSize: 5 files", "is not a mini-batch size"},
      {"miniBatchSize: -5", "is not a mini-batch size"},
      {"miniBatchSize: 99999999999gb", "is out of range"},
      {"miniBatchSize: 5\npartitionKeys: [a]", "does not go with partitionKeys"},
      {"partitionKeys: [a, a]", "twice"},
      {"partitionKeys: ['']", "is empty"},
      {"partitionKeys: [1]", "put it in quotes: \"1\""},
      {"environmentVariables: {A: 1}", "spec.environmentVariables.A: takes text, not a number"},
      {"environmentVariables: {A=B: x}", "not a name of a variable"},
      {"environmentVariables: {A: yes}", "put it in quotes: \"yes\""},
      {"podTemplate: {hostNetwork: true}", "is not allowed here"},
      {"podTemplate: {volumes: [{name: v, hostPath: {path: /}}]}", "host paths are not allowed"},
      {"podTemplate: {resources: {limits: {cpu: .inf}}}", "JSON does not know"},
      {"work: {volume: {hostPath: {path: /}}}", "host paths are not allowed"},
      {"work: {volume: {nfs: {}, csi: {}}}", "not exactly one"},
      {"work: {volume: {emptyDir: {}}}", "is of one pod alone, and gone with it"},
      {"work: {volume: {ephemeral: {volumeClaimTemplate: {}}}}", "use persistentVolumeClaim"},
      {"work: {volume: {configMap: {name: a}}}", "cannot be written to"},
      {"work: {volume: {image: {reference: a}}}", "cannot be written to"},
      {"work: {volume: {nfs: {server: h, path: /e, readOnly: true}}}",
       "nfs.readOnly: cannot be written to"},
      {"work: {volume: {persistentVolumeClame: {}}}", "did you mean persistentVolumeClaim?"},
      {"logs: drop", "one of keep, none"},
      {"managedBy: me", "must be domain/name"},
      {"activeDeadlineSeconds: 0", "from 1 to"},
      {"ttlSecondsAfterFinished: -1", "from 0 to"},
      {"rerunPolicy: Failed", "did you mean FailedOnly?"},
      {"frobnicate: 1", "unknown key; known:"},
      {"errorThreshold: 1\nerrorThreshold: 2", "stands here twice"},
  };
  for (const Bad& c : cases) {
    const LoadedFile f = Load(Manifest(c.spec));
    EXPECT_TRUE(f.found.HasErrors()) << c.spec;
    EXPECT_THAT(f.Text(), HasSubstr(c.message)) << c.spec;
  }
}

TEST_F(LoadFile, ReadsNumbersAsKubectlDoes) {
  EXPECT_EQ(Load(Manifest("instanceCount: 1e3")).spec().instance_count.value, 1000);
  EXPECT_EQ(Load(Manifest("instanceCount: 010")).spec().instance_count.value, 8);
  EXPECT_EQ(Load(Manifest("instanceCount: 5.0")).spec().instance_count.value, 5);
  EXPECT_TRUE(Load(Manifest("suspend: yes")).spec().suspend);
}

TEST_F(LoadFile, RefusesBadTasks) {
  const Bad cases[] = {
      {"appendRowTo: rows", "write ${{outputs.NAME}}"},
      {"appendRowTo: ${{outputs.row}}", "did you mean rows?"},
      {"type: model", "must be run_function"},
      {"entry_script: x.py", "did you mean entryScript?"},
      {"programArguments: 5", "put it in quotes"},
      {"programArguments: --x 'y", "a quote without its end"},
      {"programArguments: --x ${{inputs.dta}}", "did you mean data?"},
      {"programArguments: --x ${{parent.inputs.data}}", "is no reference to an input or output"},
      {"environment: {condaFile: nope.yml}", "there is no file"},
      {"environment: {pip: ['']}", "is empty"},
      {"environment: {image: 5}", "put it in quotes"},
  };
  for (const Bad& c : cases) {
    EXPECT_THAT(Load(Manifest("", c.spec)).Text(), HasSubstr(c.message)) << c.spec;
  }
  const std::pair<const char*, const char*> replaced[] = {
      {"code: {local: nope}\n    entryScript: score.py", "there is no folder"},
      {"code: {local: code}\n    entryScript: scor.py", "did you mean score.py?"},
      {"code: {local: code}\n    entryScript: ../score.py", "below the code folder"},
      {"code: {local: code}\n    entryScript: /score.py", "below the code folder"},
      {"code: {local: code}\n    entryScript: score.sh!", "neither a .py file nor"},
      {"code: {local: code}\n    entryScript: ''", "neither a .py file nor"},
      {"code: {git: {url: x}}\n    entryScript: score.py", "is not supported yet"},
      {"code: {local: 'https://x/y'}\n    entryScript: score.py", "remote code"},
      {"code: {local: code, image: /app}\n    entryScript: score.py", "names several sources"},
      {"code: ./code\n    entryScript: score.py", "write code: {local: FOLDER}"},
      {"entryScript: score.py", "spec.task.code: is required"},
      {"code: {local: code}", "spec.task.entryScript: is required"},
  };
  for (const auto& [task, message] : replaced) {
    std::string text = Manifest();
    const std::string old = "code: {local: code}\n    entryScript: score.py";
    text.replace(text.find(old), old.size(), task);
    EXPECT_THAT(Load(text).Text(), HasSubstr(message)) << task;
  }
}

TEST_F(LoadFile, KnowsDottedModules) {
  std::string text = Manifest();
  text.replace(text.find("score.py"), 8, "pkg.main");
  EXPECT_EQ(Load(text).Text(), "");
}

TEST_F(LoadFile, PlacesInsideFoldedArguments) {
  const LoadedFile f = Load(Manifest("",
                                     "programArguments: >-\n  --a 1\n  --b ${{inputs.nope}}\n"
                                     "  --error_threshold many"));
  EXPECT_THAT(f.Text(), HasSubstr("job.yaml:17:11: error: spec.task.programArguments: there is no "
                                  "input nope"));
  EXPECT_THAT(f.Text(), HasSubstr("job.yaml:18:7: error: "));
}

TEST_F(LoadFile, RefusesBadInputsAndOutputs) {
  const std::pair<const char*, const char*> inputs[] = {
      {"{name: data}", "spec.inputs[data].path: is required"},
      {"{name: data, path: ''}", "is empty"},
      {"{path: x}", "spec.inputs[0].name: is required"},
      {"{name: 1a, path: x}", "must be letters, digits"},
      {"{name: data, path: x, value: 5}", "does not go with value"},
      {"{name: data, path: \"a\\nb\"}", "control character"},
      {"{name: data, path: 'azureml://x/y'}", "remote data"},
      {"{name: data, path: ../x, volume: {nfs: {server: a, path: /b}}}", "leads out of the volume"},
      {"{name: data, path: /x, volume: {nfs: {server: a, path: /b}}}", "must be relative"},
      {"{name: data, path: x, type: uri_foldr}", "did you mean uri_folder?"},
      {"{name: data, path: x, mode: mount}", "one of ro_mount, download, direct"},
      {"{name: data, path: x, mode: direct}",
       "warning: spec.inputs[data].mode: direct is for tables; files are treated as ro_mount"},
      {"{name: limit, path: x}", "this name stands twice"},
      {"data", "takes a mapping"},
  };
  for (const auto& [input, message] : inputs) {
    std::string text = Manifest();
    const std::string old = "{name: data, path: data}";
    text.replace(text.find(old), old.size(), input);
    EXPECT_THAT(Load(text).Text(), HasSubstr(message)) << input;
  }
  const std::pair<const char*, const char*> outputs[] = {
      {"{name: rows, format: parquet}", "parquet is not supported yet"},
      {"{name: rows, path: x.parquet}", "parquet is not supported yet"},
      {"{name: rows, format: jsonl, header: true}", "jsonl has no header"},
      {"{name: rows, mode: direct}",
       "warning: spec.outputs[rows].mode: direct is treated as rw_mount"},
      {"{name: rows, mode: upload}",
       "warning: spec.outputs[rows].mode: upload is treated as rw_mount"},
      {"{name: rows, path: ../x}", "must not hold .."},
      {"{name: rows}\n  - {name: rows}", "this name stands twice"},
      {"{name: rows}\n  - {name: more, format: csv}", "the output collects no rows"},
  };
  for (const auto& [output, message] : outputs) {
    std::string text = Manifest("", "appendRowTo: ${{outputs.rows}}");
    const std::string old = "{name: rows, type: uri_file, path: rows.csv}";
    text.replace(text.find(old), old.size(), output);
    EXPECT_THAT(Load(text).Text(), HasSubstr(message)) << output;
  }
}

TEST_F(LoadFile, ChecksTheSplitInput) {
  const std::pair<const char*, const char*> cases[] = {
      {"${{inputs.limit}}", "a literal cannot be split"},
      {"${{inputs.nope}}", "there is no input nope"},
      {"data", "write ${{inputs.data}}"},
      {"['${{inputs.data}}', '${{inputs.table}}']", "must be of one kind"},
      {"['${{inputs.data}}', '${{inputs.data}}']", "stands here twice"},
      {"[]", "names no input"},
  };
  for (const auto& [value, message] : cases) {
    std::string text = Manifest();
    const std::string old = "inputData: ${{inputs.data}}";
    text.replace(text.find(old), old.size(), std::string("inputData: ") + value);
    EXPECT_THAT(Load(text).Text(), HasSubstr(message)) << value;
  }
  std::string table = Manifest("miniBatchSize: 5");
  table.replace(table.find("${{inputs.data}}"), 16, "${{inputs.table}}");
  EXPECT_THAT(Load(table).Text(), HasSubstr("write a unit"));
}

TEST_F(LoadFile, ChecksNames) {
  const auto named = [&](const std::string& name) {
    std::string text = Manifest();
    text.replace(text.find("hello"), 5, name);
    return Load(text).Text();
  };
  EXPECT_EQ(named(std::string(52, 'a')), "");
  for (const std::string& name :
       {std::string(53, 'a'), std::string(253, 'a'), std::string(254, 'a'), std::string("Hello"),
        std::string("a_b"), std::string("-a"), std::string("a-"), std::string("a.b"),
        std::string("\"\""), std::string("\"a\\nb\"")}) {
    EXPECT_THAT(named(name), HasSubstr("error: metadata.name")) << name;
  }
  EXPECT_THAT(named("5"), HasSubstr("put it in quotes"));
  EXPECT_THAT(named("x, labels: {'paralleljob.dev/x': z}"), HasSubstr("operator's"));
  EXPECT_THAT(named("x, generateName: y"), HasSubstr("not supported"));
  EXPECT_EQ(named("x, resourceVersion: '5', uid: abc"), "") << "as fetched from a cluster";
}

TEST_F(LoadFile, ReadsSeveralDocumentsAndPassesOthersOver) {
  std::string second = Manifest();
  second.replace(second.find("hello"), 5, "other");
  const LoadedFile f = Load(Manifest() + "---\napiVersion: v1\nkind: ConfigMap\n---\n" + second);
  EXPECT_EQ(f.jobs.size(), 2u) << f.Text();
  EXPECT_EQ(f.Count(Severity::kNote), 1u);
  EXPECT_FALSE(f.found.HasErrors());
  EXPECT_THAT(Load(Manifest() + "---\n" + Manifest()).Text(), HasSubstr("two documents"));
}

TEST_F(LoadFile, RefusesWhatIsNoJob) {
  EXPECT_THAT(Load("").Text(), HasSubstr("holds no ParallelJob"));
  EXPECT_THAT(Load("[]").Text(), HasSubstr("is not a manifest"));
  EXPECT_THAT(Load("apiVersion: v1\nkind: Pod\n").Text(), HasSubstr("holds no ParallelJob"));
  EXPECT_THAT(Load("apiVersion: paralleljob.dev/v1alpha1\nkind: ParalelJob\n").Text(),
              HasSubstr("2:7: error: kind: must be ParallelJob"));
  EXPECT_THAT(Load("apiVersion: paralleljob.dev/v1\nkind: ParallelJob\n").Text(),
              HasSubstr("must be paralleljob.dev/v1alpha1"));
  EXPECT_THAT(Load("apiVersion: paralleljob.dev/v1alpha1\nkind: ParallelPipeline\n").Text(),
              HasSubstr("pipelines are not supported yet"));
  EXPECT_THAT(Load("kind: ParallelJob\n").Text(), HasSubstr("error: apiVersion"));
  const LoadedFile bare = Load("apiVersion: paralleljob.dev/v1alpha1\nkind: ParallelJob\n");
  EXPECT_THAT(bare.Text(), HasSubstr("metadata.name: is required"));
  EXPECT_THAT(bare.Text(), HasSubstr("spec.inputData: is required"));
  Diagnostics missing;
  LoadJobFile(dir_ + "/nowhere.yaml", {}, &missing);
  ASSERT_TRUE(missing.HasErrors());
  EXPECT_THAT(missing.all()[0].ToString(), HasSubstr("nowhere.yaml"));
  Diagnostics folder;
  LoadJobFile(dir_, {}, &folder);
  EXPECT_TRUE(folder.HasErrors());
}

TEST_F(LoadFile, AppliesSet) {
  LoadOptions options;
  options.set = {"spec.instanceCount=3",
                 "spec.retrySettings.maxRetries=7",
                 "spec.inputs[data].path=elsewhere",
                 "spec.partitionKeys=[a, b]",
                 "spec.task.programArguments=--x 1",
                 "metadata.name=renamed"};
  const LoadedFile f = Load(Manifest(), options);
  EXPECT_EQ(f.Text(), "");
  EXPECT_EQ(f.jobs[0].job.name, "renamed");
  EXPECT_EQ(f.spec().instance_count.value, 3);
  EXPECT_EQ(f.spec().retry_settings.max_retries.value, 7);
  EXPECT_EQ(f.spec().inputs[0].path, "elsewhere");
  EXPECT_THAT(f.spec().partition_keys, ElementsAre("a", "b"));
  EXPECT_EQ(f.spec().task.program_arguments, "--x 1");
}

TEST_F(LoadFile, RefusesBadSet) {
  for (const char* set : {"instanceCount=3", "spec.instanceCount", "spec.inputs[nope].path=x",
                          "spec.instanceCont=3", "spec.instanceCount=x", "spec.partitionKeys=[a"}) {
    LoadOptions options;
    options.set = {set};
    const LoadedFile f = Load(Manifest(), options);
    EXPECT_TRUE(f.found.HasErrors()) << set;
    EXPECT_THAT(f.Text(), HasSubstr("--set")) << set;
  }
}

TEST_F(LoadFile, AppliesInputsAndImages) {
  LoadOptions options;
  options.input_paths = {{"data", "pvc:claim/a/b"}, {"limit", "9"}, {"table", "there"}};
  options.images = {{"hello", "registry/x:1"}};
  const LoadedFile f = Load(Manifest(), options);
  EXPECT_EQ(f.Text(), "");
  EXPECT_EQ(f.spec().inputs[0].volume, R"({"persistentVolumeClaim":{"claimName":"claim"}})");
  EXPECT_EQ(f.spec().inputs[0].path, "a/b");
  EXPECT_EQ(f.spec().inputs[1].value, "9");
  EXPECT_EQ(f.spec().inputs[2].path, "there");
  EXPECT_EQ(f.spec().inputs[2].base_dir, std::filesystem::current_path().string());
  EXPECT_EQ(f.spec().task.environment.image, "registry/x:1");
  options = {};
  options.input_paths = {{"dat", "x"}};
  EXPECT_THAT(Load(Manifest(), options).Text(), HasSubstr("did you mean data?"));
}

TEST_F(LoadFile, StrictMakesWarningsErrors) {
  const std::string text = Manifest("", "programArguments: --error_thresho 5");
  EXPECT_FALSE(Load(text).found.HasErrors());
  LoadOptions strict;
  strict.strict = true;
  EXPECT_TRUE(Load(text, strict).found.HasErrors());
}

TEST_F(LoadFile, FilesAreLookedAtOnlyIfAsked) {
  std::string text = Manifest();
  text.replace(text.find("score.py"), 8, "later.py");
  LoadOptions options;
  EXPECT_TRUE(Load(text).found.HasErrors());
  options.check_files = false;
  EXPECT_EQ(Load(text, options).Text(), "");
}

TEST_F(LoadFile, ListsWhatOnlyAClusterKnows) {
  EXPECT_TRUE(ClusterOnlyFields(Load(Manifest()).jobs.at(0).job).empty());
  const LoadedFile f =
      Load(Manifest("podTemplate: {resources: {limits: {cpu: 2}}}\nwork: {volume: {nfs: {server: "
                    "h, path: /e}}}\nlogs: none\n"
                    "suspend: true\ncancel: true\nmanagedBy: a.b/c\nactiveDeadlineSeconds: "
                    "5\nttlSecondsAfterFinished: 6",
                    "environment: {image: debian}"));
  EXPECT_EQ(f.Text(), "");
  EXPECT_THAT(ClusterOnlyFields(f.jobs.at(0).job),
              ElementsAre("spec.task.environment.image", "spec.podTemplate", "spec.work.volume",
                          "spec.logs", "spec.suspend", "spec.cancel", "spec.managedBy",
                          "spec.ttlSecondsAfterFinished"));
}

TEST_F(LoadFile, SaysWhatCannotRunHere) {
  Diagnostics fine;
  CheckRunsHere(Load(Manifest()).jobs[0], &fine);
  EXPECT_FALSE(fine.HasErrors());
  LoadedFile f = Load(Manifest("instanceCount: 0"));
  f.jobs[0].job.spec.inputs[0].volume = R"({"emptyDir":{}})";
  f.jobs[0].job.spec.task.code.source = Code::Source::kImage;
  Diagnostics found;
  CheckRunsHere(f.jobs[0], &found);
  EXPECT_EQ(found.all().size(), 3u);
  for (const Diagnostic& d : found.all()) {
    EXPECT_GT(d.line, 0) << d.ToString();
    EXPECT_GT(d.column, 0) << d.ToString();
    EXPECT_FALSE(d.file.empty()) << d.ToString();
  }
  EXPECT_EQ(found.all()[0].value, "0");
}

TEST_F(LoadFile, EscapesControlCharactersInMessages) {
  const std::string text = Load(Manifest("managedBy: \"a\\e[31m<b>\"")).Text();
  EXPECT_THAT(text, HasSubstr("\\x1b[31m<b>"));
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
}

}  // namespace
}  // namespace pj::api

#include <algorithm>

#include "azure_files.h"

namespace pj::api {
namespace {

TEST(AzureValues, WholeNumbers) {
  AzureFiles files;
  const auto count = [&](const std::string& text) {
    return MustLoad(files, With(kPipeline, "instance_count: 2", "instance_count: " + text))
        .spec()
        .instance_count.value;
  };
  EXPECT_EQ(count("3"), 3);
  EXPECT_EQ(count("\"3\""), 3);
  EXPECT_EQ(count("010"), 8);
  EXPECT_EQ(count("1_0"), 10);
  EXPECT_EQ(count("1:30"), 90);
  EXPECT_EQ(count("${{parent.inputs.threshold}}"), 7);
  EXPECT_EQ(count("\"${{ parent.inputs.threshold }}\""), 7);
  EXPECT_EQ(count("1${{parent.inputs.threshold}}"), 17);
  for (const char* bad : {"1.9", "\"1.9\"", "5.0", "yes", "1e3", "abc", "[1]", "{a: 1}",
                          "${{parent.inputs.text}}", "4294967297", "-1"}) {
    const std::string text =
        With(kPipeline, "instance_count: 2", std::string("instance_count: ") + bad);
    const std::string errors = ErrorOf(files, text);
    EXPECT_NE(errors.find("instance_count"), std::string::npos) << bad << ": " << errors;
    EXPECT_TRUE(errors.starts_with("27:")) << bad << ": " << errors;
  }
}

TEST(AzureValues, LiteralsAreAsPythonWritesThem) {
  AzureFiles files;
  const auto literal = [&](const std::string& text) {
    return MustLoad(files, With(kBare, "factor: 0.1", "factor: " + text))
        .spec()
        .FindInput("factor")
        ->value;
  };
  EXPECT_EQ(literal("0.1"), "0.1");
  EXPECT_EQ(literal("yes"), "True");
  EXPECT_EQ(literal("off"), "False");
  EXPECT_EQ(literal("\"yes\""), "yes");
  EXPECT_EQ(literal("010"), "8");
  EXPECT_EQ(literal("1e3"), "1e3");
  EXPECT_EQ(literal("1.0e+3"), "1000.0");
  EXPECT_EQ(literal("text with blanks"), "text with blanks");
}

TEST(AzureValues, ExplicitZeroIsKept) {
  AzureFiles files;
  const Loaded loaded = MustLoad(
      files,
      With(kBare, "input_data", "mini_batch_error_threshold: 0\nerror_threshold: 0\ninput_data"));
  EXPECT_EQ(loaded.spec().mini_batch_error_threshold.value, 0);
  EXPECT_TRUE(loaded.spec().mini_batch_error_threshold.IsSet());
  EXPECT_EQ(loaded.spec().error_threshold.value, 0);
}

TEST(AzureValues, SettingsThatContradictEachOther) {
  AzureFiles files;
  EXPECT_NE(ErrorOf(files, With(kPipeline, "    retry_settings:",
                                "    mini_batch_max_retries: 1\n    retry_settings:"))
                .find("contradicts the same setting elsewhere (1)"),
            std::string::npos);
  MustLoad(files, With(kPipeline, "    retry_settings:",
                       "    mini_batch_max_retries: 4\n    mini_batch_timeout: 90\n"
                       "    retry_settings:"));
  EXPECT_NE(ErrorOf(files, With(kPipeline, "--words ${{inputs.words}}",
                                "--words x --allowed_failed_count 3"))
                .find("--allowed_failed_count contradicts"),
            std::string::npos);
}

TEST(AzureValues, ADefaultThatIsWrittenOutGivesWayToTheFlag) {
  AzureFiles files;
  const std::string flag = With(kPipeline, "--words ${{inputs.words}}", "--error_threshold 5");
  const auto with = [&](const std::string& value) {
    return With(flag,
                "    retry_settings:", "    error_threshold: " + value + "\n    retry_settings:");
  };
  const Loaded loaded = MustLoad(files, with("-1"));
  EXPECT_EQ(loaded.spec().error_threshold.value, 5);
  EXPECT_NE(loaded.Warnings().find("--error_threshold counts, not error_threshold"),
            std::string::npos)
      << loaded.Warnings();
  const std::string errors = ErrorOf(files, with("3"));
  const size_t first = errors.find("--error_threshold contradicts error_threshold");
  ASSERT_NE(first, std::string::npos) << errors;
  EXPECT_EQ(errors.find("contradicts", first + 30), std::string::npos) << "said twice: " << errors;
}

TEST(AzureValues, DataInAzureIsOneErrorAtThePipelinesInput) {
  AzureFiles files;
  const std::string errors = ErrorOf(files,
                                     "type: pipeline\n"
                                     "inputs:\n"
                                     "  data: {type: uri_folder, path: 'azureml:d:1'}\n"
                                     "jobs:\n"
                                     "  score:\n"
                                     "    type: parallel\n"
                                     "    inputs: {data: '${{parent.inputs.data}}'}\n"
                                     "    input_data: ${{inputs.data}}\n"
                                     "    task: {type: run_function, code: src,\n"
                                     "           entry_script: score.py}\n");
  EXPECT_TRUE(errors.starts_with("3:")) << errors;
  EXPECT_NE(errors.find("azureml:d:1 lies in Azure"), std::string::npos) << errors;
  EXPECT_EQ(std::ranges::count(errors, '\n'), 1) << errors;
}

TEST(AzureValues, MiniBatchSizes) {
  AzureFiles files;
  using Unit = MiniBatchSize::Unit;
  const auto size = [&](const std::string& text, const std::string& type = "type: uri_folder") {
    return MustLoad(files, With(With(kBare, "mini_batch_size: \"5\"", "mini_batch_size: " + text),
                                "type: uri_folder", type));
  };
  const std::string table = "type: mltable\n    mode: direct";
  EXPECT_EQ(size("7").spec().mini_batch_size, (MiniBatchSize{Unit::kFiles, 7}));
  EXPECT_EQ(size("7").Warnings(), "");
  EXPECT_EQ(size("10kb").spec().mini_batch_size, (MiniBatchSize{Unit::kFiles, 10240}));
  EXPECT_NE(size("10kb").Warnings().find("10240 files"), std::string::npos);
  EXPECT_EQ(size("10KB", table).spec().mini_batch_size, (MiniBatchSize{Unit::kBytes, 10240}));
  EXPECT_EQ(size("10KB", table).Warnings(), "");
  EXPECT_EQ(size("100", table).spec().mini_batch_size, (MiniBatchSize{Unit::kBytes, 100}));
  EXPECT_NE(size("100", table).Warnings().find("write \"100b\""), std::string::npos);
  EXPECT_EQ(size("500rows", table).spec().mini_batch_size, (MiniBatchSize{Unit::kRows, 500}));
  EXPECT_FALSE(size("\"0\"").spec().mini_batch_size.has_value());
  EXPECT_NE(size("0").Warnings().find("0 counts as not set"), std::string::npos);
  EXPECT_FALSE(size("~").spec().mini_batch_size.has_value());
  for (const char* bad : {"10 kb", "-1", "1.5", "kb", "1kbkb", "99999999999999999999", "[5]"}) {
    const std::string errors = ErrorOf(
        files, With(kBare, "mini_batch_size: \"5\"", std::string("mini_batch_size: ") + bad));
    EXPECT_TRUE(errors.starts_with("12:")) << bad << ": " << errors;
  }
}

TEST(AzureValues, TableOrFilesAsTheMltableFileSays) {
  AzureFiles files;
  using Unit = MiniBatchSize::Unit;
  const auto size = [&](const std::string& mode) {
    return MustLoad(files, With(With(kBare, "type: uri_folder", "type: mltable" + mode),
                                "mini_batch_size: \"5\"", "mini_batch_size: 100"))
        .spec()
        .mini_batch_size;
  };
  // No file yet: the mode decides.
  EXPECT_EQ(size(""), (MiniBatchSize{Unit::kFiles, 100}));
  EXPECT_EQ(size("\n    mode: direct"), (MiniBatchSize{Unit::kBytes, 100}));
  files.Write(
      "data/MLTable",
      "paths:\n  - file: ./a.txt\ntransformations:\n  - read_delimited:\n      delimiter: ','\n");
  EXPECT_EQ(size(""), (MiniBatchSize{Unit::kBytes, 100}));
  files.Write("data/MLTable", "paths:\n  - pattern: ./*.txt\n");
  EXPECT_EQ(size(""), (MiniBatchSize{Unit::kFiles, 100}));
}

TEST(AzureValues, PartitionKeys) {
  AzureFiles files;
  const Loaded both = MustLoad(files, std::string(kBare) + "partition_keys: [Store, 5]\n");
  EXPECT_EQ(both.spec().partition_keys, (std::vector<std::string>{"Store", "5"}));
  EXPECT_FALSE(both.spec().mini_batch_size.has_value());
  EXPECT_NE(both.Warnings().find("has no effect beside partition_keys"), std::string::npos);
  const Loaded none = MustLoad(files, std::string(kBare) + "partition_keys: []\n");
  EXPECT_TRUE(none.spec().partition_keys.empty());
  EXPECT_TRUE(none.spec().mini_batch_size.has_value());
  EXPECT_NE(ErrorOf(files, std::string(kBare) + "partition_keys: Store\n").find("takes a list"),
            std::string::npos);
}

TEST(AzureValues, ResourcesWithoutEffectWarn) {
  AzureFiles files;
  const Loaded loaded = MustLoad(files, With(kPipeline, "instance_count: 2",
                                             "instance_count: 2\n      max_instance_count: 3"));
  EXPECT_NE(loaded.Warnings().find("max_instance_count: has no effect"), std::string::npos);
}

TEST(AzureValues, SharedMemory) {
  AzureFiles files;
  const auto with = [](const std::string& size) {
    return With(kPipeline, "instance_count: 2", "instance_count: 2\n      shm_size: " + size);
  };
  EXPECT_NE(MustLoad(files, with("2g")).spec().pod_template.find("\"sizeLimit\":\"2Gi\""),
            std::string::npos);
  for (const char* bad : {"2", "g", "0g", "2x", "-2g"}) {
    EXPECT_NE(ErrorOf(files, with(bad)).find("shm_size: takes a size"), std::string::npos) << bad;
  }
}

TEST(AzureValues, Environments) {
  AzureFiles files;
  const auto with = [](const std::string& environment) {
    return With(kBare, "  environment:\n    image: registry/x:1\n", environment);
  };
  const Loaded named = MustLoad(files, with("  environment: azureml:my-env:3\n"));
  EXPECT_EQ(named.spec().task.environment.image, "");
  EXPECT_NE(named.Warnings().find("--image my-env:3=REFERENCE"), std::string::npos);
  for (const char* key : {"azureml:my-env:3", "my-env:3", "my-env", "azureml:my-env"}) {
    LoadOptions options;
    options.images[key] = "registry/y:2";
    const Loaded given = MustLoad(files, with("  environment: azureml:my-env:3\n"), options);
    EXPECT_EQ(given.spec().task.environment.image, "registry/y:2");
    EXPECT_EQ(given.Warnings(), "");
  }
  LoadOptions by_step;
  by_step.images["identify"] = "registry/z:1";
  EXPECT_EQ(MustLoad(files, kPipeline, by_step).spec().task.environment.image, "registry/z:1");
  for (const char* none : {"  environment: {conda_file: {name: b}}\n", ""}) {
    LoadOptions by_job;
    const std::string job = MustLoad(files, with(none)).jobs.at(0).job.name;
    by_job.images[job] = "registry/z:2";
    EXPECT_EQ(MustLoad(files, with(none), by_job).spec().task.environment.image, "registry/z:2");
  }
  LoadOptions wrong;
  wrong.images["nobody"] = "x";
  EXPECT_NE(ErrorOf(files, kPipeline, wrong).find("--image nobody: there is no such image"),
            std::string::npos);
  EXPECT_NE(ErrorOf(files, with("  environment: {build: {path: x}}\n"))
                .find("an image cannot be built here"),
            std::string::npos);
  const Loaded inlined = MustLoad(
      files, with("  environment: {image: a, conda_file: {name: b}, os_type: linux, tags: {}, "
                  "version: 2}\n"));
  EXPECT_EQ(inlined.spec().task.environment.conda_file, "{\"name\":\"b\"}\n");
  EXPECT_EQ(inlined.Warnings(), "");
  files.Write("envs/env.yml", "image: registry/e:1\nconda_file: conda.yml\n");
  files.Write("envs/conda.yml", "name: x\n");
  const Loaded file = MustLoad(files, with("  environment: file:./envs/env.yml\n"));
  EXPECT_EQ(file.spec().task.environment.image, "registry/e:1");
  EXPECT_EQ(file.spec().task.environment.base_dir, files.Path("envs"));
  EXPECT_NE(ErrorOf(files, with("  environment: file:./no.yml\n")).find("no.yml"),
            std::string::npos);
}

TEST(AzureValues, RemoteCodeAndData) {
  AzureFiles files;
  EXPECT_NE(ErrorOf(files, With(kBare, "code: ./src", "code: azureml:code:1"))
                .find("code that lies elsewhere"),
            std::string::npos);
  EXPECT_NE(ErrorOf(files, With(kBare, "code: ./src", "code: git+https://x/y"))
                .find("14:9: error: task.code"),
            std::string::npos);
  for (const char* path : {"azureml:data:1", "azureml://datastores/x/paths/y", "https://x/y",
                           "wasbs://a@b/c", "abfss://a@b/c"}) {
    const std::string errors =
        ErrorOf(files, With(kBare, "path: ./data", std::string("path: ") + path));
    EXPECT_TRUE(errors.starts_with("6:11: error: inputs.data.path: ")) << errors;
    EXPECT_NE(errors.find("--input data=PATH"), std::string::npos) << errors;
    LoadOptions options;
    options.input_paths["data"] = files.Path("data");
    files.Write("job.yml", With(kBare, "path: ./data", std::string("path: ") + path));
    EXPECT_EQ(LoadFile(files.Path("job.yml"), options).Errors(), "");
  }
}

TEST(AzureValues, MissingCodeAndScript) {
  AzureFiles files;
  EXPECT_NE(
      ErrorOf(files, With(kBare, "code: ./src", "code: ./nowhere")).find("there is no folder"),
      std::string::npos);
  EXPECT_NE(ErrorOf(files, With(kBare, "score.py", "sore.py")).find("did you mean score.py?"),
            std::string::npos);
  EXPECT_NE(ErrorOf(files, With(kBare, "  entry_script: score.py\n", ""))
                .find("task.entry_script: is required"),
            std::string::npos);
}

TEST(AzureValues, Outputs) {
  AzureFiles files;
  const auto output = [&](const std::string& text) {
    return MustLoad(files, With(kBare, "  rows:\n    type: uri_file\n", text)).spec().outputs[0];
  };
  EXPECT_EQ(output("  rows:\n").type, DataType::kUriFolder);
  EXPECT_EQ(output("  rows: {mode: mount}\n").mode, OutputMode::kRwMount);
  EXPECT_EQ(output("  rows: {mode: upload, name: x, version: 1}\n").mode, OutputMode::kUpload);
  EXPECT_EQ(
      output("  rows:\n    path: azureml://datastores/d/paths/${{output_name}}-${{name}}/\n").path,
      "rows-bare-job");
  EXPECT_EQ(output("  rows: {path: azureml://datastores/d/paths/x/a.csv}\n").format,
            OutputFormat::kText);
  EXPECT_NE(ErrorOf(files, With(kBare, "    type: uri_file\n", "    type: uri_fil\n"))
                .find("did you mean uri_file?"),
            std::string::npos);
}

}  // namespace
}  // namespace pj::api

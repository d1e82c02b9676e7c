#include <map>

#include "azure_files.h"

namespace pj::api {
namespace {

TEST(AzureLoad, BareFile) {
  AzureFiles files;
  const Loaded loaded = MustLoad(files, kBare);
  const LoadedJob& job = loaded.jobs[0];
  EXPECT_TRUE(job.from_azure);
  EXPECT_EQ(job.step, "");
  EXPECT_EQ(job.job.name, "bare-job");
  ASSERT_EQ(loaded.spec().inputs.size(), 2u);
  EXPECT_EQ(loaded.spec().inputs[0].path, "./data");
  EXPECT_EQ(loaded.spec().inputs[1].type, DataType::kLiteral);
  EXPECT_EQ(loaded.spec().inputs[1].value, "0.1");
  EXPECT_EQ(loaded.spec().input_data, std::vector<std::string>{"data"});
  EXPECT_EQ(loaded.spec().mini_batch_size, (MiniBatchSize{MiniBatchSize::Unit::kFiles, 5}));
  EXPECT_EQ(loaded.spec().task.code.local, "./src");
  EXPECT_EQ(loaded.spec().task.append_row_to, "rows");
  EXPECT_EQ(loaded.spec().outputs[0].format, OutputFormat::kText);
  EXPECT_EQ(loaded.Warnings(), "");
}

TEST(AzureLoad, Pipeline) {
  AzureFiles files;
  const Loaded loaded = MustLoad(files, kPipeline);
  const ParallelJobSpec& spec = loaded.spec();
  EXPECT_EQ(loaded.jobs[0].job.name, "my-pipeline");
  EXPECT_EQ(loaded.jobs[0].step, "identify");
  EXPECT_EQ(loaded.jobs[0].pipeline_outputs,
            (std::map<std::string, std::string>{{"found", "result"}}));
  EXPECT_EQ(spec.FindInput("pictures")->type, DataType::kUriFolder);
  EXPECT_EQ(spec.FindInput("pictures")->mode, InputMode::kDownload);
  EXPECT_EQ(spec.FindInput("words")->value, "a b");
  EXPECT_EQ(spec.FindOutput("result")->type, DataType::kUriFile);
  EXPECT_EQ(spec.FindOutput("result")->path, "found.csv");
  EXPECT_EQ(spec.FindOutput("result")->format, OutputFormat::kText);
  EXPECT_EQ(spec.FindOutput("result")->header, true);
  EXPECT_EQ(spec.instance_count.value, 2);
  EXPECT_EQ(spec.max_concurrency_per_instance, 3);
  EXPECT_EQ(spec.mini_batch_error_threshold.value, 7);
  EXPECT_EQ(spec.logging_level.value, LoggingLevel::kDebug);
  EXPECT_EQ(spec.retry_settings.max_retries.value, 4);
  EXPECT_EQ(spec.retry_settings.timeout_seconds.value, 90);
  EXPECT_EQ(spec.allowed_failed_percent.value, 30);
  EXPECT_EQ(spec.resource_monitor_interval_seconds.value, 20);
  EXPECT_EQ(spec.environment_variables,
            (std::map<std::string, std::string>{{"A", "1"}, {"B", "True"}, {"C", "x-7-y"}}));
  EXPECT_NE(loaded.Warnings().find("--resource_monitor_interva is taken for"), std::string::npos);
}

TEST(AzureLoad, ExamplesLoad) {
  for (const char* example : {"iris", "sales", "digits"}) {
    const std::string path = std::string(PJ_SOURCE_DIR) + "/examples/" + example + "/pipeline.yml";
    if (!std::filesystem::exists(path)) continue;
    const Loaded loaded = LoadFile(path);
    EXPECT_EQ(loaded.Errors(), "");
    EXPECT_EQ(loaded.Warnings(), "");
    ASSERT_EQ(loaded.jobs.size(), 1u);
    EXPECT_EQ(loaded.jobs[0].job.name, std::string(example) + "-pipeline");
  }
}

// The manifest that `convert` prints means the same job, whatever the Azure file looked like.
TEST(AzureLoad, TheManifestOfAnyFileIsTheSameJob) {
  AzureFiles files;
  const std::string bare = kBare;
  const std::string pipeline = kPipeline;
  for (const std::string& text :
       {bare, pipeline, With(bare, "mini_batch_size: \"5\"", "mini_batch_size: 10kb"),
        With(bare, "factor: 0.1", "factor: yes"),
        With(bare, "factor: 0.1", "factor: \"a 'b' \\n\""),
        With(bare, "mini_batch_size: \"5\"", "partition_keys: [A, \"b c\"]"),
        With(bare, "image: registry/x:1",
             "conda_file: {name: x, dependencies: [python, {pip: [a]}]}"),
        With(bare, "input_data", "resources: {instance_count: 3, shm_size: 2g}\ninput_data"),
        With(bare, "input_data", "description: |\n  two\n  lines\ninput_data"),
        With(bare, "mini_batch_size: \"5\"", "error_threshold: 0\nlogging_level: Warning"),
        With(bare, "type: uri_folder", "type: mltable\n    mode: eval_download"),
        With(pipeline, "--words ${{inputs.words}}", "--words ${{parent.inputs.text}} 'a b' \"c\""),
        With(pipeline, "--words ${{inputs.words}}", "$[[--words ${{inputs.words}}]]")}) {
    const Loaded azure = MustLoad(files, text);
    const std::string manifest = ToManifest(azure.jobs[0].job);
    files.Write("manifest.yaml", manifest);
    const Loaded native = LoadFile(files.Path("manifest.yaml"));
    EXPECT_EQ(native.Errors(), "") << manifest;
    ASSERT_EQ(native.jobs.size(), 1u);
    ParallelJob a = azure.jobs[0].job;
    ParallelJob b = native.jobs[0].job;
    for (ParallelJob* job : {&a, &b}) {
      for (Input& input : job->spec.inputs) input.base_dir.clear();
      job->spec.task.code.base_dir.clear();
      job->spec.task.environment.base_dir.clear();
    }
    EXPECT_EQ(a, b) << manifest;
    EXPECT_EQ(ToManifest(native.jobs[0].job), manifest);
  }
}

TEST(AzureLoad, Names) {
  AzureFiles files;
  const auto name_of = [&](const std::string& file, const std::string& text) {
    files.Write(file, text);
    const Loaded loaded = LoadFile(files.Path(file));
    return loaded.jobs.empty() ? loaded.Errors() : loaded.jobs[0].job.name;
  };
  const std::string unnamed = With(kBare, "name: Bare Job\n", "");
  EXPECT_EQ(name_of("Score_It.yml", unnamed), "score-it");
  files.Write("my flow/src/score.py", "");
  EXPECT_EQ(name_of("my flow/pipeline.yml", unnamed), "my-flow");
  EXPECT_EQ(name_of("a.yml", "display_name: Zwölf Über\n" + unnamed), "zw-lf--ber");
  EXPECT_EQ(name_of("a.yml", "display_name: x\nname: y\n" + unnamed), "y");
  EXPECT_EQ(name_of("a.yml", "name: " + std::string(60, 'q') + "\n" + unnamed),
            std::string(40, 'q'));
  EXPECT_EQ(name_of("a.yml", "name: --__--\n" + unnamed), "job");
}

TEST(AzureLoad, SeveralStepsAreNotSupportedYet) {
  AzureFiles files;
  const std::string two = std::string(kPipeline) + "  other:\n    type: parallel\n";
  EXPECT_EQ(ErrorOf(files, two),
            "50:3: error: jobs.other: pipelines of several steps are not supported yet (found "
            "\"other\"); keep one parallel step, or write a file for each\n");
  const std::string command =
      With(With(kPipeline, "type: parallel", "type: command"), "display_name", "display_name");
  EXPECT_NE(ErrorOf(files, command)
                .find("18:11: error: jobs.identify.type: command steps are not "
                      "supported yet"),
            std::string::npos)
      << ErrorOf(files, command);
}

TEST(AzureLoad, WhatCannotRunHereIsNamedWithItsLine) {
  AzureFiles files;
  for (const char* type : {"pipeline", "parallel_for", "if_else", "do_while", "data_transfer",
                           "import", "sweep", "automl", "spark", "finetuning"}) {
    const std::string errors =
        ErrorOf(files, With(kPipeline, "type: parallel", std::string("type: ") + type));
    EXPECT_TRUE(errors.starts_with("18:11: error: jobs.identify.type: steps of type ")) << errors;
    EXPECT_NE(errors.find("cannot be run outside Azure"), std::string::npos) << errors;
  }
  EXPECT_NE(ErrorOf(files, With(kPipeline, "type: parallel", "type: paralel"))
                .find("did you mean parallel?"),
            std::string::npos);
  EXPECT_NE(ErrorOf(files, "type: pipeline\njobs: {}\n").find("a pipeline needs steps"),
            std::string::npos);
  EXPECT_NE(ErrorOf(files, "type: pipeline\njobs:\n  a:\n    inputs: {}\n")
                .find("3:3: error: jobs.a: the step has no type"),
            std::string::npos);
}

TEST(AzureLoad, AMisspeltPipelineIsNamed) {
  AzureFiles files;
  const std::string errors = ErrorOf(files, With(kPipeline, "type: pipeline", "type: pipelin"));
  EXPECT_NE(errors.find("type: is not the type of a file with jobs"), std::string::npos) << errors;
  MustLoad(files, With(kPipeline, "type: pipeline\n", ""));
}

TEST(AzureLoad, CaseDoesNotMatter) {
  AzureFiles files;
  std::string text = With(kPipeline, "type: pipeline", "type: Pipeline");
  text = With(text, "type: parallel", "type: Parallel");
  text = With(text, "mode: download", "mode: Download");
  text = With(text, "type: uri_folder", "type: URI_Folder");
  text = With(text, "type: run_function", "type: Run_Function");
  text = With(text, "logging_level: debug", "logging_level: WARNING");
  EXPECT_EQ(MustLoad(files, text).spec().logging_level.value, LoggingLevel::kWarning);
}

TEST(AzureLoad, TaskTypes) {
  AzureFiles files;
  MustLoad(files, With(kPipeline, "type: run_function", "type: function"));
  MustLoad(files, With(kPipeline, "      type: run_function\n", ""));
  EXPECT_NE(ErrorOf(files, With(kPipeline, "type: run_function", "type: model"))
                .find("a model is not run by itself here"),
            std::string::npos);
  // A step is known by its task.
  MustLoad(files, With(kPipeline, "    type: parallel\n", ""));
}

TEST(AzureLoad, UnknownKeys) {
  AzureFiles files;
  const auto error = [&](const std::string& from, const std::string& to) {
    return ErrorOf(files, With(kPipeline, from, to));
  };
  EXPECT_NE(error("settings:", "setings: {}\nsettings:")
                .find("setings: unknown key; did you mean "
                      "settings?"),
            std::string::npos);
  EXPECT_NE(error("input_data:", "mini_batch_siz: 5\n    input_data:")
                .find("did you mean mini_batch_size?"),
            std::string::npos);
  EXPECT_NE(error("instance_count: 2", "instance_coun: 2").find("did you mean instance_count?"),
            std::string::npos);
  EXPECT_NE(error("mode: download", "moed: download").find("did you mean mode?"),
            std::string::npos);
  EXPECT_NE(error("    type: uri_file\n", "    typ: uri_file\n").find("did you mean type?"),
            std::string::npos);
  const auto warning = [&](const std::string& from, const std::string& to) {
    return MustLoad(files, With(kPipeline, from, to)).Warnings();
  };
  EXPECT_NE(warning("default_compute:", "default_computee:").find("unknown key"),
            std::string::npos);
  EXPECT_NE(warning("max_retries: 4", "max_retrie: 4").find("did you mean max_retries?"),
            std::string::npos);
  EXPECT_NE(warning("      type: run_function", "      entry: x").find("unknown key"),
            std::string::npos);
  EXPECT_NE(warning("      type: run_function", "      args: --x 1").find("use program_arguments"),
            std::string::npos);
}

TEST(AzureLoad, IgnoredKeysAreSilentButTheirBindingsAreChecked) {
  AzureFiles files;
  const std::string quiet =
      "    name: n\n    version: 1\n    display_name: d-${{parent.inputs.text}}\n    description: "
      "e\n"
      "    tags: {a: b}\n    compute: azureml:x\n    experiment_name: e\n    identity: {type: x}\n"
      "    is_deterministic: false\n    properties: {a: 1}\n    limits: {timeout: 1}\n"
      "    services: {}\n    queue_settings: {}\n    comment: c\n    input_data:";
  Loaded loaded = MustLoad(files, With(kPipeline, "    input_data:", quiet));
  loaded = MustLoad(files, With(kPipeline, "settings:",
                                "experiment_name: e\ntags: {a: b}\n"
                                "comment: x\nproperties: {}\nsettings:\n"
                                "  default_datastore: azureml:x\n"
                                "  force_rerun: true\n"
                                "  continue_on_step_failure: true"));
  EXPECT_EQ(loaded.Warnings().find("unknown"), std::string::npos) << loaded.Warnings();
  loaded = MustLoad(files, With(kPipeline, "instance_count: 2",
                                "instance_count: 2\n      instance_type: x\n      docker_args: y\n"
                                "      properties: {a: b}"));
  EXPECT_NE(ErrorOf(files, With(kPipeline, "    input_data:",
                                "    display_name: ${{parent.inputs.nope}}\n    input_data:"))
                .find("24:19: error: jobs.identify.display_name: ${{parent.inputs.nope}} is not "
                      "declared"),
            std::string::npos);
}

TEST(AzureLoad, DuplicateKeysWarnAndTheLastWins) {
  AzureFiles files;
  const Loaded loaded = MustLoad(files, std::string(kBare) + "mini_batch_size: \"6\"\n");
  EXPECT_EQ(loaded.spec().mini_batch_size->count, 6u);
  EXPECT_NE(loaded.Warnings(), "");
  LoadOptions strict;
  strict.strict = true;
  EXPECT_NE(LoadFile(files.Path("job.yml"), strict).Errors(), "");
}

}  // namespace
}  // namespace pj::api

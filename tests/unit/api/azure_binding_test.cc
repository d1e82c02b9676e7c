#include "azure_files.h"

namespace pj::api {
namespace {

constexpr char kComponent[] =
    R"($schema: https://azuremlschemas.azureedge.net/latest/parallelComponent.schema.json
type: parallel
name: scorer
version: 1
inputs:
  data:
    type: uri_folder
    mode: download
  rate:
    type: number
    default: 0.5
    min: 0
    max: 1
  kind:
    type: string
    enum: [red, blue]
    default: red
  label:
    type: string
    optional: true
  steps:
    type: integer
    optional: true
  loud:
    type: boolean
    default: no
outputs:
  rows:
    type: uri_file
input_data: ${{inputs.data}}
mini_batch_size: "5"
mini_batch_error_threshold: 5
resources:
  instance_count: 4
task:
  code: ./code
  entry_script: run_it.py
  environment:
    image: registry/c:1
    conda_file: conda.yml
  program_arguments: >-
    --rate ${{inputs.rate}} --kind ${{inputs.kind}}
    $[[--label ${{inputs.label}}]] $[[--steps ${{inputs.steps}}]]
    --loud ${{inputs.loud}}
  append_row_to: ${{outputs.rows}}
)";

constexpr char kUser[] = R"(type: pipeline
inputs:
  images: {type: uri_folder, path: ./data}
  folder: ./data
  rate: 0.25
outputs:
  found: {type: uri_file}
jobs:
  score:
    type: parallel
    component: ./parts/scorer.yml
    inputs:
      data: ${{parent.inputs.images}}
      rate: ${{parent.inputs.rate}}
    outputs:
      rows: ${{parent.outputs.found}}
)";

class AzureComponent : public testing::Test {
 protected:
  void SetUp() override {
    files_.Write("parts/scorer.yml", kComponent);
    files_.Write("parts/code/run_it.py", "");
    files_.Write("parts/conda.yml", "name: x\n");
  }
  AzureFiles files_;
};

TEST_F(AzureComponent, ItsPathsCountFromItsFile) {
  const Loaded loaded = MustLoad(files_, kUser);
  const ParallelJobSpec& spec = loaded.spec();
  EXPECT_EQ(spec.task.code.base_dir, files_.Path("parts"));
  EXPECT_EQ(spec.task.environment.base_dir, files_.Path("parts"));
  EXPECT_EQ(spec.FindInput("data")->path, "./data");
  EXPECT_EQ(std::filesystem::path(spec.FindInput("data")->base_dir),
            files_.Path("").substr(0, files_.Path("").size() - 1));
  EXPECT_EQ(spec.FindInput("data")->mode, InputMode::kDownload);
  EXPECT_EQ(spec.FindInput("rate")->value, "0.25");
  EXPECT_EQ(spec.FindInput("kind")->value, "red");
  EXPECT_EQ(spec.FindInput("loud")->value, "False");
  EXPECT_EQ(spec.FindInput("label"), nullptr);
  EXPECT_EQ(spec.instance_count.value, 4);
  EXPECT_EQ(loaded.jobs[0].pipeline_outputs.at("found"), "rows");
  EXPECT_EQ(spec.task.program_arguments.find("--label"), std::string::npos);
  EXPECT_EQ(loaded.Warnings(), "");
  for (const char* spelling : {"file:./parts/scorer.yml", "file:parts/scorer.yml"}) {
    MustLoad(files_, With(kUser, "./parts/scorer.yml", spelling));
  }
}

TEST_F(AzureComponent, EachKeyOfTheStepReplacesTheWholeKey) {
  const Loaded loaded = MustLoad(
      files_,
      std::string(kUser) +
          "    mini_batch_error_threshold: 0\n    mini_batch_size: \"9\"\n    resources: {}\n"
          "    task: {code: ./src, entry_script: score.py}\n");
  EXPECT_EQ(loaded.spec().mini_batch_error_threshold.value, 0);
  EXPECT_EQ(loaded.spec().mini_batch_size->count, 9u);
  EXPECT_EQ(loaded.spec().instance_count.value, 1);
  EXPECT_EQ(loaded.spec().task.entry_script, "score.py");
  EXPECT_EQ(loaded.spec().task.program_arguments, "");
  EXPECT_EQ(loaded.spec().task.append_row_to, "");
}

TEST_F(AzureComponent, InputsAreChecked) {
  const auto error = [&](const std::string& from, const std::string& to) {
    return ErrorOf(files_, With(kUser, from, to));
  };
  EXPECT_NE(error("      rate: $", "      rat: $").find("the component has no such input"),
            std::string::npos);
  EXPECT_NE(error("      data: ${{parent.inputs.images}}\n", "")
                .find("data: is required and has no value"),
            std::string::npos);
  EXPECT_NE(error("rate: 0.25", "rate: 2").find("must be at most 1"), std::string::npos);
  EXPECT_NE(error("rate: 0.25", "rate: -1").find("must be at least 0"), std::string::npos);
  EXPECT_NE(error("rate: 0.25", "rate: fast").find("takes a number"), std::string::npos);
  EXPECT_NE(error("      rate: ${{parent.inputs.rate}}", "      kind: green")
                .find("takes one of red, blue"),
            std::string::npos);
  EXPECT_NE(
      error("      rate: ${{parent.inputs.rate}}", "      steps: 1.5").find("takes a whole number"),
      std::string::npos);
  EXPECT_NE(
      error("      rate: ${{parent.inputs.rate}}", "      loud: maybe").find("takes true or false"),
      std::string::npos);
  EXPECT_NE(error("      rate: ${{parent.inputs.rate}}", "      rate: ${{parent.inputs.images}}")
                .find("is data, but the component takes a number"),
            std::string::npos);
  EXPECT_NE(error("      rows: $", "      row: $").find("the component has no such output"),
            std::string::npos);
}

TEST_F(AzureComponent, OptionalInputs) {
  const Loaded given =
      MustLoad(files_, With(kUser, "      rate: ${{parent.inputs.rate}}", "      label: a b"));
  EXPECT_EQ(given.spec().FindInput("label")->value, "a b");
  EXPECT_NE(given.spec().task.program_arguments.find("$[[--label ${{inputs.label}}]]"),
            std::string::npos);
  files_.Write("parts/scorer.yml",
               With(kComponent, "$[[--label ${{inputs.label}}]]", "--label ${{inputs.label}}"));
  const std::string errors = ErrorOf(files_, kUser);
  EXPECT_NE(errors.find("the optional input label has no value"), std::string::npos) << errors;
  EXPECT_NE(errors.find("parts/scorer.yml:43:13:"), std::string::npos) << errors;
}

TEST_F(AzureComponent, ABareTextForADataInputIsItsPath) {
  const Loaded direct =
      MustLoad(files_, With(kUser, "data: ${{parent.inputs.images}}", "data: ./data"));
  EXPECT_EQ(direct.spec().FindInput("data")->type, DataType::kUriFolder);
  EXPECT_EQ(direct.spec().FindInput("data")->path, "./data");
  const Loaded bound =
      MustLoad(files_, With(kUser, "${{parent.inputs.images}}", "${{parent.inputs.folder}}"));
  EXPECT_EQ(bound.spec().FindInput("data")->path, "./data");
  const Loaded inline_step = MustLoad(
      files_, With(kBare, "data:\n    type: uri_folder\n    path: ./data\n", "data: ./data\n"));
  EXPECT_EQ(inline_step.spec().FindInput("data")->type, DataType::kUriFolder);
}

TEST_F(AzureComponent, WhereTypesDifferTheStepsWinsWithAWarning) {
  const Loaded loaded =
      MustLoad(files_, With(kUser, "data: ${{parent.inputs.images}}",
                            "data: {type: mltable, path: '${{parent.inputs.images}}'}"));
  EXPECT_EQ(loaded.spec().FindInput("data")->type, DataType::kMltable);
  EXPECT_EQ(loaded.spec().FindInput("data")->path, "./data");
  EXPECT_NE(loaded.Warnings().find("is mltable, but the component declares uri_folder"),
            std::string::npos);
}

TEST_F(AzureComponent, UnknownKeysOfComponentStepsWarn) {
  EXPECT_NE(MustLoad(files_, std::string(kUser) + "    mini_batch_siz: 4\n")
                .Warnings()
                .find("did you mean mini_batch_size?"),
            std::string::npos);
}

TEST_F(AzureComponent, ErrorsInTheComponentNameItsFile) {
  files_.Write("parts/scorer.yml", With(kComponent, "instance_count: 4", "instance_count: -4"));
  EXPECT_NE(ErrorOf(files_, kUser).find("parts/scorer.yml:34:19: error: resources.instance_count"),
            std::string::npos)
      << ErrorOf(files_, kUser);
}

TEST_F(AzureComponent, WhatCannotBeHadHere) {
  const auto error = [&](const std::string& component) {
    return ErrorOf(files_, With(kUser, "./parts/scorer.yml", component));
  };
  EXPECT_NE(error("azureml:scorer:1").find("a registered component cannot be had here"),
            std::string::npos);
  EXPECT_NE(error("azureml://registries/r/components/c").find("component: ./component.yml"),
            std::string::npos);
  EXPECT_NE(error("./parts/nope.yml").find("nope.yml"), std::string::npos);
  EXPECT_NE(error("./flow/flow.dag.yaml").find("a prompt flow"), std::string::npos);
  files_.Write("parts/c.yml", "type: command\ncommand: ls\n");
  EXPECT_NE(error("./parts/c.yml")
                .find("parts/c.yml:1:7: error: type: command steps are not "
                      "supported yet"),
            std::string::npos);
  files_.Write("parts/c.yml", "$schema: http://azureml/sdk-2-0/ParallelComponent.json\nname: x\n");
  EXPECT_NE(error("./parts/c.yml").find("first version"), std::string::npos);
  files_.Write("parts/c.yml", "type: sweep\n");
  EXPECT_NE(error("./parts/c.yml").find("cannot be run outside Azure"), std::string::npos);
  files_.Write("parts/c.yml", "");
  EXPECT_NE(error("./parts/c.yml").find("holds no component"), std::string::npos);
  EXPECT_NE(ErrorOf(files_,
                    With(kUser, "${{parent.inputs.images}}", "${{parent.jobs.prepare.outputs.x}}"))
                .find("not supported yet"),
            std::string::npos);
}

TEST(AzureBindings, BlanksAndParts) {
  AzureFiles files;
  const Loaded loaded = MustLoad(
      files, With(With(kPipeline, "words: ${{parent.inputs.text}}",
                       "words: <${{ parent.inputs.text }}|${{parent.inputs.threshold}}>"),
                  "input_data: ${{inputs.pictures}}", "input_data: ${{ inputs.pictures }}"));
  EXPECT_EQ(loaded.spec().FindInput("words")->value, "<a b|7>");
}

TEST(AzureBindings, ArgumentsAreSplitFirstAndBoundThen) {
  AzureFiles files;
  const Loaded loaded =
      MustLoad(files, With(kPipeline, "--words ${{inputs.words}}",
                           "--words ${{parent.inputs.text}} --out ${{parent.outputs.found}} "
                           "--n ${{parent.inputs.threshold}}"));
  ParallelJobSpec spec = loaded.spec();
  Diagnostics none;
  const auto words = SplitProgramArguments(spec.task.program_arguments, &spec, {}, &none);
  std::map<std::string, std::string> values{{"outputs.result", "/o"}};
  for (const Input& input : spec.inputs) values["inputs." + input.name] = input.value;
  EXPECT_EQ(BindArguments(words, values),
            (std::vector<std::string>{"--words", "a b", "--out", "/o", "--n", "7"}));
}

TEST(AzureBindings, UndeclaredNamesHaveTheirPlaceAndTheRightName) {
  AzureFiles files;
  EXPECT_EQ(ErrorOf(files, With(kPipeline, "${{parent.inputs.text}}", "${{parent.inputs.txt}}")),
            "21:14: error: jobs.identify.inputs.words: ${{parent.inputs.txt}} is not declared "
            "(found \"${{parent.inputs.txt}}\"); did you mean text?\n");
  EXPECT_NE(ErrorOf(files, With(kPipeline, "x-${{parent.inputs.threshold}}",
                                "x-${{parent.inputs.treshold}}"))
                .find("37:12: error: jobs.identify.environment_variables.C"),
            std::string::npos);
  EXPECT_NE(ErrorOf(files, With(kPipeline, "${{parent.outputs.found}}", "${{parent.outputs.fund}}"))
                .find("did you mean found?"),
            std::string::npos);
  EXPECT_NE(ErrorOf(files, With(kPipeline, "${{inputs.pictures}}", "${{inputs.picture}}"))
                .find("did you mean pictures?"),
            std::string::npos);
  EXPECT_NE(ErrorOf(files, With(kPipeline, "--words ${{inputs.words}}",
                                "--words\n        ${{parent.inputs.txt}}"))
                .find("46:9: error: jobs.identify.task.program_arguments"),
            std::string::npos);
  EXPECT_NE(ErrorOf(files, With(kPipeline, "C: x-${{parent.inputs.threshold}}-y",
                                "C: ${{parent.inputs.images}}"))
                .find("is data; a literal is needed here"),
            std::string::npos);
}

TEST(AzureBindings, InputOverrides) {
  AzureFiles files;
  LoadOptions options;
  options.input_paths = {{"images", "/elsewhere"}, {"text", "other words"}};
  Loaded loaded = MustLoad(files, kPipeline, options);
  EXPECT_EQ(loaded.spec().FindInput("pictures")->path, "/elsewhere");
  EXPECT_EQ(loaded.spec().FindInput("words")->value, "other words");
  options.input_paths = {{"identify.pictures", "pvc:claim/a/b"}};
  loaded = MustLoad(files, kPipeline, options);
  EXPECT_EQ(loaded.spec().FindInput("pictures")->path, "a/b");
  EXPECT_EQ(loaded.spec().FindInput("pictures")->volume,
            R"({"persistentVolumeClaim":{"claimName":"claim"}})");
  options.input_paths = {{"image", "/x"}};
  EXPECT_NE(ErrorOf(files, kPipeline, options)
                .find("--input image: there is no such input; did you mean images?"),
            std::string::npos);
}

TEST(AzureBindings, SeveralMajorInputs) {
  AzureFiles files;
  const Loaded loaded =
      MustLoad(files, With(With(kPipeline, "      words:",
                                "      more: {type: uri_folder, path: ./data}\n"
                                "      words:"),
                           "input_data: ${{inputs.pictures}}",
                           "input_data: [\"${{inputs.pictures}}\", \"${{inputs.more}}\"]"));
  EXPECT_EQ(loaded.spec().input_data, (std::vector<std::string>{"pictures", "more"}));
}

TEST(AzureBindings, AnOutputThatNothingWritesIsAWarning) {
  AzureFiles files;
  const Loaded loaded = MustLoad(files, With(kPipeline, "outputs:\n  found:",
                                             "outputs:\n  other: {type: uri_file}\n"
                                             "  found:"));
  EXPECT_NE(loaded.Warnings().find("outputs.other: no step writes this output"), std::string::npos);
  EXPECT_NE(ErrorOf(files, With(kPipeline, "      result: ${{parent.outputs.found}}",
                                "      result: ${{parent.outputs.found}}\n"
                                "      again: ${{parent.outputs.found}}"))
                .find("is bound to result already"),
            std::string::npos);
}

}  // namespace
}  // namespace pj::api

#include "cli/environment.h"

#include <gmock/gmock.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

#include "base/fs.h"
#include "base/process.h"
#include "cli/resolve.h"
#include "unit/temp_dir.h"

namespace pj::cli {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class EnvironmentTest : public testing::Test {
 protected:
  std::string Write(const std::string& name, const std::string& text) {
    fs::create_directories(fs::path(root_ + "/" + name).parent_path());
    std::ofstream(root_ + "/" + name) << text;
    return root_ + "/" + name;
  }
  const TempDir temp_;
  const std::string& root_ = temp_.str();
};

TEST_F(EnvironmentTest, ThePythonOfTheRunIsTheFirstPythonOnPath) {
  const Result<PythonEnvironment> made = PrepareEnvironment({}, "current", root_);
  ASSERT_TRUE(made.has_value()) << made.error().ToString();
  ::setenv("PJ_TEST_PATH", made->env.at("PATH").c_str(), 1);
  const Result<ProcessResult> seen =
      RunProcess({"/bin/sh", "-c",
                  "PATH=$PJ_TEST_PATH; python -c 'import sys; print(sys.prefix)'; " + made->python +
                      " -c 'import sys; print(sys.prefix)'"});
  ASSERT_TRUE(seen.has_value());
  const size_t newline = seen->output.find('\n');
  EXPECT_EQ(seen->output.substr(0, newline + 1), seen->output.substr(newline + 1));
}

TEST_F(EnvironmentTest, CondaPackagesOutsidePipAreNamed) {
  api::ParallelJobSpec spec;
  spec.task.environment.conda_file =
      "dependencies:\n  - python=3.11\n  - scipy=1.10  # wanted\n  - pip:\n    - six\n";
  const Result<PythonEnvironment> made = PrepareEnvironment(spec, "venv", root_);
  ASSERT_FALSE(made.has_value());
  EXPECT_THAT(made.error().ToString(), HasSubstr("scipy=1.10"));
  EXPECT_THAT(made.error().ToString(), HasSubstr("--env current"));
}

TEST_F(EnvironmentTest, APinThatIsNotMetIsAnErrorForAVenvAndAWarningOtherwise) {
  api::ParallelJobSpec spec;
  spec.task.environment.conda_file = "dependencies:\n  - python=2.7\n";
  const Result<PythonEnvironment> venv = PrepareEnvironment(spec, "venv", root_);
  ASSERT_FALSE(venv.has_value());
  EXPECT_THAT(venv.error().ToString(), HasSubstr("no Python =2.7 is here"));
  const Result<PythonEnvironment> current = PrepareEnvironment(spec, "current", root_);
  ASSERT_TRUE(current.has_value());
  EXPECT_THAT(current->warnings, ElementsAre(HasSubstr("asks for Python =2.7")));
  spec.task.environment.conda_file = "dependencies:\n  - python>=3.8\n";
  EXPECT_THAT(PrepareEnvironment(spec, "current", root_)->warnings, IsEmpty());
}

// A stand-in that notes how it was called and makes what the real one would.
TEST_F(EnvironmentTest, CondaPackagesComeFromMicromambaWhereItIs) {
  Write("bin/micromamba", "#!/bin/sh\necho \"$@\" > " + root_ + "/called\n" +
                              "while [ \"$1\" != --prefix ]; do shift; done\n"
                              "mkdir -p $2/bin && ln -s /bin/true $2/bin/python3\n");
  fs::permissions(root_ + "/bin/micromamba", fs::perms::owner_all);
  const std::string path = ::getenv("PATH");
  ::setenv("PATH", (root_ + "/bin:" + path).c_str(), 1);
  ::setenv("XDG_CACHE_HOME", (root_ + "/cache").c_str(), 1);
  api::ParallelJobSpec spec;
  spec.task.environment.conda_file = "dependencies:\n  - python=3.11\n  - scipy\n";
  const Result<PythonEnvironment> made = PrepareEnvironment(spec, "venv", root_);
  ::setenv("PATH", path.c_str(), 1);
  ::unsetenv("XDG_CACHE_HOME");
  ASSERT_TRUE(made.has_value()) << made.error().ToString();
  EXPECT_THAT(made->python, testing::StartsWith(root_ + "/cache/paralleljob/envs/"));
  const std::string called = ReadFile(root_ + "/called").value();
  EXPECT_THAT(called, testing::StartsWith("create --yes --quiet --prefix " + root_ + "/cache/"));
}

TEST_F(EnvironmentTest, VariablesOfTheJobReachTheSlots) {
  api::ParallelJobSpec spec;
  spec.task.environment.variables["FROM_ENVIRONMENT"] = "1";
  spec.environment_variables["FROM_JOB"] = "2";
  const Result<PythonEnvironment> made = PrepareEnvironment(spec, "current", root_);
  ASSERT_TRUE(made.has_value());
  EXPECT_EQ(made->env.at("FROM_ENVIRONMENT"), "1");
  EXPECT_EQ(made->env.at("FROM_JOB"), "2");
}

TEST_F(EnvironmentTest, ScriptsAreCheckedWithoutRunningThem) {
  const Result<std::string> python = FindPython();
  ASSERT_TRUE(python.has_value());
  const auto check = [&](const std::string& text) {
    return CheckEntryScript(*python, Write("script.py", text)).value();
  };
  EXPECT_THAT(check("def run(x):\n  return x\nopen('/nonexistent/never')\n"), IsEmpty());
  EXPECT_THAT(check("from other import run\n"), IsEmpty());
  EXPECT_THAT(check("exec(open('other.py').read())\n"), IsEmpty());
  EXPECT_THAT(check("def init(): pass\n"), ElementsAre(HasSubstr("no function run")));
  EXPECT_THAT(check("def run(x)\n  return x\n"), ElementsAre(HasSubstr("1: syntax error")));
  EXPECT_THAT(check("async def run(x): pass\n"), ElementsAre(HasSubstr("not async")));
  // Names within classes and functions are not the module's.
  const std::string model = "class Model:\n  def run(self, x): pass\n";
  EXPECT_THAT(check(model), ElementsAre(HasSubstr("no function run")));
  EXPECT_THAT(check(model + "run = Model().run\n"), IsEmpty());
  EXPECT_THAT(check("def f():\n  run = 1\n"), ElementsAre(HasSubstr("no function run")));
  EXPECT_THAT(check("def init():\n  global run\n  from fast import run\n"), IsEmpty());
  EXPECT_THAT(check("class Client:\n  async def run(self): pass\n"
                    "try:\n  from fast import run\nexcept ImportError:\n  def run(x): pass\n"),
              IsEmpty());
}

TEST_F(EnvironmentTest, TheCodesHashSeesNamesAndContentButNoCaches) {
  Write("code/a.py", "1");
  const std::string before = HashCode(root_ + "/code", {}).value();
  Write("code/__pycache__/a.pyc", "cache");
  Write("code/out/state.db", "ours");
  EXPECT_EQ(HashCode(root_ + "/code", {root_ + "/code/out"}).value(), before);
  Write("code/a.py", "2");
  EXPECT_NE(HashCode(root_ + "/code", {root_ + "/code/out"}).value(), before);
}

// While a run waits to go on, people look at it, edit its number of instances and keep its log.
TEST_F(EnvironmentTest, TheCodesHashKnowsNeitherTheJobFileNorWhatToolsLeave) {
  Write("code/a.py", "1");
  Write("code/job.yaml", "instanceCount: 2");
  const std::vector<std::string> job{root_ + "/code/../code/job.yaml"};
  const std::string before = HashCode(root_ + "/code", job).value();
  Write("code/job.yaml", "instanceCount: 1");
  for (const char* name : {".a.py.swp", "a.py~", "run.log", "nohup.out", ".pytest_cache/x"}) {
    Write(std::string("code/") + name, "1");
  }
  EXPECT_EQ(HashCode(root_ + "/code", job).value(), before);
  Write("code/below/job.yaml", "read by the script");
  EXPECT_NE(HashCode(root_ + "/code", job).value(), before);
}

TEST_F(EnvironmentTest, TheCodesHashKnowsNoFoldersOfRunsAndFetches) {
  Write("code/a.py", "1");
  const std::string before = HashCode(root_ + "/code", {}).value();
  Write("code/earlier/.paralleljob/lock", "1");
  Write("code/earlier/outputs/rows/rows.txt", "a row");
  Write("code/below/fetched/.paralleljob/fetched.json", "{}");
  Write("code/below/fetched/logs/job_result.txt", "Complete");
  EXPECT_EQ(HashCode(root_ + "/code", {}).value(), before);
  EXPECT_EQ(NewestSince(root_ + "/code", {}, 0), root_ + "/code/a.py");
  Write("code/below/b.py", "2");
  EXPECT_NE(HashCode(root_ + "/code", {}).value(), before);
}

TEST(Process, ExitCodesAndOutput) {
  const Result<ProcessResult> result =
      RunProcess({"/bin/sh", "-c", "echo out; echo err >&2; exit 7"});
  ASSERT_TRUE(result.has_value());
  EXPECT_EQ(result->exit_code, 7);
  EXPECT_EQ(result->output, "out\nerr\n");
  EXPECT_FALSE(RunProcess({"/nonexistent/program"}).has_value());
}

}  // namespace
}  // namespace pj::cli

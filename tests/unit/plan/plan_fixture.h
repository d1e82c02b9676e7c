// A scratch folder and shorthands for tests that plan real files.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "plan/plan.h"
#include "unit/temp_dir.h"

namespace pj::plan {

class PlanFixture : public testing::Test {
 protected:
  void SetUp() override {
    data_ = dir_ + "/data";
    std::filesystem::create_directory(data_);
  }

  // Writes data/<name>, making folders.
  std::string Put(const std::string& name, const std::string& text) {
    const std::filesystem::path path = data_ + "/" + name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << text;
    return path.string();
  }
  SourceSpec Source() const {
    SourceSpec source;
    source.input_name = "data";
    source.root = data_;
    return source;
  }
  PlanRequest Files(uint64_t size) const {
    PlanRequest request;
    request.sources = {Source()};
    request.size = size;
    return request;
  }
  PlanRequest Table(PlanRequest::SizeUnit unit, uint64_t size,
                    const DelimitedOptions& options = {}) const {
    PlanRequest request = Files(size);
    request.sources[0].table = options;
    request.unit = unit;
    return request;
  }
  Result<std::unique_ptr<Plan>> Build(const PlanRequest& request) {
    return BuildPlan(request, dir_ + "/plan");
  }
  std::string ErrorOf(const PlanRequest& request) {
    auto plan = Build(request);
    return plan ? "" : plan.error().ToString();
  }
  // The text of a mini-batch's ranges, joined.
  static std::string TextOf(const MiniBatch& mini_batch) {
    std::string out;
    for (const TableRange& range : mini_batch.ranges) {
      std::ifstream in(range.file.path, std::ios::binary);
      in.seekg(static_cast<std::streamoff>(range.offset));
      std::string part(range.length, '\0');
      in.read(part.data(), static_cast<std::streamsize>(part.size()));
      out += part;
    }
    return out;
  }
  static std::vector<std::string> Texts(const Plan& plan) {
    std::vector<std::string> out;
    for (uint64_t i = 0; i < plan.size(); ++i) {
      auto mini_batch = plan.Get(i);
      EXPECT_TRUE(mini_batch) << mini_batch.error().ToString();
      if (mini_batch) out.push_back(TextOf(*mini_batch));
    }
    return out;
  }
  // Names below data/ of a mini-batch's files.
  std::vector<std::string> Names(const Plan& plan, uint64_t index) const {
    std::vector<std::string> out;
    auto mini_batch = plan.Get(index);
    EXPECT_TRUE(mini_batch) << mini_batch.error().ToString();
    if (!mini_batch) return out;
    for (const FileRef& file : mini_batch->files) out.push_back(file.path.substr(data_.size() + 1));
    return out;
  }

  const TempDir temp_;
  const std::string& dir_ = temp_.str();
  std::string data_;
};

}  // namespace pj::plan

// JobDir: what a local run keeps in its folder, who may use it, and what --fresh removes.
#pragma once

#include <memory>
#include <string>

#include "base/fs.h"
#include "base/made_folder.h"
#include "base/result.h"

namespace pj::cli {

// Where results go: what was asked for (--output), else ./<job>-output.
std::string OutputFolder(const std::string& asked, const std::string& job);

// Paths only; all absolute. Everything of ours besides outputs, logs and state.db lies in
// .paralleljob/.
class JobDir {
 public:
  // `step`: an Azure pipeline's step; its outputs and logs lie below steps/<step>.
  static Result<JobDir> At(const std::string& dir, const std::string& step = {});

  const std::string& root() const { return root_; }
  std::string StateDb() const { return root_ + "/state.db"; }
  std::string Private() const { return root_ + "/" + kRunFolderMark; }
  std::string PlanFile() const { return Private() + "/plan"; }
  std::string Segments() const { return Private() + "/segments"; }
  std::string Inputs() const { return Private() + "/inputs"; }  // copies, for mode download
  std::string LockFile() const { return Private() + "/lock"; }
  std::string Outputs() const { return StepRoot() + "/outputs"; }
  std::string Logs() const { return StepRoot() + "/logs"; }
  std::string PipelineOutputs() const { return root_ + "/outputs"; }
  std::string PipelineLogs() const { return root_ + "/logs"; }
  bool IsPipeline() const { return !step_.empty(); }

  Result<bool> HasState() const;
  // The step of a pipeline that ran here; empty: none did.
  std::string StepThere() const;
  // Makes it this object's, which was made without one.
  void FindStep() { step_ = StepThere(); }
  // A folder with outputs/ or logs/ but no state.db is not ours: kInvalid.
  Status CheckOurs() const;
  Status MakeFolders() const;
  // Removes what a run of ours left, and only beside our state.db.
  Status RemoveOurs() const;
  // Copies that no plan was made of: their originals may have changed since.
  Status RemoveInputs() const;

 private:
  std::string StepRoot() const { return step_.empty() ? root_ : root_ + "/steps/" + step_; }
  std::string root_;
  std::string step_;
};

// The exclusive right to run in a folder, held until destruction or death. A second holder gets
// kUnavailable with the first one's process number.
class DirLock {
 public:
  static Result<DirLock> Take(const JobDir& dir);
  // The process that holds it; empty when none does. Takes nothing, so it stands in nobody's way.
  static std::string Holder(const JobDir& dir);

 private:
  explicit DirLock(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

}  // namespace pj::cli

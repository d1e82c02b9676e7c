// User: who applies ParallelJobs, suspends and scales them, deletes them and applies them again;
// and what is known of each that they ever applied.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "operator/views.h"
#include "tests/sim/cluster/env.h"
#include "tests/sim/cluster/sim_job.h"

namespace pj::sim {

inline constexpr char kMainJob[] = "score";
inline constexpr char kPoisonJob[] = "poison";

// Not thread-safe.
class User {
 public:
  explicit User(Env* env) : env_(env), api_(env, "user", false) {}

  void Begin();  // applies what the scenario says
  void ToggleSuspend();
  void Scale();
  void Recreate();
  void DeleteJob();  // the Indexed Job, by hand
  void Settle();     // at the end of the chaos: everything is wanted again
  void DeleteAll();

  std::optional<op::ParallelJobView> View(const std::string& name);
  bool Stalled(const std::string& name);
  SimJob* Main() { return Find(main_uid_); }
  SimJob* Find(const std::string& uid);
  SimJob* FindRun(const std::string& short_hash);
  int64_t MostInstances(const std::string& uid) const;
  const std::vector<std::unique_ptr<SimJob>>& jobs() const { return jobs_; }

 private:
  void Apply(const std::string& name);
  void Damage();
  void Change(const std::string& field, int64_t number, bool is_flag);

  Env* env_;
  ActorApi api_;
  std::vector<std::unique_ptr<SimJob>> jobs_;
  std::map<std::string, int64_t> most_instances_;  // by UID
  std::string main_uid_;                           // empty: deleted, and not yet applied again
  bool suspended_ = false;
};

}  // namespace pj::sim

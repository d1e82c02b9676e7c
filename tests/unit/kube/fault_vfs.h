// A disk for SQLite that fails at the N-th write or sync: every error path of the store, for real.
#pragma once

namespace pj::kube {

// While it lives, SQLite's default VFS is the system's one with this fault. Not thread-safe but for
// LocksRefused(), one at a time; databases opened while it lives must be closed before it goes.
class FaultVfs {
 public:
  FaultVfs();
  ~FaultVfs();
  FaultVfs(const FaultVfs&) = delete;
  FaultVfs& operator=(const FaultVfs&) = delete;

  // The n-th operation from now (1 is the next) and all after it fail with this SQLite code.
  void FailFrom(int n, int sqlite_code);
  void Mend();
  // True if an operation has failed since FailFrom.
  bool Fired() const;
  // How often a lock was not to be had because another connection holds one.
  int LocksRefused() const;
};

}  // namespace pj::kube

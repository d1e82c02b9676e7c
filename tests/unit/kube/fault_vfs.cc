#include "fault_vfs.h"

#include <sqlite3.h>

#include <atomic>

namespace pj::kube {
namespace {

// SQLite's C interface leaves no other place for it than globals; FaultVfs owns them.
struct Faults {
  sqlite3_vfs* real = nullptr;
  sqlite3_vfs vfs{};
  int left = 0;  // operations until the fault; 0: none
  int code = SQLITE_OK;
  bool fired = false;
};
Faults g_faults;
std::atomic<int> g_locks_refused = 0;

int Tick() {
  if (g_faults.left == 0) return SQLITE_OK;
  if (g_faults.left > 1) {
    --g_faults.left;
    return SQLITE_OK;
  }
  g_faults.fired = true;
  return g_faults.code;
}

// The methods of an open file, with write, truncate and sync replaced.
struct File {
  sqlite3_file base;
  sqlite3_io_methods methods;
  sqlite3_file* real() { return reinterpret_cast<sqlite3_file*>(this + 1); }
};

File* Of(sqlite3_file* file) { return reinterpret_cast<File*>(file); }
const sqlite3_io_methods& Real(sqlite3_file* file) { return *Of(file)->real()->pMethods; }

int Close(sqlite3_file* f) { return Real(f).xClose(Of(f)->real()); }
int Read(sqlite3_file* f, void* to, int size, sqlite3_int64 at) {
  return Real(f).xRead(Of(f)->real(), to, size, at);
}
int Write(sqlite3_file* f, const void* from, int size, sqlite3_int64 at) {
  if (const int code = Tick(); code != SQLITE_OK) return code;
  return Real(f).xWrite(Of(f)->real(), from, size, at);
}
int Truncate(sqlite3_file* f, sqlite3_int64 size) {
  if (const int code = Tick(); code != SQLITE_OK) return code;
  return Real(f).xTruncate(Of(f)->real(), size);
}
int Sync(sqlite3_file* f, int flags) {
  if (const int code = Tick(); code != SQLITE_OK) {
    return code == SQLITE_FULL ? SQLITE_FULL : SQLITE_IOERR_FSYNC;
  }
  return Real(f).xSync(Of(f)->real(), flags);
}
int FileSize(sqlite3_file* f, sqlite3_int64* size) {
  return Real(f).xFileSize(Of(f)->real(), size);
}
int Lock(sqlite3_file* f, int level) {
  const int code = Real(f).xLock(Of(f)->real(), level);
  if (code == SQLITE_BUSY) ++g_locks_refused;
  return code;
}
int Unlock(sqlite3_file* f, int level) { return Real(f).xUnlock(Of(f)->real(), level); }
int CheckLock(sqlite3_file* f, int* out) { return Real(f).xCheckReservedLock(Of(f)->real(), out); }
int Control(sqlite3_file* f, int op, void* arg) {
  return Real(f).xFileControl(Of(f)->real(), op, arg);
}
int SectorSize(sqlite3_file* f) { return Real(f).xSectorSize(Of(f)->real()); }
int Traits(sqlite3_file* f) { return Real(f).xDeviceCharacteristics(Of(f)->real()); }
int ShmMap(sqlite3_file* f, int page, int size, int extend, void volatile** out) {
  return Real(f).xShmMap(Of(f)->real(), page, size, extend, out);
}
int ShmLock(sqlite3_file* f, int offset, int n, int flags) {
  return Real(f).xShmLock(Of(f)->real(), offset, n, flags);
}
void ShmBarrier(sqlite3_file* f) { Real(f).xShmBarrier(Of(f)->real()); }
int ShmUnmap(sqlite3_file* f, int remove) { return Real(f).xShmUnmap(Of(f)->real(), remove); }

int Open(sqlite3_vfs*, const char* name, sqlite3_file* f, int flags, int* out_flags) {
  File* file = Of(f);
  file->base.pMethods = nullptr;
  const int code = g_faults.real->xOpen(g_faults.real, name, file->real(), flags, out_flags);
  if (file->real()->pMethods == nullptr) return code;
  file->methods = {.iVersion = 2,
                   .xClose = Close,
                   .xRead = Read,
                   .xWrite = Write,
                   .xTruncate = Truncate,
                   .xSync = Sync,
                   .xFileSize = FileSize,
                   .xLock = Lock,
                   .xUnlock = Unlock,
                   .xCheckReservedLock = CheckLock,
                   .xFileControl = Control,
                   .xSectorSize = SectorSize,
                   .xDeviceCharacteristics = Traits,
                   .xShmMap = ShmMap,
                   .xShmLock = ShmLock,
                   .xShmBarrier = ShmBarrier,
                   .xShmUnmap = ShmUnmap,
                   .xFetch = nullptr,
                   .xUnfetch = nullptr};
  file->base.pMethods = &file->methods;
  return code;
}

}  // namespace

FaultVfs::FaultVfs() {
  g_faults = {};
  g_locks_refused = 0;
  g_faults.real = sqlite3_vfs_find(nullptr);
  g_faults.vfs = *g_faults.real;
  g_faults.vfs.zName = "pj-faults";
  g_faults.vfs.szOsFile = static_cast<int>(sizeof(File)) + g_faults.real->szOsFile;
  g_faults.vfs.xOpen = Open;
  sqlite3_vfs_register(&g_faults.vfs, /*makeDflt=*/1);
}

FaultVfs::~FaultVfs() { sqlite3_vfs_unregister(&g_faults.vfs); }

void FaultVfs::FailFrom(int n, int sqlite_code) {
  g_faults.left = n;
  g_faults.code = sqlite_code;
  g_faults.fired = false;
}

void FaultVfs::Mend() { g_faults.left = 0; }

bool FaultVfs::Fired() const { return g_faults.fired; }

int FaultVfs::LocksRefused() const { return g_locks_refused; }

}  // namespace pj::kube

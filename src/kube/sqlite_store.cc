#include <fcntl.h>
#include <fmt/core.h>
#include <sqlite3.h>

#include <cerrno>
#include <filesystem>

#include "base/byte_io.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/hash.h"
#include "kube/store.h"

namespace pj::kube {
namespace {

constexpr int kApplicationId = 0x706A6F62;  // "pjob"
constexpr int kFormat = 1;
constexpr int kBusyMillis = 5000;
constexpr int kBusyRetryMillis = 2;
constexpr uint64_t kLeastBytes = 64 << 10;  // log and shared index of the smallest transaction

constexpr const char* kSchema =
    "CREATE TABLE objects(id INTEGER PRIMARY KEY, resource TEXT NOT NULL, ns TEXT NOT NULL,"
    " name TEXT NOT NULL, version INTEGER NOT NULL, crc INTEGER NOT NULL, body BLOB NOT NULL,"
    " UNIQUE(resource, ns, name));"
    "CREATE TABLE removed(id INTEGER PRIMARY KEY CHECK(id = 1), version INTEGER NOT NULL);"
    "INSERT INTO removed VALUES(1, 0);";

struct CloseDb {
  void operator()(sqlite3* db) const { sqlite3_close_v2(db); }
};
struct FinalizeStatement {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using Db = std::unique_ptr<sqlite3, CloseDb>;
using Statement = std::unique_ptr<sqlite3_stmt, FinalizeStatement>;

std::unexpected<Error> Damaged(const std::string& path, const std::string& what) {
  return Fail(Code::kCorrupt, "the state file is damaged: " + what, path,
              "restore it from a copy, or start over without it (--fresh)");
}

std::unexpected<Error> SqliteError(sqlite3* db, const std::string& path, const char* doing) {
  const int code = sqlite3_errcode(db) & 0xff;
  const int err = sqlite3_system_errno(db);
  const std::string text = fmt::format("cannot {}: {}", doing, sqlite3_errmsg(db));
  if (code == SQLITE_FULL || (code == SQLITE_IOERR && (err == ENOSPC || err == EDQUOT))) {
    return Fail(Code::kNoSpace, text + ": " + DescribeSpace(path, kLeastBytes), path,
                "free some space and start the same command again: it goes on from here");
  }
  if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB) return Damaged(path, sqlite3_errmsg(db));
  if (code == SQLITE_BUSY || code == SQLITE_LOCKED) {
    return Fail(Code::kUnavailable, text, path, "another program is using the state file");
  }
  if (code == SQLITE_READONLY || code == SQLITE_PERM || err == EACCES || err == EROFS) {
    return Fail(Code::kForbidden, text, path, "make the folder and the file writable");
  }
  if (code == SQLITE_CANTOPEN && err != 0) return FailErrno(err, text, path);
  return Fail(Code::kIo, text, path);
}

uint32_t RowCrc(const StoreRow& row) {
  ByteWriter head;
  head.Bytes(row.resource);
  head.Bytes(row.ns);
  head.Bytes(row.name);
  head.U64(row.version);
  return Crc32c(row.text, Crc32c(head.str()));
}

class SqliteStore : public Store {
 public:
  SqliteStore(Db db, std::string path) : db_(std::move(db)), path_(std::move(path)) {}

  Status Prepare();
  Result<uint64_t> Load(const std::function<Status(const StoreRow&)>& each) override;
  Status Commit(const std::vector<StoreRow>& rows) override;

 private:
  Status Exec(const char* sql, const char* doing);
  Result<int64_t> Number(const char* sql);
  Result<Statement> Compile(const char* sql);
  Status CheckFormat();
  Status Initialize();
  Status SwitchToWal();
  Status CompileAll();
  Status WriteRow(const StoreRow& row);
  Status WriteRows(const std::vector<StoreRow>& rows);
  Status Step(sqlite3_stmt* statement, const char* doing);
  Status CheckSoleWriter();
  void BindKey(sqlite3_stmt* statement, const StoreRow& row);

  // The database comes first: it is closed after its statements are gone.
  Db db_;
  Statement begin_, commit_, rollback_, put_, remove_, raise_, data_version_;
  std::string path_;
  int64_t seen_version_ = 0;  // PRAGMA data_version: changes when another connection writes
};

Status SqliteStore::Exec(const char* sql, const char* doing) {
  if (sqlite3_exec(db_.get(), sql, nullptr, nullptr, nullptr) == SQLITE_OK) return {};
  return SqliteError(db_.get(), path_, doing);
}

Result<Statement> SqliteStore::Compile(const char* sql) {
  sqlite3_stmt* raw = nullptr;
  if (sqlite3_prepare_v3(db_.get(), sql, -1, SQLITE_PREPARE_PERSISTENT, &raw, nullptr) !=
      SQLITE_OK) {
    return SqliteError(db_.get(), path_, "read the state file");
  }
  return Statement(raw);
}

Result<int64_t> SqliteStore::Number(const char* sql) {
  PJ_ASSIGN(Statement statement, Compile(sql));
  if (sqlite3_step(statement.get()) != SQLITE_ROW) {
    return SqliteError(db_.get(), path_, "read the state file");
  }
  return sqlite3_column_int64(statement.get(), 0);
}

Status SqliteStore::CheckFormat() {
  PJ_ASSIGN(const int64_t id, Number("PRAGMA application_id"));
  PJ_ASSIGN(const int64_t tables, Number("SELECT count(*) FROM sqlite_master"));
  if (id == 0 && tables == 0) return Initialize();
  if (id != kApplicationId) {
    return Fail(Code::kInvalid, "this SQLite file is not a state file of paralleljob", path_,
                "choose another folder, or move the file away");
  }
  PJ_ASSIGN(const int64_t format, Number("PRAGMA user_version"));
  if (format > kFormat) {
    return Fail(
        Code::kInvalid,
        fmt::format("the state file has format {}, this program reads up to {}", format, kFormat),
        path_, "use the newer paralleljob that wrote it, or start over (--fresh)");
  }
  if (format < 1) return Damaged(path_, fmt::format("format {}", format));
  return {};
}

Status SqliteStore::Initialize() {
  const std::string sql = fmt::format(
      "BEGIN IMMEDIATE; {} PRAGMA application_id = {}; PRAGMA user_version = {}; COMMIT;", kSchema,
      kApplicationId, kFormat);
  if (auto done = Exec(sql.c_str(), "create the state file"); !done) {
    if (sqlite3_get_autocommit(db_.get()) == 0) {
      sqlite3_exec(db_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
    }
    return done;
  }
  const std::string dir = std::filesystem::path(path_).parent_path();
  return SyncDir(dir.empty() ? "." : dir);
}

Status SqliteStore::Prepare() {
  sqlite3_extended_result_codes(db_.get(), 1);
  sqlite3_busy_timeout(db_.get(), kBusyMillis);
  PJ_TRY(Exec("PRAGMA synchronous = FULL; PRAGMA foreign_keys = OFF;", "open the state file"));
  PJ_TRY(CheckFormat());
  PJ_TRY(SwitchToWal());
  PJ_ASSIGN(Statement check, Compile("PRAGMA quick_check(1)"));
  if (sqlite3_step(check.get()) != SQLITE_ROW) {
    return SqliteError(db_.get(), path_, "check the state file");
  }
  const std::string verdict = reinterpret_cast<const char*>(sqlite3_column_text(check.get(), 0));
  if (verdict != "ok") return Damaged(path_, verdict);
  return CompileAll();
}

// For this switch SQLite does not wait by itself while somebody reads (`status` of a run that
// starts).
Status SqliteStore::SwitchToWal() {
  const Nanos until = SystemClock().Monotonic() + Millis(kBusyMillis);
  while (true) {
    Status done = Exec("PRAGMA journal_mode = WAL", "switch the state file to a write-ahead log");
    const bool busy = (sqlite3_errcode(db_.get()) & 0xff) == SQLITE_BUSY;
    if (done || !busy || SystemClock().Monotonic() >= until) return done;
    sqlite3_sleep(kBusyRetryMillis);
  }
}

Status SqliteStore::CompileAll() {
  PJ_ASSIGN(begin_, Compile("BEGIN IMMEDIATE"));
  PJ_ASSIGN(commit_, Compile("COMMIT"));
  PJ_ASSIGN(rollback_, Compile("ROLLBACK"));
  PJ_ASSIGN(put_, Compile("INSERT INTO objects(resource, ns, name, version, crc, body)"
                          " VALUES(?1, ?2, ?3, ?4, ?5, ?6)"
                          " ON CONFLICT(resource, ns, name) DO UPDATE SET"
                          " version = excluded.version, crc = excluded.crc, body = excluded.body"));
  PJ_ASSIGN(remove_, Compile("DELETE FROM objects WHERE resource = ?1 AND ns = ?2 AND name = ?3"));
  PJ_ASSIGN(raise_, Compile("UPDATE removed SET version = ?1 WHERE id = 1"));
  PJ_ASSIGN(data_version_, Compile("PRAGMA data_version"));
  PJ_ASSIGN(seen_version_, Number("PRAGMA data_version"));
  return {};
}

Result<uint64_t> SqliteStore::Load(const std::function<Status(const StoreRow&)>& each) {
  PJ_ASSIGN(const int64_t removed, Number("SELECT version FROM removed"));
  uint64_t highest = static_cast<uint64_t>(removed);
  PJ_ASSIGN(Statement all, Compile("SELECT resource, ns, name, version, crc, body FROM objects"));
  const auto bytes = [&](int column) {
    const auto* data = static_cast<const char*>(sqlite3_column_blob(all.get(), column));
    const auto size = static_cast<size_t>(sqlite3_column_bytes(all.get(), column));
    return size == 0 ? std::string_view() : std::string_view(data, size);
  };
  int code = 0;
  while ((code = sqlite3_step(all.get())) == SQLITE_ROW) {
    StoreRow row{.resource = std::string(bytes(0)),
                 .ns = std::string(bytes(1)),
                 .name = std::string(bytes(2)),
                 .version = static_cast<uint64_t>(sqlite3_column_int64(all.get(), 3)),
                 .text = bytes(5)};
    if (sqlite3_column_int64(all.get(), 4) != int64_t{RowCrc(row)}) {
      return Damaged(path_,
                     fmt::format("wrong checksum of {} {}/{}", row.resource, row.ns, row.name));
    }
    highest = std::max(highest, row.version);
    PJ_TRY(each(row));
  }
  if (code != SQLITE_DONE) return SqliteError(db_.get(), path_, "read the state file");
  return highest;
}

Status SqliteStore::Step(sqlite3_stmt* statement, const char* doing) {
  const int code = sqlite3_step(statement);
  if (code == SQLITE_DONE || code == SQLITE_ROW) {
    sqlite3_reset(statement);
    return {};
  }
  auto failure = SqliteError(db_.get(), path_, doing);
  sqlite3_reset(statement);
  return failure;
}

void SqliteStore::BindKey(sqlite3_stmt* statement, const StoreRow& row) {
  int column = 1;
  for (const std::string* text : {&row.resource, &row.ns, &row.name}) {
    sqlite3_bind_text(statement, column++, text->data(), static_cast<int>(text->size()),
                      SQLITE_STATIC);
  }
}

Status SqliteStore::WriteRow(const StoreRow& row) {
  if (row.removed) {
    BindKey(remove_.get(), row);
    PJ_TRY(Step(remove_.get(), "remove an object"));
    sqlite3_bind_int64(raise_.get(), 1, static_cast<int64_t>(row.version));
    return Step(raise_.get(), "remove an object");
  }
  BindKey(put_.get(), row);
  sqlite3_bind_int64(put_.get(), 4, static_cast<int64_t>(row.version));
  sqlite3_bind_int64(put_.get(), 5, int64_t{RowCrc(row)});
  sqlite3_bind_blob64(put_.get(), 6, row.text.data(), row.text.size(), SQLITE_STATIC);
  return Step(put_.get(), "write an object");
}

// The objects lie in memory too: a second writer would make them diverge without a word.
Status SqliteStore::CheckSoleWriter() {
  const int code = sqlite3_step(data_version_.get());
  const int64_t version = sqlite3_column_int64(data_version_.get(), 0);
  sqlite3_reset(data_version_.get());
  if (code != SQLITE_ROW) return SqliteError(db_.get(), path_, "read the state file");
  if (version == seen_version_) return {};
  return Fail(Code::kConflict, "another program has written to the state file", path_,
              "run one job at a time in a folder");
}

Status SqliteStore::WriteRows(const std::vector<StoreRow>& rows) {
  PJ_TRY(CheckSoleWriter());
  for (const StoreRow& row : rows) PJ_TRY(WriteRow(row));
  return Step(commit_.get(), "commit to the state file");
}

Status SqliteStore::Commit(const std::vector<StoreRow>& rows) {
  PJ_TRY(Step(begin_.get(), "write to the state file"));
  Status done = WriteRows(rows);
  // Some errors have rolled back by themselves already.
  if (!done && sqlite3_get_autocommit(db_.get()) == 0) {
    sqlite3_step(rollback_.get());
    sqlite3_reset(rollback_.get());
  }
  return done;
}

}  // namespace

Result<std::unique_ptr<Store>> OpenSqliteStore(const std::string& path) {
  sqlite3* raw = nullptr;
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
  const int code = sqlite3_open_v2(path.c_str(), &raw, flags, nullptr);
  Db db(raw);
  if (code != SQLITE_OK) return SqliteError(raw, path, "open the state file");
  auto store = std::make_unique<SqliteStore>(std::move(db), path);
  PJ_TRY(store->Prepare());
  return store;
}

}  // namespace pj::kube

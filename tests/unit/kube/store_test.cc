#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <future>
#include <iterator>

#include "base/fs.h"
#include "base/json.h"
#include "fault_vfs.h"
#include "helpers.h"

namespace pj::kube {
namespace {

Error OpenError(const std::string& path) {
  auto api = MemoryApi::Open({.state_file = path});
  EXPECT_FALSE(api.has_value()) << "opened " << path;
  return api ? Error{} : api.error();
}

void Sql(const std::string& path, const std::string& sql) {
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open(path.c_str(), &db), SQLITE_OK);
  EXPECT_EQ(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK)
      << sqlite3_errmsg(db);
  sqlite3_close(db);
}

std::string FileWithOneObject(const TempDir& dir) {
  const std::string path = dir / "state.db";
  auto api = OpenApi({.state_file = path});
  MustMap(*api, CreateOf(MakeMap("a", std::string(3000, 'x'))));
  return path;
}

TEST(Store, NewerFormatIsRefused) {
  TempDir dir;
  const std::string path = FileWithOneObject(dir);
  Sql(path, "PRAGMA user_version = 2");
  const Error error = OpenError(path);
  EXPECT_EQ(error.code, Code::kInvalid);
  EXPECT_EQ(error.message, "the state file has format 2, this program reads up to 1");
  EXPECT_EQ(error.where, path);
  EXPECT_FALSE(error.hint.empty());
}

TEST(Store, OpeningWaitsForAReaderWhoKeepsTheLogFromBeginning) {
  TempDir dir;
  const std::string path = FileWithOneObject(dir);
  Sql(path, "PRAGMA journal_mode = DELETE");
  const FaultVfs disk;
  sqlite3* reader = nullptr;
  ASSERT_EQ(sqlite3_open(path.c_str(), &reader), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(reader, "BEGIN; SELECT count(*) FROM objects", nullptr, nullptr, nullptr),
            SQLITE_OK);
  auto opened = std::async(std::launch::async,
                           [&] { return MemoryApi::Open({.state_file = path}).has_value(); });
  // It was refused, and has tried again; it gives up by itself.
  const auto over = [&] { return opened.wait_for(Millis(1)) == std::future_status::ready; };
  while (disk.LocksRefused() < 2 && !over()) {
  }
  EXPECT_GE(disk.LocksRefused(), 2) << "it did not wait";
  EXPECT_EQ(sqlite3_close(reader), SQLITE_OK);
  EXPECT_TRUE(opened.get());
}

TEST(Store, AnotherProgramsFileIsRefusedAndLeftAlone) {
  TempDir dir;
  const std::string path = dir / "state.db";
  Sql(path, "CREATE TABLE diary(day TEXT)");
  const std::string before = *ReadFile(path);
  EXPECT_EQ(OpenError(path).code, Code::kInvalid);
  EXPECT_EQ(*ReadFile(path), before);
}

TEST(Store, NoDatabaseIsDamage) {
  TempDir dir;
  const std::string path = dir / "state.db";
  std::ofstream(path) << std::string(5000, 'z');
  const Error error = OpenError(path);
  EXPECT_EQ(error.code, Code::kCorrupt);
  EXPECT_EQ(error.where, path);
}

TEST(Store, AFlippedByteIsDamage) {
  TempDir dir;
  const std::string path = FileWithOneObject(dir);
  std::string bytes = *ReadFile(path);
  const size_t at = bytes.find(std::string(100, 'x'));
  ASSERT_NE(at, std::string::npos);
  bytes[at + 50] = 'y';
  std::ofstream(path, std::ios::trunc) << bytes;
  const Error error = OpenError(path);
  EXPECT_EQ(error.code, Code::kCorrupt);
  EXPECT_NE(error.message.find("wrong checksum of /configmaps ns/a"), std::string::npos)
      << error.message;
}

TEST(Store, ATruncatedFileIsDamage) {
  TempDir dir;
  const std::string path = FileWithOneObject(dir);
  ASSERT_EQ(truncate(path.c_str(), 4096), 0);
  EXPECT_EQ(OpenError(path).code, Code::kCorrupt);
}

TEST(Store, AMissingFolderIsNamed) {
  const Error error = OpenError("/nonexistent/state.db");
  EXPECT_EQ(error.where, "/nonexistent/state.db");
  EXPECT_EQ(error.code, Code::kNotFound);
}

TEST(Store, ASecondWriterIsNoticed) {
  TempDir dir;
  const std::string path = dir / "state.db";
  auto first = OpenApi({.state_file = path});
  MustMap(*first, CreateOf(MakeMap("a")));
  auto second = OpenApi({.state_file = path});
  MustMap(*second, CreateOf(MakeMap("b")));
  auto lost = first->Do(CreateOf(MakeMap("c")));
  ASSERT_FALSE(lost.has_value());
  EXPECT_EQ(lost.error().code, Code::kConflict);
  EXPECT_EQ(MustMap(*second, GetOf("b")).data["key"], "v");
}

// What a server says about its objects.
std::map<std::string, std::string> Contents(MemoryApi& api) {
  std::map<std::string, std::string> out;
  const Json list = Json::parse(Must(api, ListOf()).body);
  for (const Json& item : list["items"]) out[item["metadata"]["name"]] = item.dump();
  return out;
}

// Create, update, delete with a dependent: the writes that the disk may fail.
Status ThreeWrites(MemoryApi& api, std::map<std::string, std::string>& acknowledged) {
  ConfigMap owner = MakeMap("owner");
  PJ_ASSIGN(Response created, api.Do(CreateOf(owner)));
  acknowledged = Contents(api);
  PJ_ASSIGN(owner, DecodeConfigMap(created.body));
  ConfigMap child = MakeMap("child", std::string(20'000, 'c'));
  child.meta.owner = OwnerReference{"v1", "ConfigMap", "owner", owner.meta.uid, true};
  PJ_TRY(api.Do(CreateOf(child)));
  acknowledged = Contents(api);
  owner.data["key"] = "changed";
  PJ_TRY(api.Do(UpdateOf(owner)));
  acknowledged = Contents(api);
  PJ_TRY(api.Do(DeleteOf("owner")));
  acknowledged = Contents(api);
  return {};
}

class DiskFault : public testing::TestWithParam<std::pair<int, Code>> {};

// The N-th write or sync fails, for N = 1, 2, 3 … until all passes: nothing acknowledged is lost,
// memory and file agree, and once the disk is mended the same server goes on.
TEST_P(DiskFault, NothingAcknowledgedIsLost) {
  const auto [sqlite_code, code] = GetParam();
  int n = 1;
  for (bool fired = true; fired; ++n) {
    ASSERT_LT(n, 500);
    TempDir dir;
    FaultVfs disk;
    const std::string path = dir / "state.db";
    std::map<std::string, std::string> acknowledged;
    auto api = OpenApi({.state_file = path});
    disk.FailFrom(n, sqlite_code);
    const Status done = ThreeWrites(*api, acknowledged);
    fired = disk.Fired();
    disk.Mend();
    ASSERT_EQ(done.has_value(), !fired) << "operation " << n;
    if (!done) {
      EXPECT_EQ(done.error().code, code) << done.error().ToString();
    }
    EXPECT_EQ(Contents(*api), acknowledged) << "operation " << n;
    MustMap(*api, CreateOf(MakeMap("after")));
    acknowledged = Contents(*api);
    api.reset();
    EXPECT_EQ(Contents(*OpenApi({.state_file = path})), acknowledged) << "operation " << n;
  }
  EXPECT_GT(n, 8);
}

INSTANTIATE_TEST_SUITE_P(All, DiskFault,
                         testing::Values(std::pair{SQLITE_FULL, Code::kNoSpace},
                                         std::pair{SQLITE_IOERR_WRITE, Code::kIo}),
                         [](const auto& param) {
                           return param.param.first == SQLITE_FULL ? "DiskFull" : "WriteError";
                         });

// A new state file whose creation fails at the N-th operation can be created afterwards.
TEST(Store, CreationFailsCleanly) {
  int n = 1;
  for (bool fired = true; fired; ++n) {
    ASSERT_LT(n, 200);
    TempDir dir;
    FaultVfs disk;
    disk.FailFrom(n, SQLITE_FULL);
    auto api = MemoryApi::Open({.state_file = dir / "state.db"});
    fired = disk.Fired();
    if (!api) {
      EXPECT_EQ(api.error().code, Code::kNoSpace) << api.error().ToString();
    }
    if (api) api->reset();
    disk.Mend();
    MustMap(*OpenApi({.state_file = dir / "state.db"}), CreateOf(MakeMap("a")));
  }
  EXPECT_GT(n, 4);
}

// Raises one object's counter for ever and writes each acknowledged number to the pipe.
[[noreturn]] void WriteForever(const std::string& path, int pipe) {
  auto api = MemoryApi::Open({.state_file = path});
  if (!api) _exit(1);
  auto answer = (*api)->Do(GetOf("counter"));
  if (answer && answer->code == 404) answer = (*api)->Do(CreateOf(MakeMap("counter", "0")));
  for (;;) {
    if (!answer || !answer->ok()) _exit(2);
    ConfigMap map = DecodeConfigMap(answer->body).value_or(ConfigMap{});
    const int number = std::stoi(map.data["key"]);
    if (write(pipe, &number, sizeof number) != sizeof number) _exit(3);
    map.data["key"] = std::to_string(number + 1);
    answer = (*api)->Do(UpdateOf(map));
  }
}

// Reads acknowledgements until `count` came, kills the writer, reads the rest. The last number.
int KillAfter(const std::string& path, int count) {
  int fds[2];
  EXPECT_EQ(pipe(fds), 0);
  const pid_t child = fork();
  if (child == 0) {
    close(fds[0]);
    WriteForever(path, fds[1]);
  }
  close(fds[1]);
  int last = -1;
  int seen = 0;
  for (int number = 0; read(fds[0], &number, sizeof number) == sizeof number; last = number) {
    if (++seen == count) kill(child, SIGKILL);
  }
  close(fds[0]);
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_TRUE(WIFSIGNALED(status)) << "the writer ended by itself: " << WEXITSTATUS(status);
  return last;
}

TEST(Store, KilledAtAnyPointNothingAcknowledgedIsLost) {
  TempDir dir;
  const std::string path = dir / "state.db";
  std::string uid;
  for (int round = 1; round <= 25; ++round) {
    const int acknowledged = KillAfter(path, 1 + round * 7 % 23);
    ASSERT_GE(acknowledged, 0);
    auto api = OpenApi({.state_file = path});
    ConfigMap map = MustMap(*api, GetOf("counter"));
    const int stored = std::stoi(map.data["key"]);
    // The write after the last acknowledged one may have been carried out.
    EXPECT_TRUE(stored == acknowledged || stored == acknowledged + 1)
        << "stored " << stored << ", acknowledged " << acknowledged;
    if (!uid.empty()) {
      EXPECT_EQ(map.meta.uid, uid);
    }
    uid = map.meta.uid;
  }
}

}  // namespace
}  // namespace pj::kube

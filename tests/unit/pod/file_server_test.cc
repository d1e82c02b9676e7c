#include "worker/pod/file_server.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>

#include "base/fs.h"
#include "base/hash.h"
#include "unit/temp_dir.h"

namespace pj::worker {
namespace {

namespace fs = std::filesystem;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

const std::string kToken = "0123456789abcdef0123456789abcdef";

class FileServerTest : public testing::Test {
 protected:
  void Write(const std::string& path, const std::string& text) {
    const fs::path file = root() + "/" + path;
    fs::create_directories(file.parent_path());
    ASSERT_TRUE(WriteFileAtomic(file.string(), text));
  }
  std::string root() const { return dir_ / "served"; }
  void Start(const std::vector<std::string>& only = {}) {
    auto server = FileServer::Start({.folder = root(), .only = only, .token = kToken});
    ASSERT_TRUE(server) << server.error().ToString();
    server_ = std::move(*server);
  }
  // The whole answer, head included.
  std::string Get(const std::string& path) const {
    const UniqueFd fd(::socket(AF_INET, SOCK_STREAM, 0));
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<uint16_t>(server_->port()));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(fd.get(), reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
    const std::string head = "GET " + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    EXPECT_TRUE(WriteAll(fd.get(), head, "socket"));
    std::string out;
    char piece[4096];
    for (ssize_t got; (got = ::read(fd.get(), piece, sizeof piece)) > 0;) {
      out.append(piece, static_cast<size_t>(got));
    }
    return out;
  }
  std::string Ask(const std::string& what) const { return Get("/" + kToken + "/" + what); }

  TempDir dir_;
  std::unique_ptr<FileServer> server_;
};

TEST_F(FileServerTest, ListsAndGivesWhatIsTheJobs) {
  Write("outputs/rows/rows.csv", "a,b\n1,2\n");
  Write("outputs/rows/rows.csv.partial", "a\n");
  Write("outputs/rows/other.csv", "of another job\n");
  Write("logs/user/error.txt", "none\n");
  Start({"outputs/rows/rows.csv", "logs"});
  EXPECT_THAT(Ask("files"), EndsWith(R"({"path":"logs/user/error.txt","size":5}
{"path":"outputs/rows/rows.csv","size":8}
{"path":"outputs/rows/rows.csv.partial","size":2}
)"));
  EXPECT_THAT(Ask("file?path=outputs/rows/rows.csv"), EndsWith("\r\n\r\na,b\n1,2\n"));
  EXPECT_THAT(Ask("file?path=outputs/rows/rows.csv&offset=4&size=6"), EndsWith("\r\n\r\n1,"));
  EXPECT_THAT(Ask("file?path=outputs/rows/other.csv"), StartsWith("HTTP/1.1 404"));
}

TEST_F(FileServerTest, DigestsAsMuchAsIsAskedFor) {
  Write("log", "first\nsecond\n");
  Start();
  EXPECT_THAT(Ask("sha256?path=log"), HasSubstr(Sha256Hex("first\nsecond\n")));
  EXPECT_THAT(Ask("sha256?path=log&size=6"), HasSubstr(Sha256Hex("first\n")));
  EXPECT_THAT(Ask("sha256?path=log&size=99"), StartsWith("HTTP/1.1 409"));
  EXPECT_THAT(Ask("file?path=log&size=99"), StartsWith("HTTP/1.1 409"));
}

TEST_F(FileServerTest, KeepsItsFolderAndItsToken) {
  Write("log", "mine\n");
  ASSERT_TRUE(WriteFileAtomic(dir_ / "secret", "secret\n"));
  fs::create_symlink(dir_ / "secret", root() + "/link");
  fs::create_symlink("log", root() + "/inside");
  Start();
  EXPECT_THAT(Ask("files"), Not(HasSubstr("link")));
  EXPECT_THAT(Ask("file?path=inside"), EndsWith("mine\n"));
  for (const char* path : {"link", "../secret", "/etc/passwd", "..%2fsecret", "", "none"}) {
    EXPECT_THAT(Ask(std::string("file?path=") + path), StartsWith("HTTP/1.1 404")) << path;
    EXPECT_THAT(Ask(std::string("sha256?path=") + path), StartsWith("HTTP/1.1 404")) << path;
  }
  for (const char* path : {"/", "/files", "/log", "/0123456789abcdef0123456789abcdee/files"}) {
    EXPECT_THAT(Get(path), StartsWith("HTTP/1.1 404")) << path;
  }
  EXPECT_FALSE(FileServer::Start({.folder = root(), .token = ""}));
  EXPECT_FALSE(FileServer::Start({.folder = root(), .token = kToken.substr(1) + "."}));
}

TEST_F(FileServerTest, StreamsLargeFilesWhole) {
  std::string large;
  for (int i = 0; large.size() < 3'000'000; ++i) large += Sha256Hex(std::to_string(i));
  Write("large", large);
  Start();
  EXPECT_THAT(Ask("file?path=large").substr(0, 200), HasSubstr(std::to_string(large.size())));
  const std::string answer = Ask("file?path=large&offset=1000000");
  EXPECT_TRUE(answer.ends_with(large.substr(1'000'000)));
}

}  // namespace
}  // namespace pj::worker

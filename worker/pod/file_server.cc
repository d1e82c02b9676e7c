#include "worker/pod/file_server.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <httplib.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <csignal>
#include <filesystem>
#include <thread>

#include "base/bind_http.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/log.h"
#include "base/process.h"
#include "job/pod_contract.h"

namespace pj::worker {
namespace {

namespace fs = std::filesystem;
using httplib::Request;
using httplib::Response;

constexpr size_t kThreads = 4;
constexpr size_t kPiece = 256 << 10;
constexpr char kBytes[] = "application/octet-stream";

// A parameter of the query; nothing if it is missing or no number.
std::optional<uint64_t> Number(const Request& request, const char* name) {
  const std::string text = request.get_param_value(name);
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

class Server : public FileServer {
 public:
  explicit Server(const FileServerOptions& options) : options_(options) {
    std::error_code ignored;
    root_ = fs::weakly_canonical(options.folder, ignored);
    server_.new_task_queue = [] { return new httplib::ThreadPool(kThreads); };
    const std::string base = "/" + options_.token;
    server_.Get(base + "/files", [this](const Request&, Response& r) { List(r); });
    server_.Get(base + "/file", [this](const Request& q, Response& r) { Send(q, r); });
    server_.Get(base + "/sha256", [this](const Request& q, Response& r) { Digest(q, r); });
  }

  ~Server() override {
    server_.stop();
    if (thread_.joinable()) thread_.join();
  }

  Status Listen() {
    port_ = BindHttp(server_, "", options_.port);
    if (port_ == 0) {
      return Fail(Code::kUnavailable, "cannot listen", fmt::format("port {}", options_.port));
    }
    thread_ = std::thread([this] {
      server_.listen_after_bind();
      ended_ = true;
    });
    while (!server_.is_running() && !ended_) std::this_thread::yield();  // stop() needs it to run
    return {};
  }

  int port() const override { return port_; }

 private:
  bool Wanted(const std::string& path) const {
    if (options_.only.empty()) return true;
    return std::any_of(options_.only.begin(), options_.only.end(), [&](const std::string& one) {
      return path == one || path == one + ".partial" || path.starts_with(one + "/");
    });
  }

  void List(Response& response) {
    std::vector<std::pair<std::string, uint64_t>> found;
    std::error_code error;
    fs::recursive_directory_iterator it(root_, fs::directory_options::skip_permission_denied,
                                        error);
    while (!error && it != fs::recursive_directory_iterator()) {
      const std::string path = it->path().lexically_relative(root_).string();
      std::error_code gone;
      if (!it->is_directory(gone) && Wanted(path) && Inside(path)) {
        found.emplace_back(path, it->file_size(gone));
      }
      it.increment(error);
    }
    std::sort(found.begin(), found.end());
    std::string text;
    for (const auto& [path, size] : found) {
      text += DumpJson({{"path", path}, {"size", size}}) + "\n";
    }
    response.set_content(text, "application/jsonl");
  }

  // The file's place, if it is a regular one of the folder.
  std::optional<fs::path> Inside(const std::string& path) const {
    std::error_code error;
    const fs::path place = fs::canonical(root_ / path, error);
    if (error || !fs::is_regular_file(place, error)) return std::nullopt;
    const auto [end, unused] =
        std::mismatch(root_.begin(), root_.end(), place.begin(), place.end());
    return end == root_.end() ? std::optional(place) : std::nullopt;
  }

  // The file that was asked for, and how much of it; 404 without one, 409 if it is shorter.
  std::shared_ptr<UniqueFd> Open(const Request& request, Response& response, uint64_t* size) const {
    const std::string path = request.get_param_value("path");
    response.status = 404;
    if (!Wanted(path)) return nullptr;
    const std::optional<fs::path> place = Inside(path);
    if (!place) return nullptr;
    Result<UniqueFd> fd = OpenFile(place->string(), O_RDONLY);
    if (!fd) return nullptr;
    const off_t end = ::lseek(fd->get(), 0, SEEK_END);
    if (end < 0) return nullptr;
    *size = Number(request, "size").value_or(static_cast<uint64_t>(end));
    response.status = *size > static_cast<uint64_t>(end) ? 409 : 200;
    if (response.status == 409) return nullptr;
    return std::make_shared<UniqueFd>(std::move(*fd));
  }

  void Send(const Request& request, Response& response) const {
    uint64_t size = 0;
    const auto fd = Open(request, response, &size);
    if (fd == nullptr) return;
    const uint64_t from = Number(request, "offset").value_or(0);
    if (from >= size) return response.set_content("", kBytes);
    const auto provide = [fd, from](size_t offset, size_t length, httplib::DataSink& sink) {
      std::string piece(std::min(length, kPiece), '\0');
      const ssize_t got =
          ::pread(fd->get(), piece.data(), piece.size(), static_cast<off_t>(from + offset));
      return got > 0 && sink.write(piece.data(), static_cast<size_t>(got));
    };
    response.set_content_provider(size - from, kBytes, provide);
  }

  void Digest(const Request& request, Response& response) const {
    uint64_t size = 0;
    const auto fd = Open(request, response, &size);
    if (fd == nullptr) return;
    Sha256 sha;
    std::string piece(kPiece, '\0');
    uint64_t at = 0;
    while (at < size) {
      const size_t want = std::min<uint64_t>(piece.size(), size - at);
      const ssize_t got = ::pread(fd->get(), piece.data(), want, static_cast<off_t>(at));
      if (got <= 0) {
        response.status = 500;
        return;
      }
      sha.Update({piece.data(), static_cast<size_t>(got)});
      at += static_cast<uint64_t>(got);
    }
    response.set_content(DumpJson({{"size", size}, {"sha256", sha.HexDigest()}}),
                         "application/json");
  }

  const FileServerOptions options_;
  fs::path root_;
  httplib::Server server_;
  int port_ = 0;
  std::atomic<bool> ended_{false};
  std::thread thread_;
};

}  // namespace

Result<std::unique_ptr<FileServer>> FileServer::Start(const FileServerOptions& options) {
  constexpr size_t kTokenDigits = 32;
  const auto hexadecimal = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  if (options.token.size() < kTokenDigits ||
      !std::all_of(options.token.begin(), options.token.end(), hexadecimal)) {
    return Fail(Code::kInvalid, "has no token of 32 hexadecimal digits", job::kEnvReadToken);
  }
  auto server = std::make_unique<Server>(options);
  PJ_TRY(server->Listen());
  return server;
}

int ReadMain(const std::vector<std::string>& only) {
  sigset_t stops;
  sigemptyset(&stops);
  for (const int signal : {SIGTERM, SIGINT}) sigaddset(&stops, signal);
  ::pthread_sigmask(SIG_BLOCK, &stops, nullptr);
  const auto server = FileServer::Start({.folder = job::kReadDir,
                                         .only = only,
                                         .token = GetEnv(job::kEnvReadToken),
                                         .port = job::kReadPort});
  if (!server) {
    PJ_ERROR("{}", server.error().ToString());
    return 1;
  }
  PJ_INFO("serving {} on port {}", job::kReadDir, (*server)->port());
  int signal = 0;
  ::sigwait(&stops, &signal);
  return 0;
}

}  // namespace pj::worker

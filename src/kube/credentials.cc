#include "kube/credentials.h"

#include "base/fs.h"
#include "base/log.h"

namespace pj::kube {
namespace {

constexpr Seconds kReadAgain{60};
constexpr Seconds kBeforeExpiry{10};
constexpr uint64_t kMaxBytes = 4 << 20;

Result<std::string> Contents(const PemSource& source) {
  if (!source.text.empty() || source.file.empty()) return source.text;
  return ReadFile(source.file, kMaxBytes);
}

std::string NameOf(const PemSource& source, const std::string& field) {
  if (source.empty()) return "the system's authorities";
  return source.text.empty() ? source.file : field + "-data";
}

std::string Trimmed(const std::string& text) {
  const char* const blanks = " \t\r\n";
  const size_t begin = text.find_first_not_of(blanks);
  if (begin == std::string::npos) return {};
  return text.substr(begin, text.find_last_not_of(blanks) - begin + 1);
}

}  // namespace

Result<Credentials::Now> Credentials::Get() {
  std::lock_guard lock(mutex_);
  PJ_TRY(Refresh());
  return now_;
}

bool Credentials::Renewed(const Now& as, const Result<HttpAnswer>& answer) {
  if (!answer) return answer.error().code == Code::kForbidden && Distrusted(as.tls);
  return answer->status == 401 && Refused(as.token);
}

bool Credentials::Refused(const std::string& token) {
  std::lock_guard lock(mutex_);
  if (token != now_.token) return true;  // another thread was faster
  const auto before = now_;
  read_at_.reset();
  plugin_.reset();
  if (auto fresh = Refresh(); !fresh) {
    PJ_WARN("no new credentials: {}", fresh.error().ToString());
    return false;
  }
  return now_.token != before.token || now_.tls != before.tls;
}

bool Credentials::Distrusted(const std::shared_ptr<const TlsIdentity>& tls) {
  std::lock_guard lock(mutex_);
  if (now_.tls != tls) return true;  // another thread was faster
  read_at_.reset();
  return Refresh() && now_.tls != tls;
}

Status Credentials::Refresh() {
  const bool due = !read_at_ || clock_.Monotonic() - *read_at_ >= kReadAgain;
  if (due) {
    auto read = ReadFiles();
    if (!read && now_.tls == nullptr) return read;
    if (!read) PJ_WARN("keeping the credentials: {}", read.error().ToString());
    read_at_ = clock_.Monotonic();
  }
  const bool ended =
      !plugin_ || (plugin_->expires && *plugin_->expires - kBeforeExpiry <= clock_.Wall());
  if (config_.exec && ended) return AskPlugin();
  return {};
}

Status Credentials::ReadFiles() {
  PJ_TRY(ReadToken());
  TlsIdentity fresh;
  PJ_ASSIGN(fresh.ca, Contents(config_.ca));
  PJ_ASSIGN(fresh.certificate, Contents(config_.certificate));
  fresh.ca_name = NameOf(config_.ca, "certificate-authority");
  fresh.certificate_name = NameOf(config_.certificate, "client-certificate");
  PJ_ASSIGN(fresh.key, Contents(config_.key));
  if (plugin_ && !plugin_->certificate.empty()) {
    fresh.certificate = plugin_->certificate;
    fresh.key = plugin_->key;
    fresh.certificate_name = "of " + config_.exec->command;
  }
  if (now_.tls == nullptr || fresh != *now_.tls) {
    now_.tls = std::make_shared<const TlsIdentity>(std::move(fresh));
  }
  return {};
}

Status Credentials::ReadToken() {
  if (config_.token_file.empty()) {
    if (!config_.exec) now_.token = config_.token;
    return {};
  }
  auto text = ReadFile(config_.token_file, kMaxBytes);
  if (text && !Trimmed(*text).empty()) {
    now_.token = Trimmed(*text);
    return {};
  }
  if (!config_.token.empty() && now_.token.empty()) {
    now_.token = config_.token;
    return {};
  }
  if (!text) return std::unexpected(std::move(text).error());
  return Fail(Code::kInvalid, "the file is empty", config_.token_file);
}

Status Credentials::AskPlugin() {
  PJ_ASSIGN(plugin_, RunExecPlugin(*config_.exec, config_));
  if (!plugin_->token.empty()) now_.token = plugin_->token;
  return ReadFiles();
}

}  // namespace pj::kube

// Logging of the programs themselves (not of user code): PJ_INFO("claimed {} of {}", a, b).
#pragma once

#include <fmt/core.h>

#include <string>
#include <string_view>
#include <utility>

namespace pj::log {

enum class Level { kDebug, kInfo, kWarning, kError };

enum class Format { kText, kJson };

// Lines on stderr from `level` upwards: text, or one JSON object each (time, level, message, job,
// uid). Thread-safe; call once, first thing in main.
void Init(Level level, Format format = Format::kText);
bool Enabled(Level level);
void Write(Level level, std::string_view message);

// While one lives, the lines of its thread name the job that is being worked on. Scopes nest like
// blocks; the texts must outlive it.
class JobScope {
 public:
  JobScope(std::string_view job, std::string_view uid);
  ~JobScope();
  JobScope(const JobScope&) = delete;
  JobScope& operator=(const JobScope&) = delete;

 private:
  std::string_view job_before_;
  std::string_view uid_before_;
};

template <class... Args>
void WriteFormatted(Level level, fmt::format_string<Args...> format, Args&&... args) {
  if (Enabled(level)) Write(level, fmt::format(format, std::forward<Args>(args)...));
}

#define PJ_DEBUG(...) ::pj::log::WriteFormatted(::pj::log::Level::kDebug, __VA_ARGS__)
#define PJ_INFO(...) ::pj::log::WriteFormatted(::pj::log::Level::kInfo, __VA_ARGS__)
#define PJ_WARN(...) ::pj::log::WriteFormatted(::pj::log::Level::kWarning, __VA_ARGS__)
#define PJ_ERROR(...) ::pj::log::WriteFormatted(::pj::log::Level::kError, __VA_ARGS__)

}  // namespace pj::log

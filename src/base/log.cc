#include "base/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "base/clock.h"
#include "base/json.h"

namespace pj::log {
namespace {

spdlog::level::level_enum ToSpdlog(Level level) {
  switch (level) {
    case Level::kDebug:
      return spdlog::level::debug;
    case Level::kInfo:
      return spdlog::level::info;
    case Level::kWarning:
      return spdlog::level::warn;
    case Level::kError:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

spdlog::logger& Logger() {
  static const std::shared_ptr<spdlog::logger> logger = [] {
    auto made = std::make_shared<spdlog::logger>("paralleljob",
                                                 std::make_shared<spdlog::sinks::stderr_sink_mt>());
    // On a terminal a progress line may stand in the row: it is drawn again below.
    const std::string row = ::isatty(STDERR_FILENO) == 1 ? "\r\033[K" : "";
    made->set_pattern(row + "%Y-%m-%dT%H:%M:%S.%eZ %l %v", spdlog::pattern_time_type::utc);
    made->set_level(spdlog::level::warn);
    return made;
  }();
  return *logger;
}

const char* NameOf(Level level) {
  switch (level) {
    case Level::kDebug:
      return "debug";
    case Level::kInfo:
      return "info";
    case Level::kWarning:
      return "warning";
    case Level::kError:
      return "error";
  }
  return "info";
}

// Set once by Init, before other threads exist.
bool& AsJson() {
  static bool json = false;
  return json;
}

struct Work {
  std::string_view job;
  std::string_view uid;
};
Work& CurrentWork() {
  thread_local Work work;
  return work;
}

std::string JsonLine(Level level, std::string_view message) {
  Json line{{"time", FormatRfc3339(SystemClock().Wall())},
            {"level", NameOf(level)},
            {"message", message}};
  if (const Work& work = CurrentWork(); !work.job.empty()) {
    line["job"] = work.job;
    line["uid"] = work.uid;
  }
  return DumpJson(line);
}

}  // namespace

void Init(Level level, Format format) {
  Logger().set_level(ToSpdlog(level));
  AsJson() = format == Format::kJson;
  if (AsJson()) Logger().set_pattern("%v");
}

bool Enabled(Level level) { return Logger().should_log(ToSpdlog(level)); }

void Write(Level level, std::string_view message) {
  const Work& work = CurrentWork();
  if (AsJson()) {
    Logger().log(ToSpdlog(level), JsonLine(level, message));
  } else if (work.job.empty()) {
    Logger().log(ToSpdlog(level), message);
  } else {
    Logger().log(ToSpdlog(level), "job={} uid={} {}", work.job, work.uid, message);
  }
}

JobScope::JobScope(std::string_view job, std::string_view uid)
    : job_before_(CurrentWork().job), uid_before_(CurrentWork().uid) {
  CurrentWork() = {job, uid};
}

JobScope::~JobScope() { CurrentWork() = {job_before_, uid_before_}; }

}  // namespace pj::log

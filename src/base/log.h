// Logging of the programs themselves (not of user code): PJ_INFO("claimed {} of {}", a, b).
#pragma once

#include <fmt/core.h>

#include <string>
#include <string_view>
#include <utility>

namespace pj::log {

enum class Level { kDebug, kInfo, kWarning, kError };

// Text lines on stderr from `level` upwards. Thread-safe; call once, first thing in main.
void Init(Level level);
bool Enabled(Level level);
void Write(Level level, std::string_view message);

template <class... Args>
void Format(Level level, fmt::format_string<Args...> format, Args&&... args) {
  if (Enabled(level)) Write(level, fmt::format(format, std::forward<Args>(args)...));
}

#define PJ_DEBUG(...) ::pj::log::Format(::pj::log::Level::kDebug, __VA_ARGS__)
#define PJ_INFO(...) ::pj::log::Format(::pj::log::Level::kInfo, __VA_ARGS__)
#define PJ_WARN(...) ::pj::log::Format(::pj::log::Level::kWarning, __VA_ARGS__)
#define PJ_ERROR(...) ::pj::log::Format(::pj::log::Level::kError, __VA_ARGS__)

}  // namespace pj::log

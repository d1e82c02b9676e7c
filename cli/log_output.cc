#include "cli/log_output.h"

#include <fmt/core.h>

#include "base/json.h"
#include "cli/print.h"

namespace pj::cli {

std::string LogSource::Heading() const {
  return instance < 0 ? file : fmt::format("instance {}: {}/{}", instance, pod, container);
}

void LogOutput::Begin(const LogSource& source) {
  source_ = source;
  unfinished_.clear();
  last_ = '\n';
  if (!json_) Print("==> {} <==\n", source.Heading());
  FlushOut();
}

bool LogOutput::Append(std::string_view piece) {
  if (piece.empty()) return true;
  if (!json_) {
    last_ = piece.back();
    WriteOut(piece);
    return !OutLost();
  }
  unfinished_ += piece;
  size_t begin = 0;
  for (size_t end; (end = unfinished_.find('\n', begin)) != std::string::npos; begin = end + 1) {
    if (!PrintJson(source_, std::string_view(unfinished_).substr(begin, end - begin))) return false;
  }
  unfinished_.erase(0, begin);
  return true;
}

void LogOutput::End() {
  if (!unfinished_.empty()) PrintJson(source_, unfinished_);
  unfinished_.clear();
  if (last_ != '\n') Print("\n");
  last_ = '\n';
  FlushOut();
}

void LogOutput::Text(const LogSource& source, std::string_view text) {
  Begin(source);
  Append(text);
  End();
}

void LogOutput::Line(const LogSource& source, std::string_view line) {
  std::lock_guard lock(mutex_);
  if (json_) {
    PrintJson(source, line);
  } else {
    Print("[{}/{}] {}\n", source.instance, source.container, line);
  }
  FlushOut();
}

bool LogOutput::PrintJson(const LogSource& source, std::string_view line) {
  Json out = Json::object();
  if (source.instance < 0) {
    out["file"] = source.file;
  } else {
    out["instance"] = source.instance;
    out["pod"] = source.pod;
    out["container"] = source.container;
  }
  out["line"] = line;
  Print("{}\n", DumpJson(out));
  return !OutLost();
}

}  // namespace pj::cli

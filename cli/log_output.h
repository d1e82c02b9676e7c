// LogOutput: what `logs` prints: texts below headings, or with -o json an object for each line.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

namespace pj::cli {

// Where lines come from: a container of a pod, or a file of the log folder.
struct LogSource {
  int64_t instance = -1;  // -1: a file
  std::string pod;
  std::string container;
  std::string file;

  std::string Heading() const;
};

// Line() may be called by any thread; a text between Begin and End is one thread's.
class LogOutput {
 public:
  explicit LogOutput(bool json) : json_(json) {}

  // A text that comes in pieces.
  void Begin(const LogSource& source);
  // False: nobody reads it any more.
  bool Append(std::string_view piece);
  void End();
  // A whole text, as Begin, Append and End.
  void Text(const LogSource& source, std::string_view text);
  // One line of several sources that take turns: behind "[instance/container]".
  void Line(const LogSource& source, std::string_view line);

 private:
  bool PrintJson(const LogSource& source, std::string_view line);

  const bool json_;
  std::mutex mutex_;  // one line at a time
  LogSource source_;  // of the text
  std::string unfinished_;
  char last_ = '\n';  // of what was printed
};

}  // namespace pj::cli

#include "cli/print.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>

#include "cli/console.h"
#include "cli/exit_codes.h"

namespace pj::cli {
namespace {

// The errno of the first write to stdout that failed; 0: none has. It belongs to stdout, of which
// there is one, too.
std::atomic<int>& LostBecause() {
  static std::atomic<int> error{0};
  return error;
}

void Lost(int error) {
  int none = 0;
  LostBecause().compare_exchange_strong(none, error == 0 ? EIO : error);
}

// A pipe whose reader has ended, or a terminal that was closed.
bool ReaderGone(int error) {
  struct stat out{};
  return error == EPIPE ||
         (error == EIO && ::fstat(STDOUT_FILENO, &out) == 0 && S_ISCHR(out.st_mode));
}

}  // namespace

void WriteOut(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size()) Lost(errno);
}

void WriteErr(std::string_view text) {
  [[maybe_unused]] const size_t written = std::fwrite(text.data(), 1, text.size(), stderr);
}

void FlushOut() {
  if (std::fflush(stdout) != 0) Lost(errno);
}

bool OutLost() { return LostBecause().load() != 0; }

int FinishOutput(int code) {
  FlushOut();
  const int lost = LostBecause().load();
  if (lost == 0 || ReaderGone(lost)) return code;
  Error error = FailErrno(lost, "cannot write the result", "stdout").error();
  error.hint = "send it where there is room; `run` over a finished folder prints its result again";
  PrintError(error);
  return code == kExitDone ? kExitCouldNotRun : code;
}

void OpenStandardStreams() {
  // open() gives the lowest one that is free.
  int fd = ::open("/dev/null", O_RDWR);
  while (fd >= 0 && fd <= STDERR_FILENO) fd = ::open("/dev/null", O_RDWR);
  if (fd >= 0) ::close(fd);
}

}  // namespace pj::cli

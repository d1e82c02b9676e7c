// paralleljob: parallel batch jobs for Kubernetes, and on one machine.
#include <malloc.h>

#include <csignal>

#include "base/log.h"
#include "cli/command_line.h"
#include "cli/print.h"

namespace {

// Large blocks go back to the system as soon as they are freed. By default glibc keeps more, the
// larger the blocks that it has seen: after planning a million files, tens of megabytes.
void ReturnMemoryEarly() {
  constexpr int kLargeBlock = 256 << 10;
  ::mallopt(M_MMAP_THRESHOLD, kLargeBlock);
  ::mallopt(M_TRIM_THRESHOLD, 2 * kLargeBlock);
  ::mallopt(M_ARENA_MAX, 2);  // each thread's own keeps what that thread has freed
}

}  // namespace

int main(int argc, char** argv) {
  pj::cli::OpenStandardStreams();
  std::signal(SIGPIPE, SIG_IGN);
  ReturnMemoryEarly();
  pj::log::Init(pj::log::Level::kWarning);
  return pj::cli::FinishOutput(pj::cli::RunCommandLine(argc, argv));
}

// paralleljob-host [SOCKET]: the slot host of a worker pod, a static program that starts in any
// image. worker/slot_host.h says what it does.
#include <cstdio>
#include <cstdlib>
#include <string>

#include "worker/slot_host.h"

int main(int argc, char** argv) {
  pj::worker::SlotHostOptions options;
  if (argc > 2 || (argc == 2 && argv[1][0] == '-')) {
    std::fprintf(stderr,
                 "usage: paralleljob-host [SOCKET]\n\n"
                 "Starts and kills the Python processes of a worker pod for the agent that\n"
                 "connects to SOCKET (%s).\n"
                 "%s: how long it waits for a new agent after one went (%d).\n",
                 pj::job::kHostSocket, pj::job::kEnvGrace, pj::job::kGraceSeconds);
    return 2;
  }
  if (argc == 2) options.socket = argv[1];
  if (const char* grace = std::getenv(pj::job::kEnvGrace); grace != nullptr) {
    char* end = nullptr;
    const double seconds = std::strtod(grace, &end);
    if (end == grace || *end != '\0' || !(seconds >= 0 && seconds < 1e6)) {
      std::fprintf(stderr, "error: %s=%s is no number of seconds\n", pj::job::kEnvGrace, grace);
      return 2;
    }
    options.grace = std::chrono::duration_cast<pj::Nanos>(std::chrono::duration<double>(seconds));
  }
  if (pj::Status done = pj::worker::RunSlotHost(options); !done) {
    std::fprintf(stderr, "error: %s\n", done.error().ToString().c_str());
    return 1;
  }
  return 0;
}

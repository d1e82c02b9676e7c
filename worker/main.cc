// paralleljob-worker: the programs of worker pods.
#include <cstdio>
#include <string_view>

#include "job/pod_contract.h"
#include "worker/pod_program.h"

int main(int argc, char** argv) {
  const std::string_view command = argc > 1 ? argv[1] : "";
  if (command == pj::job::kAgentCommand) return pj::worker::AgentMain(pj::worker::OwnSlots);
  if (command == pj::job::kFinaliseCommand) return pj::worker::FinaliseMain();
  std::fputs("usage: paralleljob-worker agent | finalise\n", stderr);
  return 2;
}

// Does nothing, forever: the first process of the cluster's enclosure and of every pod. Ends on
// SIGTERM and SIGINT, reaps whatever is left to it.

#include <signal.h>
#include <stddef.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void) {
  sigset_t waited;
  sigemptyset(&waited);
  sigaddset(&waited, SIGCHLD);
  sigaddset(&waited, SIGINT);
  sigaddset(&waited, SIGTERM);
  sigprocmask(SIG_BLOCK, &waited, NULL);
  for (;;) {
    const int signal = sigwaitinfo(&waited, NULL);
    if (signal == SIGINT || signal == SIGTERM) return 0;
    while (waitpid(-1, NULL, WNOHANG) > 0) {
    }
  }
}

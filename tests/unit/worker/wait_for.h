// Waiting for states with a deadline, and looking at processes: helpers of the worker's tests.
#pragma once

#include <functional>
#include <string>

namespace pj::worker {

// True once `condition` holds; false after `seconds`.
bool WaitFor(const std::function<bool()>& condition, int seconds = 10);

// A process that exists and is no zombie.
bool Alive(int pid);

// The next message, waited for at most ten seconds; empty when none came.
std::string ReceiveText(int socket);

}  // namespace pj::worker

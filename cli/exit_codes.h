// Exit codes of the command line (contract §9).
#pragma once

namespace pj::cli {

inline constexpr int kExitDone = 0;
inline constexpr int kExitJobFailed = 1;
inline constexpr int kExitBadInput = 2;
inline constexpr int kExitCouldNotRun = 3;
inline constexpr int kExitInterrupted = 130;

}  // namespace pj::cli

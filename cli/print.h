// Print: what the command line says on stdout and stderr. A write that fails ends nothing: a run
// goes on when its reader or its terminal is gone.
#pragma once

#include <fmt/core.h>

#include <string_view>
#include <utility>

namespace pj::cli {

// Thread-safe, never throw. What cannot be written to stderr is dropped: there is nobody left to
// tell. Of stdout FinishOutput says it.
void WriteOut(std::string_view text);
void WriteErr(std::string_view text);

template <typename... Args>
void Print(fmt::format_string<Args...> format, Args&&... args) {
  WriteOut(fmt::format(format, std::forward<Args>(args)...));
}

template <typename... Args>
void PrintErr(fmt::format_string<Args...> format, Args&&... args) {
  WriteErr(fmt::format(format, std::forward<Args>(args)...));
}

// Writes out what is buffered now, for those who read along.
void FlushOut();
// True once something written to stdout was lost: who has much to say stops.
bool OutLost();
// Writes out what is buffered; the exit code of a program that ends with `code`. A lost result is
// an error; a reader that went away has read what it wanted.
int FinishOutput(int code);
// Puts /dev/null on those of descriptors 0 to 2 that are closed: else the next file that is opened
// would get what is meant for people.
void OpenStandardStreams();

}  // namespace pj::cli

// RunCommandLine: argv → the options of commands.h → a command; the only file that knows CLI11.
#pragma once

namespace pj::cli {

// The exit code. What cannot be understood is said with what was probably meant; nothing throws.
int RunCommandLine(int argc, char** argv);

}  // namespace pj::cli

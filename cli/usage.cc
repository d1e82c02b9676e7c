#include "cli/usage.h"

#include <fmt/core.h>

#include <algorithm>
#include <string_view>

#include "api/nearest_name.h"

namespace pj::cli {
namespace {

bool Holds(const std::vector<std::string>& list, std::string_view word) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

std::vector<std::string_view> Views(const std::vector<std::string>& list) {
  return {list.begin(), list.end()};
}

bool IsJobFile(std::string_view word) {
  return !word.starts_with('-') && (word.ends_with(".yaml") || word.ends_with(".yml"));
}

// Of `commands` themselves one line shows all.
std::string AllOf(const std::vector<std::string>& commands) {
  std::string out;
  for (const std::string& name : commands) out += (out.empty() ? "" : ", ") + name;
  return out;
}

}  // namespace

Error UsageError(const Usage& usage) {
  const auto wrong = [](std::string message, std::string where, std::string hint) {
    return Error{Code::kInvalid, std::move(message), std::move(where), std::move(hint)};
  };
  const std::vector<std::string>& words = usage.words;
  if (words.empty() || words[0].starts_with('-')) {
    return wrong("a command is missing", "", AllOf(usage.commands));
  }
  const std::string& command = words[0];
  const std::string help = fmt::format("paralleljob {} --help", command);
  if (!Holds(usage.commands, command)) {
    const std::string nearest = api::NearestName(command, Views(usage.commands));
    return wrong(
        "unknown command", command,
        nearest.empty() ? AllOf(usage.commands) : fmt::format("did you mean {}?", nearest));
  }
  for (size_t i = 1; i < words.size() && words[i] != "--"; ++i) {
    const std::string flag = words[i].substr(0, words[i].find('='));
    if (!flag.starts_with("--") || Holds(usage.flags, flag)) continue;
    const std::string nearest = api::NearestName(flag, Views(usage.flags));
    return wrong("unknown flag", command + " " + flag,
                 nearest.empty() ? help : fmt::format("did you mean {}?", nearest));
  }
  const bool named = Holds(words, "-f") || Holds(words, "--filename");
  const auto file = std::find_if(words.begin() + 1, words.end(), IsJobFile);
  if (!named && file != words.end() && Holds(usage.flags, "--filename")) {
    return wrong("a job file is named by -f", command,
                 fmt::format("paralleljob {} -f {}", command, *file));
  }
  return wrong(usage.said, command, help);
}

}  // namespace pj::cli

// Glob: which files below a folder are meant. Patterns work on absolute paths, component by
// component, as an automaton that is moved from folder to folder: no pattern can take exponential
// time.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace pj::plan {

// True if `text` is matched by `glob`: * ? [abc] [a-z] [!x]; ? and classes take one UTF-8
// character.
bool GlobMatch(std::string_view glob, std::string_view text);
bool HasGlobCharacters(std::string_view text);
// The components of an absolute path without "", "." and "..".
std::vector<std::string> PathComponents(std::string_view path);
std::string JoinComponents(const std::vector<std::string>& components);

// Immutable once built; thread-safe.
class GlobSet {
 public:
  // Where all patterns stand after some folders: (pattern, next component).
  struct State {
    uint32_t pattern;
    uint32_t component;
    bool operator==(const State&) const = default;
  };
  using States = std::vector<State>;

  // Literal components, then optionally glob components; "**" stands for any folders, at the end
  // for any files below too. Names that begin with "." are only met by components that begin with
  // ".".
  void AddLiteral(std::vector<std::string> components, bool everything_below);
  void AddPattern(std::vector<std::string> components);

  States Start() const;
  // Going into the folder `name`; empty: nothing below can match.
  States Enter(const States& states, std::string_view name) const;
  bool MatchesFile(const States& states, std::string_view name) const;
  // Every file here matches that is not hidden.
  bool MatchesAll(const States& states) const;

 private:
  struct Component {
    enum class Kind : uint8_t { kLiteral, kGlob, kAnyDepth } kind;
    std::string text;
  };
  void Close(States* states, State state) const;
  static bool Matches(const Component& component, std::string_view name);
  std::vector<std::vector<Component>> patterns_;
};

}  // namespace pj::plan

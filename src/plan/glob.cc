#include "plan/glob.h"

#include <algorithm>

#include "base/utf8.h"

namespace pj::plan {
namespace {

struct Character {
  char32_t value;
  size_t size;
};

// Bytes that are not UTF-8 count as characters of their own.
Character CharacterAt(std::string_view text, size_t pos) {
  const CodePoint point = DecodeUtf8(text, pos);
  if (point.size == 0) return {0x110000U + static_cast<uint8_t>(text[pos]), 1};
  return {point.value, point.size};
}

// Matches `value` against the class that opens at `pos`; `*end` is the place after it, or npos if
// the bracket is never closed and so only a character.
bool ClassMatches(std::string_view glob, size_t pos, char32_t value, size_t* end) {
  size_t i = pos + 1;
  const bool negated = i < glob.size() && (glob[i] == '!' || glob[i] == '^');
  if (negated) ++i;
  bool found = false;
  for (bool first = true; i < glob.size() && (first || glob[i] != ']'); first = false) {
    const Character low = CharacterAt(glob, i);
    i += low.size;
    Character high = low;
    if (i + 1 < glob.size() && glob[i] == '-' && glob[i + 1] != ']') {
      high = CharacterAt(glob, i + 1);
      i += 1 + high.size;
    }
    found = found || (low.value <= value && value <= high.value);
  }
  *end = i < glob.size() ? i + 1 : std::string_view::npos;
  return found != negated;
}

// One pattern element against the character at `t`; moves both on a match.
bool Step(std::string_view glob, std::string_view text, size_t* g, size_t* t) {
  const Character c = CharacterAt(text, *t);
  if (glob[*g] == '[') {
    size_t end = 0;
    const bool matches = ClassMatches(glob, *g, c.value, &end);
    if (end != std::string_view::npos) {
      if (!matches) return false;
      *g = end;
      *t += c.size;
      return true;
    }
  }
  if (glob[*g] == '?') {
    ++*g;
    *t += c.size;
    return true;
  }
  if (glob[*g] != text[*t]) return false;
  ++*g;
  ++*t;
  return true;
}

}  // namespace

bool GlobMatch(std::string_view glob, std::string_view text) {
  size_t g = 0;
  size_t t = 0;
  size_t star = std::string_view::npos;  // the last *, the only one that need be tried again
  size_t star_text = 0;
  while (t < text.size()) {
    if (g < glob.size() && glob[g] == '*') {
      star = ++g;
      star_text = t;
    } else if (g < glob.size() && Step(glob, text, &g, &t)) {
      continue;
    } else if (star != std::string_view::npos) {
      g = star;
      star_text += CharacterAt(text, star_text).size;
      t = star_text;
    } else {
      return false;
    }
  }
  while (g < glob.size() && glob[g] == '*') ++g;
  return g == glob.size();
}

bool HasGlobCharacters(std::string_view text) {
  return text.find_first_of("*?[") != std::string_view::npos;
}

std::vector<std::string> PathComponents(std::string_view path) {
  std::vector<std::string> out;
  while (!path.empty()) {
    const size_t slash = std::min(path.find('/'), path.size());
    const std::string_view part = path.substr(0, slash);
    path.remove_prefix(std::min(slash + 1, path.size()));
    if (part.empty() || part == ".") continue;
    if (part != "..") {
      out.emplace_back(part);
    } else if (!out.empty()) {
      out.pop_back();
    }
  }
  return out;
}

std::string JoinComponents(const std::vector<std::string>& components) {
  std::string out;
  for (const std::string& part : components) out.append("/").append(part);
  return out.empty() ? "/" : out;
}

void GlobSet::AddLiteral(std::vector<std::string> components, bool everything_below) {
  std::vector<Component> pattern;
  for (std::string& part : components) {
    pattern.push_back({Component::Kind::kLiteral, std::move(part)});
  }
  if (everything_below) pattern.push_back({Component::Kind::kAnyDepth, {}});
  patterns_.push_back(std::move(pattern));
}

void GlobSet::AddPattern(std::vector<std::string> components) {
  std::vector<Component> pattern;
  for (std::string& part : components) {
    const auto kind = part == "**"              ? Component::Kind::kAnyDepth
                      : HasGlobCharacters(part) ? Component::Kind::kGlob
                                                : Component::Kind::kLiteral;
    pattern.push_back({kind, std::move(part)});
  }
  patterns_.push_back(std::move(pattern));
}

bool GlobSet::Matches(const Component& component, std::string_view name) {
  switch (component.kind) {
    case Component::Kind::kLiteral:
      return component.text == name;
    case Component::Kind::kGlob:
      if (name.starts_with('.') && !component.text.starts_with('.')) return false;
      return GlobMatch(component.text, name);
    case Component::Kind::kAnyDepth:
      return !name.starts_with('.');
  }
  return false;
}

// Adds `state` and what follows without a folder: "**" may stand for none.
void GlobSet::Close(States* states, State state) const {
  const std::vector<Component>& pattern = patterns_[state.pattern];
  while (state.component < pattern.size()) {
    if (std::find(states->begin(), states->end(), state) == states->end()) {
      states->push_back(state);
    }
    if (pattern[state.component].kind != Component::Kind::kAnyDepth) return;
    ++state.component;
  }
}

GlobSet::States GlobSet::Start() const {
  States out;
  for (uint32_t i = 0; i < patterns_.size(); ++i) Close(&out, {i, 0});
  return out;
}

GlobSet::States GlobSet::Enter(const States& states, std::string_view name) const {
  States out;
  for (const State& state : states) {
    const Component& component = patterns_[state.pattern][state.component];
    if (!Matches(component, name)) continue;
    const bool stays = component.kind == Component::Kind::kAnyDepth;
    Close(&out, {state.pattern, state.component + (stays ? 0 : 1)});
  }
  return out;
}

bool GlobSet::MatchesFile(const States& states, std::string_view name) const {
  return std::any_of(states.begin(), states.end(), [&](const State& state) {
    const std::vector<Component>& pattern = patterns_[state.pattern];
    return state.component + 1 == pattern.size() && Matches(pattern[state.component], name);
  });
}

bool GlobSet::MatchesAll(const States& states) const {
  return std::any_of(states.begin(), states.end(), [&](const State& state) {
    const std::vector<Component>& pattern = patterns_[state.pattern];
    return state.component + 1 == pattern.size() &&
           pattern[state.component].kind == Component::Kind::kAnyDepth;
  });
}

}  // namespace pj::plan

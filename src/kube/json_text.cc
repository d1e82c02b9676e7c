#include "kube/json_text.h"

#include <fmt/core.h>

#include <algorithm>
#include <vector>

#include "base/json.h"

namespace pj::kube {
namespace {

bool IsSpace(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  // The next character that is no white space; 0 at the end.
  char Peek() {
    while (at_ < text_.size() && IsSpace(text_[at_])) ++at_;
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  bool Take(char c) {
    if (Peek() != c) return false;
    ++at_;
    return true;
  }
  // One whole value; empty if there is none or it breaks off.
  std::string_view Value() {
    const char first = Peek();
    const size_t begin = at_;
    const bool whole = first == '"'                   ? SkipString()
                       : first == '{' || first == '[' ? SkipNested()
                                                      : SkipPlain();
    return whole ? text_.substr(begin, at_ - begin) : std::string_view();
  }

 private:
  bool SkipString() {
    for (++at_; at_ < text_.size(); ++at_) {
      if (text_[at_] == '\\') {
        ++at_;
      } else if (text_[at_] == '"') {
        ++at_;
        return true;
      }
    }
    return false;
  }
  bool SkipNested() {
    size_t depth = 0;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '"') {
        if (!SkipString()) return false;
        continue;
      }
      ++at_;
      if (c == '{' || c == '[') ++depth;
      if ((c == '}' || c == ']') && --depth == 0) return true;
    }
    return false;
  }
  bool SkipPlain() {
    const size_t begin = at_;
    while (at_ < text_.size() && !IsSpace(text_[at_]) &&
           std::string_view(",:]}").find(text_[at_]) == std::string_view::npos) {
      ++at_;
    }
    return at_ > begin;
  }

  std::string_view text_;
  size_t at_ = 0;
};

std::unexpected<Error> Broken(const char* what) {
  return Fail(Code::kInvalid, fmt::format("the JSON {} breaks off or is none", what));
}

}  // namespace

Result<std::string_view> JsonMember(std::string_view object, std::string_view key) {
  Scanner scan(object);
  if (!scan.Take('{')) return Broken("object");
  if (scan.Take('}')) return std::string_view();
  for (;;) {
    const std::string_view name = scan.Value();
    if (name.size() < 2 || name.front() != '"' || !scan.Take(':')) return Broken("object");
    const std::string_view value = scan.Value();
    if (value.empty()) return Broken("object");
    if (name.substr(1, name.size() - 2) == key) return value;
    if (scan.Take('}')) return std::string_view();
    if (!scan.Take(',')) return Broken("object");
  }
}

std::string Without(std::string_view object, std::initializer_list<std::string_view> paths) {
  std::vector<std::string_view> parts;  // of `object`
  for (std::string_view path : paths) {
    std::string_view at = object;
    while (!path.empty()) {
      const size_t dot = path.find('.');
      const Result<std::string_view> member = JsonMember(at, path.substr(0, dot));
      at = member.value_or(std::string_view());
      if (at.empty()) break;
      path.remove_prefix(dot == std::string_view::npos ? path.size() : dot + 1);
    }
    if (!at.empty()) parts.push_back(at);
  }
  std::sort(parts.begin(), parts.end(),
            [](std::string_view a, std::string_view b) { return a.data() < b.data(); });
  std::string out;
  out.reserve(object.size());
  const char* from = object.data();
  for (const std::string_view part : parts) {
    if (part.data() < from) continue;  // within one that is left out
    out.append(from, part.data()).append("null");
    from = part.data() + part.size();
  }
  return out.append(from, object.data() + object.size());
}

Status ForEachElement(std::string_view array,
                      const std::function<Status(std::string_view element)>& take) {
  Scanner scan(array);
  if (!scan.Take('[')) return Broken("array");
  if (scan.Take(']')) return {};
  for (;;) {
    const std::string_view element = scan.Value();
    if (element.empty()) return Broken("array");
    PJ_TRY(take(element));
    if (scan.Take(']')) return {};
    if (!scan.Take(',')) return Broken("array");
  }
}

std::string JsonString(std::string_view value) {
  if (value.size() < 2 || value.front() != '"') return {};
  if (value.find('\\') == std::string_view::npos) {
    return std::string(value.substr(1, value.size() - 2));
  }
  auto parsed = ParseJson(value);
  return parsed && parsed->is_string() ? parsed->get<std::string>() : std::string();
}

std::string VersionOf(std::string_view object) {
  auto meta = JsonMember(object, "metadata");
  if (!meta || meta->empty()) return {};
  auto version = JsonMember(*meta, "resourceVersion");
  return version ? JsonString(*version) : std::string();
}

}  // namespace pj::kube

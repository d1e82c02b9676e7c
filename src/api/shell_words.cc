#include "api/shell_words.h"

#include "api/bindings.h"

namespace pj::api {
namespace {

bool IsBlank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

class Splitter {
 public:
  explicit Splitter(std::string_view line) : line_(line) {}

  Result<std::vector<Word>> Split() {
    while (at_ < line_.size()) {
      if (IsBlank(line_[at_])) {
        End();
        ++at_;
        continue;
      }
      PJ_TRY(Piece());
    }
    End();
    return std::move(words_);
  }

 private:
  void Begin() {
    if (!open_) words_.push_back({"", at_});
    open_ = true;
  }
  void End() { open_ = false; }
  void Put(std::string_view text) { words_.back().text += text; }
  Status Unclosed(std::string message, size_t offset, std::string hint) const {
    return Fail(pj::Code::kInvalid, std::move(message), std::to_string(offset), std::move(hint));
  }

  Status Piece() {
    const bool starts = !open_;
    Begin();
    if (Binding()) return {};
    if (starts && line_.substr(at_).starts_with("$[[")) return Group();
    const char c = line_[at_];
    if (c == '\'' || c == '"') return Quoted(c);
    if (c == '\\') {
      if (at_ + 1 == line_.size()) return Unclosed("a backslash at the end", at_, "remove it");
      ++at_;
    }
    Put(line_.substr(at_, 1));
    ++at_;
    return {};
  }

  bool Binding() {
    if (!line_.substr(at_).starts_with("${{")) return false;
    const size_t close = line_.find("}}", at_);
    if (close == std::string_view::npos) return false;
    Put("${{" + FindBindings(line_.substr(at_, close + 2 - at_))[0].path + "}}");
    at_ = close + 2;
    return true;
  }

  Status Group() {
    const size_t close = line_.find("]]", at_);
    if (close == std::string_view::npos) {
      return Unclosed("an optional group without its end", at_, "close $[[ by ]]");
    }
    Put(line_.substr(at_, close + 2 - at_));
    at_ = close + 2;
    End();
    return {};
  }

  Status Quoted(char quote) {
    const size_t begin = at_++;
    while (at_ < line_.size() && line_[at_] != quote) {
      if (Binding()) continue;
      const bool escape = quote == '"' && line_[at_] == '\\' && at_ + 1 < line_.size() &&
                          (line_[at_ + 1] == '"' || line_[at_ + 1] == '\\');
      if (escape) ++at_;
      Put(line_.substr(at_, 1));
      ++at_;
    }
    if (at_ == line_.size()) return Unclosed("a quote without its end", begin, "close the quote");
    ++at_;
    return {};
  }

  std::string_view line_;
  size_t at_ = 0;
  bool open_ = false;
  std::vector<Word> words_;
};

}  // namespace

Result<std::vector<Word>> SplitWords(std::string_view line) { return Splitter(line).Split(); }

std::string_view GroupInside(std::string_view word) {
  if (word.size() < 5 || !word.starts_with("$[[") || !word.ends_with("]]")) return {};
  return word.substr(3, word.size() - 5);
}

}  // namespace pj::api

#include "kube/selector.h"

#include <fmt/core.h>

#include <algorithm>

namespace pj::kube {
namespace {

std::string_view Trim(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

// Splits at commas that are not inside parentheses.
std::vector<std::string_view> SplitTerms(std::string_view text) {
  std::vector<std::string_view> out;
  size_t begin = 0;
  int depth = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '(') ++depth;
    if (text[i] == ')') --depth;
    if (text[i] == ',' && depth == 0) {
      out.push_back(Trim(text.substr(begin, i - begin)));
      begin = i + 1;
    }
  }
  out.push_back(Trim(text.substr(begin)));
  return out;
}

bool IsName(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("-_./").find(c) != std::string_view::npos;
  });
}

}  // namespace

Result<Selector::Term> Selector::ParseTerm(std::string_view text) {
  const auto bad = [&] {
    return Fail(Code::kInvalid, fmt::format("unable to parse requirement: \"{}\"", text));
  };
  Term term;
  if (text.starts_with("!")) {
    term.key = Trim(text.substr(1));
    term.op = Op::kAbsent;
  } else if (const size_t open = text.find('('); open != std::string_view::npos) {
    std::string_view head = Trim(text.substr(0, open));
    if (!text.ends_with(")")) return bad();
    if (head.ends_with(" notin")) {
      term.op = Op::kNotIn;
      head.remove_suffix(6);
    } else if (head.ends_with(" in")) {
      term.op = Op::kIn;
      head.remove_suffix(3);
    } else {
      return bad();
    }
    term.key = Trim(head);
    for (auto value : SplitTerms(text.substr(open + 1, text.size() - open - 2))) {
      term.values.emplace_back(value);
    }
  } else if (const size_t equals = text.find('='); equals != std::string_view::npos) {
    const bool negative = equals > 0 && text[equals - 1] == '!';
    std::string_view value = text.substr(equals + 1);
    if (!negative && value.starts_with("=")) value.remove_prefix(1);
    term.op = negative ? Op::kNotIn : Op::kIn;
    term.key = Trim(text.substr(0, negative ? equals - 1 : equals));
    term.values.emplace_back(Trim(value));
  } else {
    term.key = text;
  }
  if (term.key.empty() || !IsName(term.key)) return bad();
  if (!std::all_of(term.values.begin(), term.values.end(), IsName)) return bad();
  return term;
}

Result<Selector> Selector::ParseLabels(std::string_view text) {
  Selector out;
  if (Trim(text).empty()) return out;
  for (auto part : SplitTerms(text)) {
    PJ_ASSIGN(Term term, ParseTerm(part));
    out.terms_.push_back(std::move(term));
  }
  return out;
}

Result<Selector> Selector::ParseFields(std::string_view text) {
  PJ_ASSIGN(Selector out, ParseLabels(text));
  for (const Term& term : out.terms_) {
    if (term.key != "metadata.name" && term.key != "metadata.namespace") {
      return Fail(Code::kInvalid, fmt::format("field label not supported: {}", term.key));
    }
    if (term.op == Op::kExists || term.op == Op::kAbsent) {
      return Fail(Code::kInvalid, fmt::format("invalid selector: '{}'", text));
    }
  }
  return out;
}

bool Selector::Matches(const std::map<std::string, std::string>& labels) const {
  return std::all_of(terms_.begin(), terms_.end(), [&](const Term& term) {
    auto it = labels.find(term.key);
    const bool there = it != labels.end();
    const bool listed = there && std::ranges::find(term.values, it->second) != term.values.end();
    switch (term.op) {
      case Op::kIn:
        return listed;
      case Op::kNotIn:
        return !listed;
      case Op::kExists:
        return there;
      case Op::kAbsent:
        return !there;
    }
    return false;
  });
}

bool Selector::MatchesFields(const std::string& ns, const std::string& name) const {
  return terms_.empty() || Matches({{"metadata.name", name}, {"metadata.namespace", ns}});
}

}  // namespace pj::kube

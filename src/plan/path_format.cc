#include "plan/path_format.h"

#include <fmt/core.h>
#include <re2/re2.h>

#include <algorithm>

#include "base/limits.h"

namespace pj::plan {
namespace {

constexpr char kWhere[] = "extract_columns_from_partition_format";

// RE2::QuoteMeta, but without escapes that Python's `re` refuses.
void PutLiteral(char c, std::string* out) {
  constexpr std::string_view kSpecial = "\\.^$|()[]{}*+?-";
  if (kSpecial.find(c) != std::string_view::npos) out->push_back('\\');
  out->push_back(c);
}

// "yyyy/MM/dd" → "[0-9]{4}/[0-9]{2}/[0-9]{2}"
Result<std::string> DatePattern(std::string_view pieces) {
  std::string out;
  while (!pieces.empty()) {
    if (pieces.starts_with("yyyy")) {
      out.append("[0-9]{4}");
      pieces.remove_prefix(4);
      continue;
    }
    const std::string_view two = pieces.substr(0, 2);
    if (two == "MM" || two == "dd" || two == "HH" || two == "mm" || two == "ss") {
      out.append("[0-9]{2}");
      pieces.remove_prefix(2);
      continue;
    }
    const char c = pieces[0];
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) {
      return Fail(Code::kInvalid, fmt::format("unknown date piece at \"{}\"", pieces), kWhere,
                  "use yyyy, MM, dd, HH, mm and ss");
    }
    PutLiteral(c, &out);
    pieces.remove_prefix(1);
  }
  return out;
}

}  // namespace

PathFormat::PathFormat() = default;
PathFormat::PathFormat(PathFormat&&) noexcept = default;
PathFormat& PathFormat::operator=(PathFormat&&) noexcept = default;
PathFormat::~PathFormat() = default;

Status PathFormat::AddColumn(std::string_view inside) {
  const size_t colon = inside.find(':');
  const std::string name(inside.substr(0, colon));
  if (name.empty()) return Fail(Code::kInvalid, "a column without a name: {}", kWhere);
  if (std::find(columns_.begin(), columns_.end(), name) != columns_.end()) {
    return Fail(Code::kInvalid, fmt::format("column \"{}\" stands twice", name), kWhere);
  }
  columns_.push_back(name);
  if (colon == std::string_view::npos) {
    pattern_.append("([^/]+)");
    return {};
  }
  PJ_ASSIGN(const std::string date, DatePattern(inside.substr(colon + 1)));
  pattern_.append("(").append(date).append(")");
  return {};
}

Status PathFormat::Compile(std::string_view format) {
  pattern_ = format.starts_with('/') ? "" : "(?:^|/)";
  for (size_t i = 0; i < format.size(); ++i) {
    if (format[i] == '}') return Fail(Code::kInvalid, "\"}\" without \"{\"", kWhere);
    if (format[i] != '{') {
      PutLiteral(format[i], &pattern_);
      continue;
    }
    const size_t end = format.find('}', i);
    if (end == std::string_view::npos) return Fail(Code::kInvalid, "\"{\" without \"}\"", kWhere);
    PJ_TRY(AddColumn(format.substr(i + 1, end - i - 1)));
    i = end;
  }
  pattern_.append("$");
  if (columns_.empty()) {
    return Fail(Code::kInvalid, fmt::format("\"{}\" names no column", format), kWhere,
                "write columns as {name}");
  }
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_dot_nl(true);
  options.set_encoding(re2::RE2::Options::EncodingLatin1);  // file names are bytes
  expression_ = std::make_unique<re2::RE2>(pattern_, options);
  if (!expression_->ok()) return Fail(Code::kInvalid, expression_->error(), kWhere);
  return {};
}

Result<PathFormat> PathFormat::Parse(std::string_view format) {
  if (format.size() > limits::kRegexBytes) {
    return Fail(Code::kTooLarge, fmt::format("format is longer than {} bytes", limits::kRegexBytes),
                kWhere);
  }
  while (format.starts_with("./")) format.remove_prefix(2);
  PathFormat out;
  out.format_ = format;
  PJ_TRY(out.Compile(format));
  return out;
}

Result<std::vector<std::string>> PathFormat::Match(const std::string& path) const {
  std::vector<re2::StringPiece> groups(columns_.size() + 1);
  const bool found = expression_->Match(path, 0, path.size(), re2::RE2::UNANCHORED, groups.data(),
                                        static_cast<int>(groups.size()));
  if (!found) {
    return Fail(Code::kInvalid, fmt::format("path does not end like \"{}\"", format_), path,
                "narrow the MLTable's paths, or change the format");
  }
  std::vector<std::string> out;
  for (size_t i = 1; i < groups.size(); ++i) out.emplace_back(groups[i].data(), groups[i].size());
  return out;
}

}  // namespace pj::plan

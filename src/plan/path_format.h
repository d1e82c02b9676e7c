// PathFormat: columns from the end of a file's path, "{Store}/{Brand}/{file_name}.{extension}".
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace re2 {
class RE2;
}

namespace pj::plan {

// Immutable and thread-safe. A column takes any characters but "/"; {day:yyyy/MM/dd} takes a date
// with the pieces yyyy MM dd HH mm ss and gives it as it stands in the path.
class PathFormat {
 public:
  // `format` is at most limits::kRegexBytes long.
  static Result<PathFormat> Parse(std::string_view format);
  PathFormat(PathFormat&&) noexcept;
  PathFormat& operator=(PathFormat&&) noexcept;
  ~PathFormat();

  const std::vector<std::string>& columns() const { return columns_; }
  // Works in Python's `re` as well.
  const std::string& pattern() const { return pattern_; }
  // One value for each column; a path that does not match is kInvalid and named.
  Result<std::vector<std::string>> Match(const std::string& path) const;

 private:
  PathFormat();
  Status AddColumn(std::string_view inside);
  Status Compile(std::string_view format);

  std::string format_;
  std::string pattern_;
  std::vector<std::string> columns_;
  std::unique_ptr<re2::RE2> expression_;
};

}  // namespace pj::plan

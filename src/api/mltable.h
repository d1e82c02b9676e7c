// Mltable: the MLTable file of a data folder, read into plain types with all findings and their
// places.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/diagnostics.h"

namespace pj::api {

// How read_delimited reads; the defaults are the reference's.
struct ReadDelimited {
  enum class Header { kNone, kFromFirstFile, kAllFilesDifferent, kAllFilesSame };
  char delimiter = ',';
  Header header = Header::kAllFilesSame;
  std::string encoding = "utf8";
  bool support_multi_line = false;
  bool empty_as_string = false;
  bool include_path_column = false;
  bool infer_column_types = true;
  bool operator==(const ReadDelimited&) const = default;
};

struct MltablePath {
  enum class Kind { kFile, kFolder, kPattern };
  Kind kind = Kind::kFile;
  std::string path;  // relative to the folder of the MLTable file, or absolute
  bool operator==(const MltablePath&) const = default;
};

struct Mltable {
  std::vector<MltablePath> paths;
  std::optional<ReadDelimited> read_delimited;  // unset: a list of files
  std::string partition_format;                 // extract_columns_from_partition_format
  bool operator==(const Mltable&) const = default;
};

// Reads the text of an MLTable file; `file` is its name in messages. Steps that are known but not
// yet supported (read_parquet, filter …) are errors that say so. Nothing if there are errors.
std::optional<Mltable> ParseMltable(std::string_view text, const std::string& file,
                                    Diagnostics* out);

}  // namespace pj::api

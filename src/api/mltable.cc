#include "api/mltable.h"

#include <algorithm>
#include <array>
#include <utility>

#include "api/nearest_name.h"
#include "base/yaml_doc.h"

namespace pj::api {
namespace {

using Names = std::vector<std::string_view>;

// Steps of the MLTable reference that a later version brings.
const Names& LaterSteps() {
  static const Names kNames = {"read_parquet", "read_json_lines",    "read_delta_lake",
                               "take",         "take_random_sample", "skip",
                               "drop_columns", "keep_columns",       "convert_column_types",
                               "filter"};
  return kNames;
}

constexpr std::array<std::string_view, 8> kEncodings = {
    "utf8", "iso88591", "latin1", "ascii", "utf16", "utf32", "utf8bom", "windows1252"};

std::string Plain(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '-' || c == '_') continue;
    out.push_back(c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c);
  }
  return out;
}

class Reader {
 public:
  Reader(const std::string& file, Diagnostics* out) : file_(file), out_(out) {}

  void Read(const YamlNode& root) {
    if (root.kind != YamlNode::Kind::kMapping) {
      return Add(root, "", "an MLTable file is a mapping with the key paths", "");
    }
    static const Names kKnown = {
        "paths", "transformations", "type",        "$schema", "metadata", "properties",
        "name",  "version",         "description", "tags"};
    CheckKeys(root, "", kKnown);
    const YamlNode* paths = root.Find("paths");
    if (paths == nullptr) {
      Add(root, "paths", "is missing", "list the data: paths: [{file: ./data.csv}]");
    } else {
      ReadPaths(*paths);
    }
    const YamlNode* steps = root.Find("transformations");
    if (steps != nullptr && steps->kind != YamlNode::Kind::kNull) ReadSteps(*steps);
  }

  Mltable& table() { return table_; }

 private:
  void Add(const YamlNode& node, std::string field, std::string message, std::string hint) {
    Diagnostic d;
    d.file = file_;
    d.line = node.line;
    d.column = node.column;
    d.field = std::move(field);
    if (node.kind == YamlNode::Kind::kScalar) d.value = node.scalar;
    d.message = std::move(message);
    d.hint = std::move(hint);
    out_->Add(std::move(d));
  }

  void CheckKeys(const YamlNode& mapping, const std::string& field, const Names& known) {
    for (const auto& [key, value] : mapping.entries) {
      if (std::find(known.begin(), known.end(), key.scalar) != known.end()) continue;
      Add(key, field.empty() ? key.scalar : field + "." + key.scalar, "unknown key",
          SuggestName(key.scalar, known));
    }
  }

  bool Text(const YamlNode& node, const std::string& field, std::string* value) {
    if (node.kind != YamlNode::Kind::kScalar || node.scalar.empty()) {
      Add(node, field, "must be a text", "");
      return false;
    }
    *value = node.scalar;
    return true;
  }

  void Boolean(const YamlNode& node, const std::string& field, bool* value) {
    const YamlValue resolved = node.kind == YamlNode::Kind::kScalar
                                   ? ResolveScalar(node, YamlDialect::kPython)
                                   : YamlValue();
    if (const bool* b = std::get_if<bool>(&resolved)) {
      *value = *b;
    } else {
      Add(node, field, "must be true or false", "");
    }
  }

  void ReadPaths(const YamlNode& paths) {
    if (paths.kind != YamlNode::Kind::kSequence || paths.items.empty()) {
      return Add(paths, "paths", "must be a list with at least one entry",
                 "write - file: ./data.csv, - folder: ./data or - pattern: ./*.csv");
    }
    for (size_t i = 0; i < paths.items.size(); ++i) {
      ReadPath(paths.items[i], "paths[" + std::to_string(i) + "]");
    }
  }

  void ReadPath(const YamlNode& node, const std::string& field) {
    using Kind = MltablePath::Kind;
    static const Names kKinds = {"file", "folder", "pattern"};
    if (node.kind != YamlNode::Kind::kMapping || node.entries.size() != 1) {
      return Add(node, field, "must be one of file, folder or pattern with a path", "");
    }
    const auto& [key, value] = node.entries[0];
    const auto kind = std::find(kKinds.begin(), kKinds.end(), key.scalar);
    if (kind == kKinds.end()) {
      return Add(key, field + "." + key.scalar, "unknown key", SuggestName(key.scalar, kKinds));
    }
    MltablePath path;
    if (!Text(value, field + "." + key.scalar, &path.path)) return;
    if (path.path.find("://") != std::string::npos || path.path.starts_with("azureml:")) {
      return Add(value, field + "." + key.scalar, "remote data cannot be read here",
                 "fetch it, and name the copy with --input NAME=PATH");
    }
    constexpr Kind kByName[] = {Kind::kFile, Kind::kFolder, Kind::kPattern};
    path.kind = kByName[kind - kKinds.begin()];
    table_.paths.push_back(std::move(path));
  }

  void ReadSteps(const YamlNode& steps) {
    if (steps.kind != YamlNode::Kind::kSequence) {
      return Add(steps, "transformations", "must be a list", "");
    }
    for (size_t i = 0; i < steps.items.size(); ++i) {
      const YamlNode& step = steps.items[i];
      const std::string field = "transformations[" + std::to_string(i) + "]";
      // A step without options may stand alone: "- read_delimited".
      if (step.kind == YamlNode::Kind::kScalar) {
        ReadStep(step, YamlNode(), field);
      } else if (step.kind == YamlNode::Kind::kMapping && step.entries.size() == 1) {
        ReadStep(step.entries[0].first, step.entries[0].second, field);
      } else {
        Add(step, field, "must be one step", "write - read_delimited: {delimiter: ','}");
      }
    }
  }

  void ReadStep(const YamlNode& name, const YamlNode& options, const std::string& field) {
    const std::string path = field + "." + name.scalar;
    const Names& later = LaterSteps();
    if (name.scalar == "read_delimited") return ReadDelimitedStep(name, options, path);
    if (name.scalar == "extract_columns_from_partition_format") return ReadFormat(options, path);
    if (std::find(later.begin(), later.end(), name.scalar) != later.end()) {
      return Add(name, field, name.scalar + " is not supported yet",
                 name.scalar.starts_with("read_") ? "convert the data to delimited text"
                                                  : "do this step in the entry script");
    }
    Names known = later;
    known.insert(known.begin(), {"read_delimited", "extract_columns_from_partition_format"});
    Add(name, field, "unknown transformation", SuggestName(name.scalar, known));
  }

  // Plain text, or {partition_format: text} as the SDK writes it.
  void ReadFormat(const YamlNode& options, const std::string& field) {
    const YamlNode* format = &options;
    if (options.Find("partition_format") != nullptr) {
      CheckKeys(options, field, {"partition_format"});
      format = options.Find("partition_format");
    }
    // Unquoted, {Store}/{Brand} is no text to YAML.
    if (format->kind != YamlNode::Kind::kScalar) {
      return Add(*format, field, "must be a text", "put the format in quotes: \"{Store}/{Brand}\"");
    }
    if (!table_.partition_format.empty()) {
      return Add(*format, field, "stands twice", "keep one partition format");
    }
    Text(*format, field, &table_.partition_format);
  }

  void ReadDelimitedStep(const YamlNode& name, const YamlNode& options, const std::string& field) {
    static const Names kKnown = {"delimiter",          "header",          "encoding",
                                 "support_multi_line", "empty_as_string", "include_path_column",
                                 "infer_column_types"};
    if (table_.read_delimited) return Add(name, field, "stands twice", "keep one read_delimited");
    table_.read_delimited.emplace();
    if (options.kind == YamlNode::Kind::kNull) return;
    if (options.kind != YamlNode::Kind::kMapping) {
      return Add(options, field, "must be a mapping of options", "");
    }
    CheckKeys(options, field, kKnown);
    ReadDelimited& read = *table_.read_delimited;
    const std::pair<const char*, bool*> booleans[] = {
        {"support_multi_line", &read.support_multi_line},
        {"empty_as_string", &read.empty_as_string},
        {"include_path_column", &read.include_path_column},
        {"infer_column_types", &read.infer_column_types}};
    for (const auto& [key, value] : booleans) {
      const YamlNode* node = options.Find(key);
      if (node != nullptr) Boolean(*node, field + "." + key, value);
    }
    if (const YamlNode* node = options.Find("delimiter")) ReadDelimiter(*node, field);
    if (const YamlNode* node = options.Find("header")) ReadHeader(*node, field);
    if (const YamlNode* node = options.Find("encoding")) ReadEncoding(*node, field);
  }

  void ReadDelimiter(const YamlNode& node, const std::string& field) {
    std::string text = node.kind == YamlNode::Kind::kScalar ? node.scalar : "";
    if (text == "\\t") text = "\t";
    const bool usable = text.size() == 1 && static_cast<unsigned char>(text[0]) < 0x80 &&
                        text != "\"" && text != "\n" && text != "\r" && text[0] != '\0';
    if (!usable) {
      return Add(node, field + ".delimiter", "must be one ASCII character other than a quote",
                 "write ',' or \"\\t\"");
    }
    table_.read_delimited->delimiter = text[0];
  }

  void ReadHeader(const YamlNode& node, const std::string& field) {
    using Header = ReadDelimited::Header;
    static const Names kNames = {"no_header", "from_first_file", "all_files_different_headers",
                                 "all_files_same_headers"};
    constexpr Header kByName[] = {Header::kNone, Header::kFromFirstFile, Header::kAllFilesDifferent,
                                  Header::kAllFilesSame};
    const auto at = std::find(kNames.begin(), kNames.end(), node.scalar);
    if (at == kNames.end()) {
      return Add(node, field + ".header",
                 "must be one of no_header, from_first_file, all_files_different_headers, "
                 "all_files_same_headers",
                 SuggestName(node.scalar, kNames));
    }
    table_.read_delimited->header = kByName[at - kNames.begin()];
  }

  void ReadEncoding(const YamlNode& node, const std::string& field) {
    const std::string plain = Plain(node.scalar);
    if (std::find(kEncodings.begin(), kEncodings.end(), plain) == kEncodings.end()) {
      return Add(node, field + ".encoding",
                 "must be one of utf8, iso88591, latin1, ascii, utf16, utf32, utf8bom, windows1252",
                 "");
    }
    table_.read_delimited->encoding = plain;
  }

  const std::string& file_;
  Diagnostics* out_;
  Mltable table_;
};

bool ErrorsAfter(const Diagnostics& out, size_t before) {
  return std::any_of(out.all().begin() + static_cast<std::ptrdiff_t>(before), out.all().end(),
                     [](const Diagnostic& d) { return d.severity == Severity::kError; });
}

}  // namespace

std::optional<Mltable> ParseMltable(std::string_view text, const std::string& file,
                                    Diagnostics* out) {
  const size_t before = out->all().size();
  const std::vector<YamlNode> documents = ParseYaml(text, file, YamlDialect::kPython, out);
  if (ErrorsAfter(*out, before)) return std::nullopt;
  if (documents.size() != 1) {
    Diagnostic d;
    d.file = file;
    d.message = documents.empty() ? "the MLTable file is empty" : "holds more than one document";
    d.hint = "write paths: and transformations: in one document";
    out->Add(std::move(d));
    return std::nullopt;
  }
  Reader reader(file, out);
  reader.Read(documents[0]);
  if (ErrorsAfter(*out, before)) return std::nullopt;
  return std::move(reader.table());
}

}  // namespace pj::api

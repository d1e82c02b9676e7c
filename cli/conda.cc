#include "cli/conda.h"

#include <algorithm>
#include <charconv>

#include "base/yaml_doc.h"

namespace pj::cli {
namespace {

using Kind = YamlNode::Kind;

std::string_view Trim(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

Error Broken(const YamlNode& at, const std::string& where, std::string what) {
  return {Code::kInvalid, std::move(what),
          where + (at.line > 0 ? ":" + std::to_string(at.line) : std::string()),
          "a Conda file lists dependencies: - name=version, and - pip: with a list"};
}

// "python >=3.9", "conda-forge::python=3.11": the name, and what stands behind it.
void AddPackage(std::string_view text, CondaFile* out) {
  std::string_view spec = Trim(text);
  if (const size_t channel = spec.find("::"); channel != std::string_view::npos) {
    spec.remove_prefix(channel + 2);
  }
  const size_t end = std::min(spec.find_first_of(" =<>!~["), spec.size());
  const std::string_view name = spec.substr(0, end);
  if (name == "python") {
    out->python_pin = Trim(spec.substr(end));
  } else if (name != "pip") {
    out->packages.emplace_back(Trim(text));
  }
}

Status AddPip(const YamlNode& entry, const std::string& where, CondaFile* out) {
  for (const auto& [key, list] : entry.entries) {
    if (key.scalar != "pip") {
      return std::unexpected(Broken(key, where, "a dependency is no text: " + key.scalar));
    }
    if (list.kind == Kind::kNull) continue;
    if (list.kind != Kind::kSequence) {
      return std::unexpected(Broken(list, where, "pip: takes a list"));
    }
    for (const YamlNode& item : list.items) {
      if (item.kind != Kind::kScalar) {
        return std::unexpected(Broken(item, where, "pip: takes a list of texts"));
      }
      out->pip.emplace_back(Trim(item.scalar));
    }
  }
  return {};
}

std::vector<int> Numbers(std::string_view version) {
  std::vector<int> out;
  while (!version.empty()) {
    int number = 0;
    const auto [rest, error] =
        std::from_chars(version.data(), version.data() + version.size(), number);
    if (error != std::errc()) break;
    out.push_back(number);
    version.remove_prefix(static_cast<size_t>(rest - version.data()));
    if (version.empty() || version[0] != '.') break;
    version.remove_prefix(1);
  }
  return out;
}

// −1, 0 or 1, with missing numbers as 0.
int Compare(std::vector<int> a, std::vector<int> b) {
  a.resize(std::max(a.size(), b.size()));
  b.resize(a.size());
  return a < b ? -1 : a == b ? 0 : 1;
}

bool StartsWith(const std::vector<int>& version, const std::vector<int>& prefix) {
  return version.size() >= prefix.size() &&
         std::equal(prefix.begin(), prefix.end(), version.begin());
}

bool SatisfiesOne(const std::vector<int>& version, std::string_view rule) {
  rule = Trim(rule);
  const size_t digits = std::min(rule.find_first_not_of("=<>!~"), rule.size());
  const std::string_view op = rule.substr(0, digits);
  // A build string ("=3.11=h1234") says nothing about the version.
  const std::string_view text = Trim(rule.substr(digits));
  const std::vector<int> wanted = Numbers(text.substr(0, text.find('=')));
  if (wanted.empty()) return true;
  if (op == "<") return Compare(version, wanted) < 0;
  if (op == "<=") return Compare(version, wanted) <= 0 || StartsWith(version, wanted);
  if (op == ">") return Compare(version, wanted) > 0 && !StartsWith(version, wanted);
  if (op == ">=") return Compare(version, wanted) >= 0;
  if (op == "!=") return !StartsWith(version, wanted);
  if (op == "~=") {
    const std::vector<int> series(wanted.begin(), wanted.end() - (wanted.size() > 1 ? 1 : 0));
    return Compare(version, wanted) >= 0 && StartsWith(version, series);
  }
  return StartsWith(version, wanted);
}

}  // namespace

Result<CondaFile> ParseCondaFile(std::string_view text, const std::string& where) {
  Diagnostics found;
  const auto documents = ParseYaml(text, where, YamlDialect::kPython, &found);
  CondaFile out;
  if (found.HasErrors()) return Fail(Code::kInvalid, found.all().front().ToString());
  if (documents.empty()) return out;
  const YamlNode* list = documents[0].Find("dependencies");
  if (documents[0].kind != Kind::kMapping) {
    return std::unexpected(Broken(documents[0], where, "is no Conda file"));
  }
  if (list == nullptr || list->kind == Kind::kNull) return out;
  if (list->kind != Kind::kSequence) {
    return std::unexpected(Broken(*list, where, "dependencies takes a list"));
  }
  for (const YamlNode& entry : list->items) {
    if (entry.kind == Kind::kScalar) {
      AddPackage(entry.scalar, &out);
    } else if (entry.kind == Kind::kMapping) {
      PJ_TRY(AddPip(entry, where, &out));
    } else {
      return std::unexpected(Broken(entry, where, "a dependency is no text"));
    }
  }
  return out;
}

bool SatisfiesPin(std::string_view version, std::string_view pin) {
  const std::vector<int> numbers = Numbers(version);
  if (Trim(pin).empty()) return true;
  while (true) {
    std::string_view all = pin.substr(0, pin.find('|'));
    bool good = true;
    while (good) {
      const size_t comma = all.find(',');
      good = SatisfiesOne(numbers, all.substr(0, comma));
      if (comma == std::string_view::npos) break;
      all.remove_prefix(comma + 1);
    }
    if (good) return true;
    const size_t bar = pin.find('|');
    if (bar == std::string_view::npos) return false;
    pin.remove_prefix(bar + 1);
  }
}

}  // namespace pj::cli

// Fields: the table of every manifest field, its Azure name, type, range and default. Reading,
// range checks, writing, messages and the CRD schema all come from it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "api/parallel_job.h"

namespace pj::api {

enum class FieldType {
  kInteger,
  kBoolean,
  kText,
  kChoice,
  kIntOrText,
  kTextOrList,
  kTextList,
  kTextMap,
  kQuantityMap,
  kLiteral,
  kVolume,
  kVolumeList,
  kFragment,
  kObject,
  kObjectList
};

// Where an integer setting lies in the types.
using IntSlot = std::variant<Setting<int64_t>*, std::optional<int64_t>*>;

struct Field {
  std::string_view path;   // "spec.inputs[].name"
  std::string_view azure;  // its Azure spelling, empty if there is none
  FieldType type = FieldType::kText;
  std::string_view default_text;  // as the documentation shows it
  std::string_view description;
  int64_t min = 0;  // kInteger
  int64_t max = 0;
  std::string_view choices = {};  // kChoice: "a b c"
  bool required = false;
  bool is_mutable = false;    // may change after creation
  bool cluster_only = false;  // has no effect in a local run
  IntSlot (*slot)(ParallelJobSpec&) = nullptr;
  bool later = false;  // refused: not supported yet
};

// How much a field may hold; the API server's schema has the same limits.
struct Limits {
  int64_t items = 0;   // entries of a list or mapping
  int64_t length = 0;  // characters of a text, of each entry
  int64_t least = 0;   // the same, at least
};
Limits LimitsOf(const Field& field);
// Of a field's choices that one which is refused: not supported yet. Empty for most.
std::string_view LaterChoice(const Field& field);

// In the order in which a manifest is written.
std::span<const Field> Fields();
const Field* FindField(std::string_view path);
// The keys right below `parent` ("spec.task").
std::vector<std::string_view> ChildKeys(std::string_view parent);
// The type's name, as `validate --fields -o json` prints it: "integer", "textMap" …
std::string_view TypeName(FieldType type);
// "a whole number from 0 to 259200", "true or false", "one of DEBUG, INFO, WARNING" …
std::string Allowed(const Field& field);
// "spec.inputs[data].path" → "spec.inputs[].path".
std::string TablePath(std::string_view path);

}  // namespace pj::api

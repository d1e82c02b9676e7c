// What follows from a row of the field table: limits, names of types, allowed values in words.
#include <fmt/core.h>

#include "api/fields.h"
#include "base/limits.h"

namespace pj::api {
namespace {

using T = FieldType;

// Fields that may hold more than their type usually does.
struct Exception {
  std::string_view path;
  Limits limits;
};
constexpr Exception kExceptions[] = {
    {"metadata.name", {0, limits::kJobNameBytes, 1}},
    {"metadata.namespace", {0, limits::kNameBytes}},
    {"spec.inputs[].name", {0, limits::kNameBytes, 1}},
    {"spec.outputs[].name", {0, limits::kNameBytes, 1}},
    {"spec.task.programArguments", {0, limits::kArgumentsLength}},
    {"spec.task.environment.condaFile", {0, limits::kCondaFileLength, 1}},
    {"spec.environmentVariables", {limits::kMapEntries, limits::kVariableLength}},
    {"spec.task.environment.variables", {limits::kMapEntries, limits::kVariableLength}},
    {"spec.managedBy", {0, limits::kNameBytes, 1}},
};

std::string ChoiceText(std::string_view choices) {
  std::string out = choices.find(' ') == std::string_view::npos ? "" : "one of ";
  for (const char c : choices) out += c == ' ' ? std::string(", ") : std::string(1, c);
  return out;
}

}  // namespace

Limits LimitsOf(const Field& field) {
  for (const Exception& exception : kExceptions) {
    if (exception.path == field.path) return exception.limits;
  }
  const bool map = field.type == T::kTextMap || field.type == T::kQuantityMap;
  const bool list = field.type == T::kTextList || field.type == T::kTextOrList;
  // Of a pod's fields, those that may be left out may be empty, too.
  const bool filled = list || field.required || field.path.starts_with("spec.");
  const bool text = list || field.type == T::kText;
  return {map ? limits::kMapEntries : limits::kListEntries, limits::kTextLength, text && filled};
}

std::string_view LaterChoice(const Field& field) {
  return field.path == "spec.outputs[].format" ? "parquet" : "";
}

std::string_view TypeName(FieldType type) {
  switch (type) {
    case T::kInteger:
      return "integer";
    case T::kBoolean:
      return "boolean";
    case T::kText:
      return "text";
    case T::kChoice:
      return "choice";
    case T::kIntOrText:
      return "integerOrText";
    case T::kTextOrList:
      return "textOrList";
    case T::kTextList:
      return "textList";
    case T::kTextMap:
      return "textMap";
    case T::kQuantityMap:
      return "quantityMap";
    case T::kLiteral:
      return "literal";
    case T::kVolume:
      return "volume";
    case T::kVolumeList:
      return "volumeList";
    case T::kFragment:
      return "fragment";
    case T::kObject:
      return "object";
    case T::kObjectList:
      break;
  }
  return "objectList";
}

std::string Allowed(const Field& field) {
  switch (field.type) {
    case T::kInteger:
      return fmt::format("a whole number from {} to {}", field.min, field.max);
    case T::kBoolean:
      return "true or false";
    case T::kChoice:
      return ChoiceText(field.choices);
    case T::kIntOrText:
      return "a whole number or text";
    case T::kTextOrList:
      return "text or a list of texts";
    case T::kTextList:
      return "a list of texts";
    case T::kTextMap:
      return "a mapping of texts";
    case T::kQuantityMap:
      return "a mapping of quantities";
    case T::kLiteral:
      return "text, a number or a boolean";
    case T::kVolume:
      return "a Kubernetes volume source";
    case T::kFragment:
    case T::kObject:
      return "a mapping";
    case T::kObjectList:
    case T::kVolumeList:
      return "a list of mappings";
    case T::kText:
      break;
  }
  return "text";
}

}  // namespace pj::api

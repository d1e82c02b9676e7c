#include "api/places.h"

#include "api/fields.h"

namespace pj::api {
namespace {

// "spec.inputs[data].path" → "spec.inputs[data]" → "spec.inputs" → "spec" → "".
std::string Parent(const std::string& path) {
  if (path.ends_with("]")) return path.substr(0, path.rfind('['));
  const size_t dot = path.rfind('.');
  return dot == std::string::npos ? std::string() : path.substr(0, dot);
}

}  // namespace

void Places::Set(const std::string& path, const YamlNode& node, const std::string& written,
                 const std::string& file) {
  const std::string value = node.kind == YamlNode::Kind::kScalar ? node.scalar : std::string();
  known_[path] = {node.line, node.column, written.empty() ? path : written, value,
                  file.empty() ? file_ : file};
}

Diagnostic Places::At(const std::string& path) const {
  Diagnostic d;
  d.file = file_;
  d.field = path;
  if (const auto own = known_.find(path); own != known_.end()) {
    d.field = own->second.written;
    d.value = own->second.value;
  } else if (spelling_ == Spelling::kAzure) {
    const Field* field = FindField(TablePath(path));
    if (field != nullptr && !field->azure.empty()) d.field = field->azure;
  }
  for (std::string at = path;; at = Parent(at)) {
    if (const auto found = known_.find(at); found != known_.end()) {
      d.line = found->second.line;
      d.column = found->second.column;
      d.file = found->second.file;
      return d;
    }
    if (at.empty()) return d;
  }
}

}  // namespace pj::api

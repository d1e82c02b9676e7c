// Validate(): the complaints that an API server answers with 422 Invalid.
#include <fmt/core.h>

#include <algorithm>
#include <set>

#include "base/limits.h"
#include "kube/admission.h"

namespace pj::kube {
namespace {

constexpr size_t kNameBytes = 253;
constexpr size_t kAnnotationBytes = 256 << 10;

bool LowerAlnum(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }
bool Alnum(char c) { return LowerAlnum(c) || (c >= 'A' && c <= 'Z'); }

// One dot-separated part of a DNS name.
bool IsDnsPart(std::string_view part) {
  return !part.empty() && LowerAlnum(part.front()) && LowerAlnum(part.back()) &&
         std::all_of(part.begin(), part.end(), [](char c) { return LowerAlnum(c) || c == '-'; });
}

bool IsSubdomain(std::string_view name) {
  for (;;) {
    const size_t dot = name.find('.');
    if (!IsDnsPart(name.substr(0, dot))) return false;
    if (dot == std::string_view::npos) return true;
    name.remove_prefix(dot + 1);
  }
}

// A label's value, or the part of a key after its slash.
bool IsLabelText(std::string_view text) {
  return text.size() <= 63 && Alnum(text.front()) && Alnum(text.back()) &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return Alnum(c) || c == '-' || c == '_' || c == '.'; });
}

bool IsQualifiedName(std::string_view key) {
  const size_t slash = key.find('/');
  if (slash != std::string_view::npos) {
    const std::string_view prefix = key.substr(0, slash);
    if (prefix.size() > kNameBytes || !IsSubdomain(prefix)) return false;
    key.remove_prefix(slash + 1);
  }
  return !key.empty() && IsLabelText(key);
}

class Checker {
 public:
  Checker(const ResourceType& type, const Tree& object, const Tree* old)
      : type_(type), object_(object), meta_(object.at("metadata")), old_(old) {}

  std::vector<Cause> Run() {
    CheckName();
    CheckLabels();
    CheckAnnotations();
    CheckOwners();
    CheckFinalizers();
    if (type_ == ConfigMaps()) CheckConfigMap();
    if (type_ == Leases()) CheckLease();
    return std::move(causes_);
  }

 private:
  void Bad(const std::string& field, const Tree& value, const std::string& why) {
    Add("FieldValueInvalid", field, fmt::format("Invalid value: {}: {}", DumpTree(value), why));
  }
  void Forbidden(const std::string& field, const std::string& why) {
    Add("FieldValueForbidden", field, "Forbidden: " + why);
  }
  void Required(const std::string& field, const std::string& why) {
    Add("FieldValueRequired", field, "Required value: " + why);
  }
  void TooLong(const std::string& field, size_t limit) {
    Add("FieldValueTooLong", field, fmt::format("Too long: may not be more than {} bytes", limit));
  }
  void Add(const char* reason, const std::string& field, std::string message) {
    causes_.push_back({reason, field, std::move(message)});
  }

  void CheckName() {
    const std::string name = meta_.value("name", "");
    if (name.empty()) return Required("metadata.name", "name or generateName is required");
    if (name.size() > kNameBytes) {
      return Bad("metadata.name", name, fmt::format("must be no more than {} bytes", kNameBytes));
    }
    if (!IsSubdomain(name)) {
      Bad("metadata.name", name,
          "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' "
          "or '.', and must start and end with an alphanumeric character");
    }
  }

  void CheckLabels() {
    auto it = meta_.find("labels");
    if (it == meta_.end()) return;
    for (const auto& [key, value] : it->items()) {
      if (!IsQualifiedName(key)) {
        Bad("metadata.labels", key,
            "name part must consist of alphanumeric characters, '-', '_' "
            "or '.', at most 63, after an optional DNS prefix and '/'");
      }
      const auto& text = value.get_ref<const std::string&>();
      if (!text.empty() && !IsLabelText(text)) {
        Bad("metadata.labels", value,
            "a valid label must be an empty string or consist of "
            "alphanumeric characters, '-', '_' or '.', at most 63");
      }
    }
  }

  void CheckAnnotations() {
    auto it = meta_.find("annotations");
    if (it == meta_.end()) return;
    size_t bytes = 0;
    for (const auto& [key, value] : it->items()) {
      std::string lower = key;
      std::transform(lower.begin(), lower.end(), lower.begin(),
                     [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
      if (!IsQualifiedName(lower)) Bad("metadata.annotations", key, "not a qualified name");
      bytes += key.size() + value.get_ref<const std::string&>().size();
    }
    if (bytes > kAnnotationBytes) TooLong("metadata.annotations", kAnnotationBytes);
  }

  void CheckOwners() {
    auto it = meta_.find("ownerReferences");
    if (it == meta_.end()) return;
    int controllers = 0;
    for (const Tree& owner : *it) {
      // The real one does not say which of them either.
      for (const char* key : {"apiVersion", "kind", "name", "uid"}) {
        if (!owner.value(key, "").empty()) continue;
        const bool version = std::string_view(key) == "apiVersion";
        Bad(fmt::format("metadata.ownerReferences.{}", key), "",
            version ? "version must not be empty" : "must not be empty");
      }
      auto controller = owner.find("controller");
      if (controller != owner.end() && *controller == true) ++controllers;
    }
    if (controllers > 1) {
      Bad("metadata.ownerReferences", *it, "Only one reference can have Controller set to true");
    }
  }

  void CheckFinalizers() {
    auto it = meta_.find("finalizers");
    if (it == meta_.end()) return;
    std::set<std::string> before;
    const bool deleting = old_ != nullptr && old_->at("metadata").contains("deletionTimestamp");
    if (deleting) before = old_->at("metadata").value("finalizers", before);
    for (const Tree& entry : *it) {
      const std::string& text = entry.get_ref<const std::string&>();
      if (!IsQualifiedName(text)) Bad("metadata.finalizers", entry, "not a qualified name");
      if (deleting && !before.contains(text)) {
        Forbidden("metadata.finalizers",
                  fmt::format("no new finalizers can be added if the object is being deleted, "
                              "found new finalizers []string{{\"{}\"}}",
                              text));
      }
    }
  }

  void CheckKeys(const char* field, const Tree& map) {
    for (const auto& [key, value] : map.items()) {
      const bool good = !key.empty() && key.size() <= kNameBytes && key != "." &&
                        !key.starts_with("..") && std::all_of(key.begin(), key.end(), [](char c) {
                          return Alnum(c) || c == '-' || c == '_' || c == '.';
                        });
      if (!good) {
        Bad(fmt::format("{}[{}]", field, key), key,
            "a valid config key must consist of alphanumeric characters, '-', '_' or '.'");
      }
    }
  }

  static size_t DecodedSize(const std::string& base64) {
    size_t size = base64.size() / 4 * 3;
    for (size_t i = base64.size(); i > 0 && base64[i - 1] == '='; --i) --size;
    return size;
  }

  void CheckConfigMap() {
    static const Tree none = Tree::object();
    const Tree& data = object_.contains("data") ? object_.at("data") : none;
    const Tree& binary = object_.contains("binaryData") ? object_.at("binaryData") : none;
    CheckKeys("data", data);
    CheckKeys("binaryData", binary);
    size_t bytes = 0;
    for (const auto& [key, value] : data.items()) {
      bytes += value.get_ref<const std::string&>().size();
      if (binary.contains(key)) {
        Bad(fmt::format("data[{}]", key), key, "duplicate of key present in binaryData");
      }
    }
    for (const Tree& value : binary) bytes += DecodedSize(value.get_ref<const std::string&>());
    if (bytes > limits::kConfigMapBytes) TooLong("", limits::kConfigMapBytes);
    if (old_ != nullptr && old_->value("immutable", false)) CheckImmutable();
  }

  void CheckImmutable() {
    const char* why = "field is immutable when `immutable` is set";
    if (!object_.value("immutable", false)) Forbidden("immutable", why);
    for (const char* key : {"data", "binaryData"}) {
      const Tree now = object_.contains(key) ? object_.at(key) : Tree();
      const Tree then = old_->contains(key) ? old_->at(key) : Tree();
      if (now != then) Forbidden(key, why);
    }
  }

  void CheckLease() {
    const Tree& spec = object_.at("spec");
    auto duration = spec.find("leaseDurationSeconds");
    if (duration != spec.end() && duration->get<int64_t>() <= 0) {
      Bad("spec.leaseDurationSeconds", *duration, "must be greater than 0");
    }
    auto transitions = spec.find("leaseTransitions");
    if (transitions != spec.end() && transitions->get<int64_t>() < 0) {
      Bad("spec.leaseTransitions", *transitions, "must be greater than or equal to 0");
    }
  }

  const ResourceType& type_;
  const Tree& object_;
  const Tree& meta_;
  const Tree* old_;
  std::vector<Cause> causes_;
};

}  // namespace

std::vector<Cause> Validate(const ResourceType& type, const Tree& object, const Tree* old) {
  return Checker(type, object, old).Run();
}

}  // namespace pj::kube

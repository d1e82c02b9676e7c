#include "matcher.h"

#include <fmt/core.h>

#include <algorithm>

namespace pj::kube::conformance {
namespace {

std::string Short(const Json& value) {
  std::string text = DumpJson(value);
  return text.size() > 300 ? text.substr(0, 300) + "…" : text;
}

const Json* Find(const Json& body, const std::string& pointer) {
  const Json::json_pointer at(pointer);
  return body.contains(at) ? &body.at(at) : nullptr;
}

class Comparison {
 public:
  explicit Comparison(const Got& got) : got_(got) {}

  std::vector<std::string> Run(const Json& expect) {
    for (const auto& [key, value] : expect.items()) Check(key, value);
    return std::move(out_);
  }

 private:
  void Check(const std::string& key, const Json& want) {
    if (key == "code") return Code(want);
    if (key == "reason") return Equal("reason", want, got_.reason);
    if (key == "event") return Equal("event", want, got_.event);
    if (key == "body") return Subset("", want, got_.body);
    if (key == "causes") return Causes(want);
    if (key == "present" || key == "absent") {
      for (const Json& pointer : want) Presence(pointer, key == "present");
      return;
    }
    for (const auto& [pointer, value] : want.items()) At(key, pointer, value);
  }

  void At(const std::string& key, const std::string& pointer, const Json& want) {
    const Json* is = Find(got_.body, pointer);
    if (is == nullptr) return Bad(pointer + " is missing");
    if (key == "size") {
      if (is->size() != want.get<size_t>()) {
        Bad(fmt::format("{} has {} elements, not {}", pointer, is->size(), want.get<size_t>()));
      }
    } else if (key == "differs") {
      if (*is == want) Bad(fmt::format("{} is still {}", pointer, Short(want)));
    } else if (key == "contains") {
      if (is->get<std::string>().find(want.get<std::string>()) == std::string::npos) {
        Bad(fmt::format("{} is {}, without {}", pointer, Short(*is), Short(want)));
      }
    } else {
      Bad("the case expects something unknown: " + key);
    }
  }

  void Code(const Json& want) {
    const bool good = want.is_array() ? std::ranges::find(want, Json(got_.code)) != want.end()
                                      : want == got_.code;
    if (!good) {
      Bad(fmt::format("code is {}, not {}: {}", got_.code, Short(want), Short(got_.body)));
    }
  }

  void Equal(const char* what, const Json& want, const std::string& is) {
    if (want != is) Bad(fmt::format("{} is \"{}\", not {}", what, is, Short(want)));
  }

  void Presence(const std::string& pointer, bool wanted) {
    if ((Find(got_.body, pointer) != nullptr) == wanted) return;
    Bad(fmt::format("{} is {}", pointer, wanted ? "missing" : "there"));
  }

  void Causes(const Json& want) {
    std::vector<std::string> fields;
    if (const Json* causes = Find(got_.body, "/details/causes")) {
      for (const Json& cause : *causes) fields.push_back(cause.value("field", ""));
    }
    for (const Json& field : want) {
      if (std::ranges::find(fields, field.get<std::string>()) == fields.end()) {
        Bad(fmt::format("no complaint about {}: {}", Short(field), Short(got_.body)));
      }
    }
  }

  void Subset(const std::string& path, const Json& want, const Json& is) {
    if (want.is_object() && is.is_object()) {
      for (const auto& [key, value] : want.items()) {
        auto it = is.find(key);
        if (it == is.end()) {
          Bad(fmt::format("{}/{} is missing", path, key));
        } else {
          Subset(path + "/" + key, value, *it);
        }
      }
    } else if (want.is_array() && is.is_array()) {
      for (size_t i = 0; i < want.size(); ++i) {
        const std::string at = fmt::format("{}/{}", path, i);
        if (i >= is.size()) {
          Bad(at + " is missing");
        } else {
          Subset(at, want[i], is[i]);
        }
      }
    } else if (want != is) {
      Bad(fmt::format("{} is {}, not {}", path, Short(is), Short(want)));
    }
  }

  void Bad(std::string what) { out_.push_back(std::move(what)); }

  const Got& got_;
  std::vector<std::string> out_;
};

// The text for "${name}".
std::string Lookup(const std::string& name, const std::map<std::string, std::string>& variables) {
  if (name.starts_with("repeat:")) {
    const size_t colon = name.rfind(':');
    std::string out;
    for (int i = std::stoi(name.substr(colon + 1)); i > 0; --i) {
      out += name.substr(7, colon - 7);
    }
    return out;
  }
  auto it = variables.find(name);
  return it == variables.end() ? "<unset variable " + name + ">" : it->second;
}

std::string SubstituteText(const std::string& text,
                           const std::map<std::string, std::string>& variables) {
  std::string out;
  size_t from = 0;
  for (;;) {
    const size_t open = text.find("${", from);
    const size_t close = open == std::string::npos ? open : text.find('}', open);
    if (close == std::string::npos) return out + text.substr(from);
    out += text.substr(from, open - from);
    out += Lookup(text.substr(open + 2, close - open - 2), variables);
    from = close + 1;
  }
}

}  // namespace

std::vector<std::string> Differences(const Json& expect, const Got& got) {
  return Comparison(got).Run(expect);
}

Json Substitute(const Json& value, const std::map<std::string, std::string>& variables) {
  if (value.is_string()) return SubstituteText(value.get<std::string>(), variables);
  Json out = value;
  if (value.is_structured()) {
    for (auto& element : out) element = Substitute(element, variables);
  }
  return out;
}

}  // namespace pj::kube::conformance

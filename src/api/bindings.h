// Bindings: ${{inputs.NAME}} and ${{outputs.NAME}} inside texts.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pj::api {

// One ${{ … }}: `path` is its inside without blanks ("inputs.data").
struct Binding {
  size_t begin = 0;  // of "${{"
  size_t end = 0;    // behind "}}"
  std::string path;
};

// All bindings of `text`; one without "}}" is left out.
std::vector<Binding> FindBindings(std::string_view text);

// NAME if `text` is exactly ${{ROOT.NAME}} (blanks inside allowed), ROOT being "inputs" or
// "outputs".
std::optional<std::string> WholeBinding(std::string_view text, std::string_view root);

}  // namespace pj::api

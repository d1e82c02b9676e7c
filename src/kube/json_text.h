// Parts of a JSON text found without building a tree: a list of 500 pods is cut into objects that
// are decoded one by one, and what a decoder does not look at is left out.
#pragma once

#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>

#include "base/result.h"

namespace pj::kube {

// The text of a member of the object `object`; empty if there is none, kInvalid if the text breaks
// off or is no object. Only the structure is checked: decoding tells the rest.
Result<std::string_view> JsonMember(std::string_view object, std::string_view key);

// The object with null for some members, named by their paths ("spec.template"; no key holds a
// dot): they cost a tree nothing. A text that is none comes back as it is.
std::string Without(std::string_view object, std::initializer_list<std::string_view> paths);

// Hands out the text of each element of `array` until one fails.
Status ForEachElement(std::string_view array,
                      const std::function<Status(std::string_view element)>& take);

// The text that a JSON string stands for; empty for everything else.
std::string JsonString(std::string_view value);

// metadata.resourceVersion of an object or a list; empty if there is none.
std::string VersionOf(std::string_view object);

}  // namespace pj::kube

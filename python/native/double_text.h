// Doubles and floats as Python's repr() writes them: the shortest digits that read back the same.
#pragma once

#include <string>

namespace pj::slot {

// Finite or not ("inf", "-inf", "nan").
void AppendDouble(double value, std::string* out);
// With the digits that a float needs, as numpy writes float32.
void AppendFloat(float value, std::string* out);

}  // namespace pj::slot

// Inputs of a model from the command line: files, literals, or generated.
#ifndef TESSERA_TOOLS_COMMON_INPUTS_H
#define TESSERA_TOOLS_COMMON_INPUTS_H

#include "tools/common/Npy.h"

namespace tessera::tools {

// `@x.npy`, or `2x3xf32=1`: extents, type, and one number for all elements or as many as there are
// elements, separated by commas (row-major). `2x3xf32` alone is generated. `2xstring=red,green` are
// strings. "" or one sentence.
std::string parseInput(const std::string &text, Array &array);

// Numbers that look like data: floats in [-1, 1], integers in [0, 7], the same for the same shape.
void generate(Array &array);

// "f32[2x3] min -1 max 1 mean 0.02".
std::string summarize(const Array &array, size_t elements);

// Where the least and the greatest number are (elementCount when there is none), NaN aside.
struct Summary {
  size_t least, greatest, nans = 0;
  double mean = 0; // NaN when an element is
};
Summary summaryOf(const Array &array);

// An element as text: integers exactly, floats with six digits.
std::string formatElement(const Array &array, size_t index);

double elementOf(const Array &array, size_t index);
void setElement(Array &array, size_t index, double value);
size_t elementCount(const Array &array);

} // namespace tessera::tools

#endif // TESSERA_TOOLS_COMMON_INPUTS_H

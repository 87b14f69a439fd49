// Numbers in elements of at most 8 bits that the machine has no type for: 8-bit and 4-bit floats,
// integers of 4 and 2 bits. An element is a byte with its code in the low bits.
#ifndef TESSERA_TOOLS_COMMON_NARROWNUMBERS_H
#define TESSERA_TOOLS_COMMON_NARROWNUMBERS_H

#include "runtime/api/tessera.h"

namespace tessera::tools {

bool isNarrowFloat(tessera_type type);
// Of 4 and 2 bits.
bool isNarrowInteger(tessera_type type);

// Files have no name for bf16 and narrow types: unsigned integers of the same size are their bits.
tessera_type seenAs(tessera_type wanted, tessera_type given);

double narrowToDouble(tessera_type type, uint8_t code);
// Floats: the nearest, ties to even; beyond the largest an infinity, or the largest where there is
// none. Integers: the low bits.
uint8_t doubleToNarrow(tessera_type type, double value);

} // namespace tessera::tools

#endif // TESSERA_TOOLS_COMMON_NARROWNUMBERS_H

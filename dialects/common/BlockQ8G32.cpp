//===- BlockQ8G32.cpp - 8-bit integers in groups of 32
//
// (code - 128) * scale. 34 bytes.
//

#include "dialects/common/BlockFormat.h"

namespace tessera {
extern const BlockFormat blockQ8G32;
const BlockFormat blockQ8G32 = {"q8_g32", "8-bit integers, an f16 scale for 32", 32, 8,
                                BlockCode::integer(128)};
} // namespace tessera

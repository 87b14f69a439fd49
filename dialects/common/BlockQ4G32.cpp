//===- BlockQ4G32.cpp - 4-bit integers in groups of 32
//
// (code - 8) * scale. 18 bytes, laid out as ggml's Q4_0.
//

#include "dialects/common/BlockFormat.h"

namespace tessera {
extern const BlockFormat blockQ4G32;
const BlockFormat blockQ4G32 = {"q4_g32", "4-bit integers, an f16 scale for 32", 32, 4,
                                BlockCode::integer(8)};
} // namespace tessera

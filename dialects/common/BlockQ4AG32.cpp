//===- BlockQ4AG32.cpp - 4-bit integers in groups of 32 with a minimum
//
// code * scale + minimum. 20 bytes, laid out as ggml's Q4_1.
//

#include "dialects/common/BlockFormat.h"

namespace tessera {
extern const BlockFormat blockQ4AG32;
const BlockFormat blockQ4AG32 = {"q4a_g32",
                                 "4-bit integers, an f16 scale and an f16 minimum for 32",
                                 32,
                                 4,
                                 BlockCode::integer(0),
                                 BlockScale::F16,
                                 /*hasMinimum=*/true};
} // namespace tessera

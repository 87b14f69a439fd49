//===- BlockQ8AG32.cpp - 8-bit integers in groups of 32 with a minimum
//
// code * scale + minimum. 36 bytes.
//

#include "dialects/common/BlockFormat.h"

namespace tessera {
extern const BlockFormat blockQ8AG32;
const BlockFormat blockQ8AG32 = {"q8a_g32",
                                 "8-bit integers, an f16 scale and an f16 minimum for 32",
                                 32,
                                 8,
                                 BlockCode::integer(0),
                                 BlockScale::F16,
                                 /*hasMinimum=*/true};
} // namespace tessera

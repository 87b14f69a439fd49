//===- BlockMXFP8E5M2.cpp - Microscaling 8-bit floats, 2 bits of mantissa
//
// OCP Microscaling Formats 1.0, MXFP8 (E5M2): elements with infinities and NaN, a power of two
// for 32. 33 bytes.
//

#include "dialects/common/BlockFormat.h"

namespace tessera {
extern const BlockFormat blockMXFP8E5M2;
const BlockFormat blockMXFP8E5M2 = {"mxfp8_e5m2",
                                    "8-bit floats E5M2, a power of two for 32",
                                    32,
                                    8,
                                    BlockCode::real(llvm::APFloat::Float8E5M2),
                                    BlockScale::E8M0};
} // namespace tessera

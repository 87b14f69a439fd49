//===- BlockMXFP8E4M3.cpp - Microscaling 8-bit floats, 3 bits of mantissa
//
// OCP Microscaling Formats 1.0, MXFP8 (E4M3): elements without infinities, a power of two for 32.
// 33 bytes.
//

#include "dialects/common/BlockFormat.h"

namespace tessera {
extern const BlockFormat blockMXFP8E4M3;
const BlockFormat blockMXFP8E4M3 = {"mxfp8_e4m3",
                                    "8-bit floats E4M3, a power of two for 32",
                                    32,
                                    8,
                                    BlockCode::real(llvm::APFloat::Float8E4M3FN),
                                    BlockScale::E8M0};
} // namespace tessera

//===- BlockMXFP4.cpp - Microscaling 4-bit floats
//
// OCP Microscaling Formats 1.0, MXFP4: E2M1 elements, a power of two for 32. 17 bytes. The eight
// magnitudes are short enough for a table.
//

#include "dialects/common/BlockFormat.h"

namespace tessera {
extern const BlockFormat blockMXFP4;
static constexpr float kE2M1[16] = {0.0f,  0.5f,  1.0f,  1.5f,  2.0f,  3.0f,  4.0f,  6.0f,
                                    -0.0f, -0.5f, -1.0f, -1.5f, -2.0f, -3.0f, -4.0f, -6.0f};
const BlockFormat blockMXFP4 = {
    "mxfp4",         "4-bit floats E2M1, a power of two for 32", 32, 4, BlockCode::lookup(kE2M1),
    BlockScale::E8M0};
} // namespace tessera

//===- BlockNF4G64.cpp - 4-bit NormalFloat in groups of 64
//
// 34 bytes. The codes are the quantiles of a normal distribution, from -1 to 1, of Dettmers et al.,
// "QLoRA: Efficient Finetuning of Quantized LLMs" (2023), appendix E; the scale is the block's
// largest magnitude.
//

#include "dialects/common/BlockFormat.h"

namespace tessera {
extern const BlockFormat blockNF4G64;
static constexpr float kNormalFloat[16] = {-1.0f,
                                           -0.6961928009986877f,
                                           -0.5250730514526367f,
                                           -0.39491748809814453f,
                                           -0.28444138169288635f,
                                           -0.18477343022823334f,
                                           -0.09105003625154495f,
                                           0.0f,
                                           0.07958029955625534f,
                                           0.16093020141124725f,
                                           0.24611230194568634f,
                                           0.33791524171829224f,
                                           0.44070982933044434f,
                                           0.5626170039176941f,
                                           0.7229568362236023f,
                                           1.0f};
const BlockFormat blockNF4G64 = {"nf4_g64", "4-bit NormalFloat, an f16 scale for 64", 64, 4,
                                 BlockCode::lookup(kNormalFloat)};
} // namespace tessera

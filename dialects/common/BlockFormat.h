//===- BlockFormat.h - Packed blocks of numbers ------------------------------===//
//
// A format packs a fixed number of neighbouring elements into a fixed number of bytes: a code for
// each, and what all codes of a block share. A format is data: its file (BlockQ4G32.cpp, ...) says
// what a code stands for and what scales it; layout, encoding and decoding follow.
//
// Layout: the scale, the minimum when there is one, then the codes. Codes are cut into pieces of a
// power of two of bits, the longest (their low bits) first. The pieces of w bits of a block of n
// elements take n w / 8 bytes: element i has bits w (i / (n w / 8)) and up of byte i mod (n w / 8).
// So a block of 32 4-bit codes has elements 0 to 15 in the low halves of 16 bytes, 16 to 31 in the
// high halves, and vectors of consecutive elements lie in consecutive bytes.
//
//===----------------------------------------------------------------------===//

#ifndef TESSERA_DIALECTS_COMMON_BLOCKFORMAT_H
#define TESSERA_DIALECTS_COMMON_BLOCKFORMAT_H

#include "llvm/ADT/APFloat.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

#include <cstdint>
#include <vector>

namespace tessera {

/// What a code stands for, before it is scaled.
struct BlockCode {
  enum Kind {
    Integer, ///< code - bias
    Float,   ///< the code's bits as a small float type
    Table    ///< one of the numbers of a table
  } kind = Integer;
  int64_t bias = 0;
  const llvm::fltSemantics &(*semantics)() = nullptr;
  llvm::ArrayRef<float> table;

  static BlockCode integer(int64_t bias) { return {Integer, bias, nullptr, {}}; }
  /// A type with a sign and 5 bits of exponent, or fewer and no infinities.
  static BlockCode real(const llvm::fltSemantics &(*semantics)()) {
    return {Float, 0, semantics, {}};
  }
  static BlockCode lookup(llvm::ArrayRef<float> table) { return {Table, 0, nullptr, table}; }
};

/// How the scale of a block is stored.
enum class BlockScale {
  F16,  ///< two bytes, little-endian
  E8M0, ///< one byte e: 2^(e - 127), NaN for 255 (OCP Microscaling Formats 1.0, section 5.4.1)
};

struct BlockFormat {
  llvm::StringRef name;
  llvm::StringRef summary; ///< for lists: "4-bit integers, one f16 scale for 32"
  int64_t elements;        ///< in a block
  unsigned codeBits;       ///< 1 to 8
  BlockCode code;
  BlockScale scale = BlockScale::F16;
  /// Of integers with an f16 scale and no bias: an f16 behind the scale, added to every element.
  bool hasMinimum = false;

  int64_t getBytes() const { return getCodesOffset() + elements * codeBits / 8; }
  int64_t getCodesOffset() const {
    return (scale == BlockScale::F16 ? 2 : 1) + (hasMinimum ? 2 : 0);
  }
  /// The bits of each piece of a code, low bits first.
  llvm::SmallVector<unsigned, 4> getPieces() const;
};

/// Encodes and decodes blocks of one format in plain C++: what the decode rule in kernels
/// (BlockDecode.h) is compared with.
class BlockCodec {
public:
  explicit BlockCodec(const BlockFormat &format);

  /// A block to `elements` floats: integers code * scale - bias * scale (or + minimum), others
  /// code * scale, in f32.
  void decode(const uint8_t *block, float *out) const;
  /// Packs `elements` finite floats, each to the nearest number that the block's scale gives, ties
  /// to the even code. The scale is the one that
  /// - spans minimum to maximum, of a format with a minimum;
  /// - is the power of two of OCP Microscaling Formats 1.0, section 6.3, of an E8M0 scale;
  /// - else makes the number of largest magnitude a code of largest magnitude. Where codes reach
  ///   farther on one side only (-8 to 7), the scale may be negative.
  void encode(const float *values, uint8_t *block) const;

private:
  unsigned getCode(const uint8_t *codes, int64_t element) const;
  uint8_t findNearest(float value) const;

  const BlockFormat &format;
  llvm::SmallVector<unsigned, 4> pieces;
  std::vector<float> numbers; ///< what each code stands for
  /// Finite numbers, ascending, with their codes.
  std::vector<std::pair<float, uint8_t>> ascending;
};

/// The format of a name, null when there is none.
const BlockFormat *findBlockFormat(llvm::StringRef name);
/// All formats, sorted by name.
llvm::ArrayRef<const BlockFormat *> getBlockFormats();
/// Adds a format of one's own, which has to live on; before anything else is done.
void registerBlockFormat(const BlockFormat &format);

} // namespace tessera

#endif // TESSERA_DIALECTS_COMMON_BLOCKFORMAT_H

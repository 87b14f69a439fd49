//===- BlockFormat.cpp - The table of formats, and what follows from their data ---===//

#include "dialects/common/BlockFormat.h"

#include "llvm/ADT/STLExtras.h"

#include <algorithm>
#include <cassert>
#include <cmath>

using namespace tessera;
using llvm::APFloat;

namespace tessera {
// Each in the file of its name.
extern const BlockFormat blockMXFP4, blockMXFP8E4M3, blockMXFP8E5M2, blockNF4G64, blockQ4AG32,
    blockQ4G32, blockQ8AG32, blockQ8G32;
} // namespace tessera

static std::vector<const BlockFormat *> &formats() {
  static std::vector<const BlockFormat *> known = {&blockMXFP4,  &blockMXFP8E4M3, &blockMXFP8E5M2,
                                                   &blockNF4G64, &blockQ4G32,     &blockQ4AG32,
                                                   &blockQ8G32,  &blockQ8AG32};
  return known;
}

llvm::ArrayRef<const BlockFormat *> tessera::getBlockFormats() { return formats(); }

const BlockFormat *tessera::findBlockFormat(llvm::StringRef name) {
  for (const BlockFormat *format : getBlockFormats())
    if (format->name == name)
      return format;
  return nullptr;
}

void tessera::registerBlockFormat(const BlockFormat &format) {
  assert(format.codeBits >= 1 && format.codeBits <= 8 && format.elements % 8 == 0);
  assert(format.code.kind != BlockCode::Table ||
         format.code.table.size() == size_t(1) << format.codeBits);
  assert(!format.hasMinimum || (format.code.kind == BlockCode::Integer && format.code.bias == 0 &&
                                format.scale == BlockScale::F16));
  if (findBlockFormat(format.name))
    return;
  formats().push_back(&format);
  llvm::sort(formats(), [](auto *a, auto *b) { return a->name < b->name; });
}

llvm::SmallVector<unsigned, 4> BlockFormat::getPieces() const {
  llvm::SmallVector<unsigned, 4> pieces;
  for (unsigned width = 8; width; width /= 2)
    if (codeBits & width)
      pieces.push_back(width);
  return pieces;
}

//===----------------------------------------------------------------------===//
// Scales
//===----------------------------------------------------------------------===//

static float toFloat(APFloat value) {
  bool lost;
  if (value.isNaN())
    return NAN;
  value.convert(APFloat::IEEEsingle(), APFloat::rmNearestTiesToEven, &lost);
  return value.convertToFloat();
}

static float loadHalf(const uint8_t *at) {
  return toFloat(APFloat(APFloat::IEEEhalf(), llvm::APInt(16, at[0] | at[1] << 8)));
}

/// Numbers beyond the type become its largest.
static float storeHalf(float number, uint8_t *at) {
  APFloat value(std::clamp(number, -65504.0f, 65504.0f));
  bool lost;
  value.convert(APFloat::IEEEhalf(), APFloat::rmNearestTiesToEven, &lost);
  uint64_t bits = value.bitcastToAPInt().getZExtValue();
  at[0] = bits & 255;
  at[1] = bits >> 8;
  return loadHalf(at);
}

static float loadPower(uint8_t exponent) {
  return exponent == 255 ? NAN : std::ldexp(1.0f, int(exponent) - 127);
}

//===----------------------------------------------------------------------===//
// BlockCodec
//===----------------------------------------------------------------------===//

BlockCodec::BlockCodec(const BlockFormat &format) : format(format), pieces(format.getPieces()) {
  for (unsigned code = 0; code < 1u << format.codeBits; ++code) {
    switch (format.code.kind) {
    case BlockCode::Integer: numbers.push_back(float(int64_t(code) - format.code.bias)); break;
    case BlockCode::Float:
      numbers.push_back(
          toFloat(APFloat(format.code.semantics(), llvm::APInt(format.codeBits, code))));
      break;
    case BlockCode::Table: numbers.push_back(format.code.table[code]); break;
    }
    if (std::isfinite(numbers.back()))
      ascending.emplace_back(numbers.back(), uint8_t(code));
  }
  llvm::sort(ascending);
  auto same = [](auto &a, auto &b) { return a.first == b.first; }; // 0 and -0
  ascending.erase(std::unique(ascending.begin(), ascending.end(), same), ascending.end());
}

unsigned BlockCodec::getCode(const uint8_t *codes, int64_t element) const {
  unsigned code = 0, low = 0;
  for (unsigned width : pieces) {
    int64_t bytes = format.elements * width / 8;
    unsigned piece = codes[element % bytes] >> (width * (element / bytes));
    code |= (piece & ((1u << width) - 1)) << low;
    codes += bytes;
    low += width;
  }
  return code;
}

void BlockCodec::decode(const uint8_t *block, float *out) const {
  float scale = format.scale == BlockScale::F16 ? loadHalf(block) : loadPower(block[0]);
  const uint8_t *codes = block + format.getCodesOffset();
  bool isInteger = format.code.kind == BlockCode::Integer && format.scale == BlockScale::F16;
  // A code of 8 bits times an f16 is exact.
  float offset = format.hasMinimum ? loadHalf(block + 2) : -float(format.code.bias) * scale;
  for (int64_t i = 0; i < format.elements; ++i) {
    unsigned code = getCode(codes, i);
    out[i] = isInteger ? float(code) * scale + offset : numbers[code] * scale;
  }
}

uint8_t BlockCodec::findNearest(float value) const {
  auto above = std::lower_bound(ascending.begin(), ascending.end(), value,
                                [](auto &entry, float value) { return entry.first < value; });
  if (above == ascending.begin())
    return above->second;
  auto below = std::prev(above);
  if (above == ascending.end())
    return below->second;
  double down = double(value) - below->first, up = double(above->first) - value;
  bool takeBelow = down < up || (down == up && below->second % 2 == 0);
  return takeBelow ? below->second : above->second;
}

void BlockCodec::encode(const float *values, uint8_t *block) const {
  llvm::ArrayRef<float> all(values, format.elements);
  float extreme = 0, least = *llvm::min_element(all), most = *llvm::max_element(all);
  for (float value : all)
    if (std::fabs(value) > std::fabs(extreme))
      extreme = value;
  float scale, minimum = 0, lowest = ascending.front().first, highest = ascending.back().first;
  float reach = std::max(-lowest, highest);
  std::fill(block, block + format.getBytes(), 0);
  if (format.hasMinimum) {
    minimum = storeHalf(least, block + 2);
    scale = storeHalf(float((double(most) - minimum) / highest), block);
  } else if (format.scale == BlockScale::E8M0) {
    int exponent = extreme == 0 ? -127 : std::ilogb(extreme) - std::ilogb(reach);
    block[0] = uint8_t(std::clamp(exponent, -127, 127) + 127);
    scale = loadPower(block[0]);
  } else if (-lowest == highest) {
    scale = storeHalf(std::fabs(extreme) / reach, block);
  } else {
    scale = storeHalf(extreme / (reach == highest ? reach : -reach), block);
  }
  uint8_t *codes = block + format.getCodesOffset();
  for (int64_t i = 0; i < format.elements; ++i) {
    uint8_t code = findNearest(scale == 0 ? 0.0f : (values[i] - minimum) / scale);
    uint8_t *at = codes;
    for (unsigned width : pieces) {
      int64_t bytes = format.elements * width / 8;
      at[i % bytes] |= (code & ((1u << width) - 1)) << (width * (i / bytes));
      code >>= width;
      at += bytes;
    }
  }
}

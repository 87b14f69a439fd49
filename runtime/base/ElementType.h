// What the runtime knows about an element type: its size, its name, its type in the kernel ABI.
#ifndef TESSERA_RUNTIME_BASE_ELEMENTTYPE_H
#define TESSERA_RUNTIME_BASE_ELEMENTTYPE_H

#include "runtime/base/KernelAbi.h"
#include "runtime/schema/ModuleFormat.h"

namespace tessera::rt {

struct ElementTypeInfo {
  const char *name;
  uint32_t bytes;
  KernelType kernelType;
  bool isInteger; // bool counts
};

// One row per ElementType, in the order of the enumerators.
constexpr ElementTypeInfo kElementTypes[kElementTypeCount] = {
    {"f64", 8, {TypeCode::Float, 64, 1}, false},
    {"f32", 4, {TypeCode::Float, 32, 1}, false},
    {"f16", 2, {TypeCode::Float, 16, 1}, false},
    {"bf16", 2, {TypeCode::BFloat, 16, 1}, false},
    // Halide has no 8-bit floats: kernels see the bits.
    {"f8e4m3fn", 1, {TypeCode::UInt, 8, 1}, false},
    {"f8e5m2", 1, {TypeCode::UInt, 8, 1}, false},
    {"f8e4m3fnuz", 1, {TypeCode::UInt, 8, 1}, false},
    {"f8e5m2fnuz", 1, {TypeCode::UInt, 8, 1}, false},
    {"i8", 1, {TypeCode::Int, 8, 1}, true},
    {"i16", 2, {TypeCode::Int, 16, 1}, true},
    {"i32", 4, {TypeCode::Int, 32, 1}, true},
    {"i64", 8, {TypeCode::Int, 64, 1}, true},
    {"u8", 1, {TypeCode::UInt, 8, 1}, true},
    {"u16", 2, {TypeCode::UInt, 16, 1}, true},
    {"u32", 4, {TypeCode::UInt, 32, 1}, true},
    {"u64", 8, {TypeCode::UInt, 64, 1}, true},
    {"bool", 1, {TypeCode::UInt, 1, 1}, true},
    {"f8e8m0fnu", 1, {TypeCode::UInt, 8, 1}, false},
    // One in a byte, of which kernels see the bits: no sizes are read from these.
    {"f4e2m1fn", 1, {TypeCode::UInt, 8, 1}, false},
    {"i4", 1, {TypeCode::UInt, 8, 1}, false},
    {"u4", 1, {TypeCode::UInt, 8, 1}, false},
    {"i2", 1, {TypeCode::UInt, 8, 1}, false},
    {"u2", 1, {TypeCode::UInt, 8, 1}, false},
    {"f6e2m3fn", 1, {TypeCode::UInt, 8, 1}, false},
    {"f6e3m2fn", 1, {TypeCode::UInt, 8, 1}, false},
};

inline const ElementTypeInfo &info(ElementType type) { return kElementTypes[uint8_t(type)]; }

} // namespace tessera::rt

#endif // TESSERA_RUNTIME_BASE_ELEMENTTYPE_H

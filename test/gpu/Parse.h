//===- Parse.h - Instructions by their names --------------------------------*- C++ -*-===//
#ifndef TESSERA_TEST_GPU_PARSE_H
#define TESSERA_TEST_GPU_PARSE_H

#include "test/gpu/Ptx.h"

#include <optional>

namespace tessera::ptx {

/// "f32", without the dot.
std::optional<Type> typeOf(std::string_view name);

/// Fills in everything but operands from "fma.rn.f32". `operands` is how many the text has. False:
/// no such instruction, or none that is interpreted.
bool decode(std::string_view name, unsigned operands, Instruction &instruction);

/// Vectors have as many registers as the instruction reads or writes: "" or what is wrong.
std::string checkCounts(const Instruction &instruction);

/// Why a text of the program's version and target may not have the instruction; "": it may.
std::string checkNeeds(std::string_view name, const Program &program);

} // namespace tessera::ptx

#endif

//===- BuiltStage.h - Stages as Funcs of Halide, and their schedule ------------------*- C++
//-*-===//
// Between the files of the half that sees Halide.
#ifndef TESSERA_COMPILER_CODEGEN_HALIDE_BUILTSTAGE_H
#define TESSERA_COMPILER_CODEGEN_HALIDE_BUILTSTAGE_H

#include "compiler/codegen/halide/HalideProgram.h"

#include "Halide.h"

#include <map>
#include <set>
#include <string>
#include <vector>

namespace tessera::halide {

/// Loops of one definition (pure or update) by name; directives make new ones.
using Loops = std::map<std::string, Halide::VarOrRVar>;

struct BuiltStage {
  Halide::Func func;
  std::vector<Halide::Expr> loopExprs; ///< per loop of the description
  Loops pure, update;
  int inOrder = -1;              ///< loop of the description that the update runs in order
  std::set<std::string> ordered; ///< its names in the schedule
};

/// Throws an error that names what the schedule has wrong.
[[noreturn]] void fail(const std::string &message);

/// Applies one directive to the stage it names. `params` and `built`: the tensors and the stages of
/// the program, in its order.
void applyDirective(const Directive &directive, const HalideProgram &program,
                    const std::vector<Halide::ImageParam> &params, std::vector<BuiltStage> &built);

} // namespace tessera::halide

#endif

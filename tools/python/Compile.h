// compile, load and check.
#ifndef TESSERA_TOOLS_PYTHON_COMPILE_H
#define TESSERA_TOOLS_PYTHON_COMPILE_H

#include "tools/python/Running.h"

namespace tessera::python {

struct CompileArguments {
  nb::handle model;       // a path, or bytes
  nb::handle target;      // None, a level, or a sequence of levels
  nb::handle dims;        // None, or a mapping
  nb::handle schedule;    // None, or a path
  nb::handle cache;       // None, or a path; "" turns it off
  nb::handle folder;      // None, or a path
  nb::handle progress;    // None, or a function
  nb::handle quantize;    // None, or how weights are stored, or int8
  nb::handle precision;   // None, or what operands of products are rounded to
  nb::handle convolution; // None, or how convolutions are computed
  nb::handle calibration; // None, or a sequence of mappings from inputs to arrays
  nb::handle maxError;    // None, or a number
  nb::handle method;      // None, or how ranges are chosen
  nb::handle operators;   // None, or a path
  bool weightsPerTensor = false;
  uint32_t jobs = 0, threads = 0;
};

std::unique_ptr<Module> compileModel(const CompileArguments &arguments);
nb::list checkModel(nb::handle model, nb::handle folder, nb::handle operators);
std::unique_ptr<Module> loadModule(nb::handle source, nb::handle variant, const std::string &device,
                                   uint32_t threads);
nb::list listDevices();

} // namespace tessera::python

#endif // TESSERA_TOOLS_PYTHON_COMPILE_H

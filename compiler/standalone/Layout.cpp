//===- Layout.cpp - Sizes and places of a function whose extents are known ------------------===//
#include "compiler/standalone/Layout.h"

#include "runtime/base/ElementType.h"
#include "runtime/executor/Placement.h"

using namespace tessera;
using namespace tessera::standalone;
using llvm::Error;
using llvm::Expected;
using llvm::Twine;

static Error fail(const Twine &message) {
  return llvm::createStringError(llvm::inconvertibleErrorCode(), message);
}

static Error toError(rt::Status status) { return fail(status.message()); }

static Error bindSymbols(const rt::Function &function, const std::map<std::string, int64_t> &dims,
                         std::vector<int64_t> &registers) {
  std::string missing;
  for (auto [index, symbol] : llvm::enumerate(function.symbols)) {
    auto given = dims.find(symbol.name);
    if (symbol.min == symbol.max) {
      registers[index] = symbol.min;
    } else if (given == dims.end()) {
      missing += (missing.empty() ? "" : ", ") + std::string(symbol.name);
    } else if (given->second < symbol.min || given->second > symbol.max) {
      return fail("extent " + Twine(symbol.name) + " is " + Twine(given->second) +
                  ", the model takes " + Twine(symbol.min) + " to " + Twine(symbol.max));
    } else {
      registers[index] = given->second;
    }
  }
  if (missing.empty())
    return Error::success();
  return fail("function '" + Twine(function.name) + "' has extents without a value: " + missing +
              "; the memory of an object is fixed, so give each one: --dim " +
              missing.substr(0, missing.find(',')) + "=1");
}

static Error runPrologue(const rt::Function &function, std::vector<int64_t> &registers) {
  for (uint32_t i = 0; i < function.prologue; ++i) {
    const rt::Instruction &x = function.instructions[i];
    if (x.op == rt::Opcode::Assert) {
      if (registers[x.a] == 0)
        return fail(function.messages[x.b]);
    } else if (rt::Status status = rt::evaluate(x, registers.data()); !status.ok()) {
      return toError(std::move(status));
    }
  }
  return Error::success();
}

static Error shape(const rt::Function &function, uint32_t index, FunctionLayout &layout) {
  const rt::Buffer &buffer = function.buffers[index];
  BufferLayout &to = layout.buffers[index];
  const int64_t *registers = layout.registers.data();
  for (const rt::Dim &dim : buffer.dims)
    to.dims.push_back(dim.get(registers));
  if (!rt::countElements(to.dims.data(), to.dims.size(), to.elements))
    return fail("tensor " + Twine(index) + " of function '" + function.name +
                "' has a negative extent or more than " + Twine(rt::kMaxElements) + " elements");
  to.bytes = uint64_t(to.elements) * rt::info(buffer.type).bytes;
  to.strides.resize(to.dims.size());
  int64_t stride = 1;
  for (size_t d = to.dims.size(); d-- > 0;) {
    to.strides[d] = buffer.strides.empty() ? stride : buffer.strides[d].get(registers);
    if (std::abs(to.strides[d]) > rt::kMaxElements)
      return fail("a stride of tensor " + Twine(index) + " is too large");
    stride = to.elements ? stride * to.dims[d] : 1;
  }
  return Error::success();
}

/// The last element that a view reaches must be inside what it looks at.
static Error placeView(const rt::Function &function, uint32_t index, FunctionLayout &layout) {
  const rt::Buffer &buffer = function.buffers[index];
  BufferLayout &view = layout.buffers[index];
  const int64_t offset = buffer.offset.get(layout.registers.data());
  int64_t last = 0;
  for (auto [dim, stride] : llvm::zip(view.dims, view.strides))
    last += (dim - 1) * stride;
  const uint64_t needed = view.bytes ? uint64_t(last + 1) * rt::info(buffer.type).bytes : 0;
  const uint64_t available = layout.buffers[buffer.source].bytes;
  if (offset < 0 || last < 0 || uint64_t(offset) > available ||
      needed > available - uint64_t(offset))
    return fail("a view of function '" + Twine(function.name) +
                "' reaches outside its tensor (buffer " + Twine(index) + ")");
  view.offset = uint64_t(offset);
  return Error::success();
}

static void placeTemporaries(const rt::Function &function, FunctionLayout &layout) {
  constexpr uint64_t alignment = rt::kBufferAlignment;
  std::vector<rt::Place> places;
  for (auto [buffer, to] : llvm::zip(function.buffers, layout.buffers))
    if (buffer.kind == rt::BufferKind::Temp)
      places.push_back(
          {(to.bytes + alignment - 1) / alignment * alignment, buffer.first, buffer.last, 0});
  std::vector<uint32_t> scratch(places.size() * 2);
  layout.arenaBytes = rt::placeByBestFit({places.data(), places.size()}, scratch.data());
  size_t next = 0;
  for (auto [buffer, to] : llvm::zip(function.buffers, layout.buffers))
    if (buffer.kind == rt::BufferKind::Temp)
      to.offset = places[next++].offset;
}

Expected<FunctionLayout> standalone::layOut(const rt::Function &function,
                                            const std::map<std::string, int64_t> &dims) {
  if (function.segments.size > 1)
    return fail("function '" + Twine(function.name) +
                "' computes tensors whose extents depend on data, and the memory of an object is "
                "fixed; --emit exe makes a program of such a model");
  FunctionLayout layout;
  layout.registers.resize(function.registers);
  layout.buffers.resize(function.buffers.size);
  if (Error error = bindSymbols(function, dims, layout.registers))
    return error;
  if (Error error = runPrologue(function, layout.registers))
    return error;
  for (uint32_t i = 0; i < function.buffers.size; ++i) {
    if (Error error = shape(function, i, layout))
      return error;
    if (function.buffers[i].kind != rt::BufferKind::View)
      continue;
    if (function.buffers[i].isRebound)
      return fail("function '" + Twine(function.name) + "' moves views while it runs");
    if (Error error = placeView(function, i, layout))
      return error;
  }
  placeTemporaries(function, layout);
  return layout;
}

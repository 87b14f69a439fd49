//===- OpsImage.cpp - Images ------------------------------------------------------------------===//
//
// Decoding is no numeric kernel: two host operators, one for the extents that are in the file, one
// for the pixels.
//
//===----------------------------------------------------------------------===//

#include "dialects/graph/Host.h"
#include "frontends/onnx/DataShapes.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::onnx;

static Value callHost(Node &node, StringRef function, StringRef options, Value x, Type result) {
  return graph::HostCallOp::create(node.getBuilder(), node.getLoc(), TypeRange(result), function,
                                   options, ValueRange(x))
      .getResult(0);
}

static LogicalResult importImageDecoder(Node &node) {
  graph::TensorType type = node.type(0);
  MLIRContext *context = node.getBuilder().getContext();
  Type byte = IntegerType::get(context, 8, IntegerType::Unsigned);
  if (type.rank() != 1 || type.getElementType() != byte)
    return node.error("decodes one file, a list of bytes (uint8)");
  const std::string format = node.getString("pixel_format", "RGB");
  if (format != "RGB" && format != "BGR" && format != "Grayscale")
    return node.error("has pixel_format " + quoted(format) + ", expected RGB, BGR or Grayscale");
  Value extents = callHost(node, "image.extents", "", node.input(0),
                           graph::TensorType::get(ArrayRef<int64_t>{2}, node.si64()));
  ShapeScalars scalars(node);
  DimList dims;
  dims.push_back(scalars.bind(scalars.element(extents, 0), "the image's height"));
  dims.push_back(scalars.bind(scalars.element(extents, 1), "the image's width"));
  dims.push_back(node.dim(format == "Grayscale" ? 1 : 3));
  node.setOutput(
      callHost(node, "image.decode", format, node.input(0), graph::TensorType::get(dims, byte)));
  return success();
}

ArrayRef<Operator> tessera::onnx::imageOperators() {
  static const Operator table[] = {
      {"ImageDecoder", 20, importImageDecoder},
  };
  return table;
}

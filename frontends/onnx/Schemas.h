//===- Schemas.h - What the standard says of an operator's node -------------------*- C++ -*-===//
#ifndef TESSERA_FRONTENDS_ONNX_SCHEMAS_H
#define TESSERA_FRONTENDS_ONNX_SCHEMAS_H

#include "frontends/onnx/Importer.h"

namespace tessera::onnx {

/// Fails with an error where a node has inputs or outputs that its operator does not have, lacks
/// one, has inputs of two element types where the standard has one, or attributes that are missing
/// or of another type. Operators that the standard does not have pass.
LogicalResult checkSchema(Node &node);

} // namespace tessera::onnx

#endif

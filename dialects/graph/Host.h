//===- Host.h - What is no numeric kernel ------------------------------------------*- C++ -*-===//
#ifndef TESSERA_DIALECTS_GRAPH_HOST_H
#define TESSERA_DIALECTS_GRAPH_HOST_H

#include "dialects/graph/Graph.h"

#define GET_OP_CLASSES
#include "dialects/graph/Host.h.inc"

#endif // TESSERA_DIALECTS_GRAPH_HOST_H

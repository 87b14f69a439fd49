//===- HostOperators.h - Lets the interpreter run host operators -------------------*- C++ -*-===//
#ifndef TESSERA_COMPILER_API_HOSTOPERATORS_H
#define TESSERA_COMPILER_API_HOSTOPERATORS_H

namespace tessera {

/// From now on the reference interpreter calls them as the runtime does.
void useHostOperators();

} // namespace tessera

#endif

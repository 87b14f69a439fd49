// Host operators by name.
#ifndef TESSERA_RUNTIME_MODULE_HOSTFUNCTIONS_H
#define TESSERA_RUNTIME_MODULE_HOSTFUNCTIONS_H

#include "runtime/base/HostAbi.h"
#include "runtime/base/Status.h"

namespace tessera::rt {

// Opens the library of host operators; asked whenever one is looked for.
using HostOpener = Result<const HostTable *> (*)();

// `open` may be null: there are none.
Result<const HostFunction *> findHostFunction(HostOpener open, const char *name);

// Calls a function; what is wrong becomes the status. The message's memory is set here.
Status runHostFunction(const HostFunction &function, HostCall &call);

} // namespace tessera::rt

#endif // TESSERA_RUNTIME_MODULE_HOSTFUNCTIONS_H

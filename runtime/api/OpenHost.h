// Where the runtime finds its host operators: in a library, which it opens when a module needs one.
// Static programs cannot open libraries; they are linked with NoHost.cpp.
#ifndef TESSERA_RUNTIME_API_OPENHOST_H
#define TESSERA_RUNTIME_API_OPENHOST_H

#include "runtime/base/HostAbi.h"
#include "runtime/base/Status.h"

namespace tessera::rt {

Result<const HostTable *> openHost();

} // namespace tessera::rt

#endif // TESSERA_RUNTIME_API_OPENHOST_H

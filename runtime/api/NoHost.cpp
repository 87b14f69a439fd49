#include "runtime/api/OpenHost.h"

namespace tessera::rt {

Result<const HostTable *> openHost() {
  return Status::error(Code::SystemError,
                       "a static program cannot open the library of host operators");
}

} // namespace tessera::rt

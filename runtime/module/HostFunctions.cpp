#include "runtime/module/HostFunctions.h"

#include <cstring>

namespace tessera::rt {

Result<const HostFunction *> findHostFunction(HostOpener open, const char *name) {
  if (!open)
    return Status::error(Code::SystemError, "there are no host operators here")
        .at("host operator '%s'", name);
  Result<const HostTable *> opened = open();
  if (!opened.ok())
    return opened.takeStatus().at("host operator '%s'", name);
  const HostTable *table = *opened;
  if (!table || table->abi != kHostAbi)
    return Status::error(Code::SystemError,
                         "%s has version %u of its interface, the runtime needs version %u",
                         kHostLibraryName, table ? table->abi : 0, kHostAbi)
        .at("host operator '%s'", name);
  for (uint32_t i = 0; i < table->count; ++i)
    if (std::strcmp(table->functions[i].name, name) == 0)
      return &table->functions[i];
  return Status::error(Code::UnknownName, "%s has no host operator '%s'", kHostLibraryName, name);
}

static Code codeOf(int32_t result) {
  switch (result) {
  case kHostBadData: return Code::InvalidArgument;
  case kHostTooLarge: return Code::TooLarge;
  case kHostMemoryLimit: return Code::MemoryLimit;
  case kHostOutOfMemory: return Code::OutOfMemory;
  default: return Code::KernelFailed;
  }
}

static const char *describe(int32_t result) {
  switch (result) {
  case kHostOutOfMemory: return "there is no memory for its work";
  case kHostStopped: return "it stopped before its end";
  default: return "it failed without a reason";
  }
}

Status runHostFunction(const HostFunction &function, HostCall &call) {
  char message[400] = "";
  call.message = message;
  call.messageBytes = sizeof(message);
  const int32_t result = function.run(&call);
  call.message = nullptr;
  if (result == kHostOk)
    return {};
  message[sizeof(message) - 1] = 0;
  return Status::error(codeOf(result), "%s", message[0] ? message : describe(result))
      .at("host operator '%s'", function.name);
}

} // namespace tessera::rt

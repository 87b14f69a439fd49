//===- Wire.h - Messages between the kernel compiler and its workers --------*- C++ -*-===//
#ifndef TESSERA_COMPILER_CODEGEN_DRIVER_WIRE_H
#define TESSERA_COMPILER_CODEGEN_DRIVER_WIRE_H

#include "compiler/codegen/KernelImage.h"

#include <optional>
#include <string>
#include <string_view>

namespace tessera::codegen {

/// One kernel to compile: the text of a module with one kernel.func and at most one schedule.func.
struct KernelRequest {
  std::string text;
  CodeTarget target;
  ListingKind listing = ListingKind::None;
};

/// What came of it. `error` is empty exactly when `image` holds code.
struct KernelReply {
  std::string error;
  KernelImage image;
  std::string listing;
};

std::string encode(const KernelRequest &request);
std::string encode(const KernelReply &reply);
std::optional<KernelRequest> decodeRequest(std::string_view bytes);
std::optional<KernelReply> decodeReply(std::string_view bytes);

/// Writes and reads whole messages, each preceded by its length. False when the other side is gone.
bool sendMessage(int socket, std::string_view bytes);
bool receiveMessage(int socket, std::string &bytes);

} // namespace tessera::codegen

#endif

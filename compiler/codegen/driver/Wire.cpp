//===- Wire.cpp - Messages between the kernel compiler and its workers ------------------===//
#include "compiler/codegen/driver/Wire.h"

#include <cerrno>
#include <cstring>
#include <sys/socket.h>
#include <unistd.h>

namespace tessera::codegen {
namespace {

constexpr uint64_t kMaxMessageBytes = uint64_t(1) << 30;

void put(std::string &to, std::string_view field) {
  uint64_t size = field.size();
  to.append(reinterpret_cast<const char *>(&size), sizeof size);
  to.append(field);
}

bool take(std::string_view &from, std::string &field) {
  uint64_t size;
  if (from.size() < sizeof size)
    return false;
  std::memcpy(&size, from.data(), sizeof size);
  from.remove_prefix(sizeof size);
  if (size > from.size())
    return false;
  field.assign(from.substr(0, size));
  from.remove_prefix(size);
  return true;
}

bool transfer(auto &&step, size_t size) {
  for (size_t done = 0; done < size;) {
    ssize_t moved = step(done, size - done);
    if (moved < 0 && errno == EINTR)
      continue;
    if (moved <= 0)
      return false;
    done += static_cast<size_t>(moved);
  }
  return true;
}

} // namespace

std::string encode(const KernelRequest &request) {
  std::string bytes;
  put(bytes, request.text);
  put(bytes, request.target.cpu);
  put(bytes, request.target.features);
  put(bytes, std::string{static_cast<char>(request.listing)});
  return bytes;
}

std::optional<KernelRequest> decodeRequest(std::string_view bytes) {
  KernelRequest request;
  std::string kind;
  if (!take(bytes, request.text) || !take(bytes, request.target.cpu) ||
      !take(bytes, request.target.features) || !take(bytes, kind) || kind.size() != 1)
    return {};
  request.listing = static_cast<ListingKind>(kind[0]);
  return request;
}

std::string encode(const KernelReply &reply) {
  std::string bytes;
  put(bytes, reply.error);
  put(bytes, {reinterpret_cast<const char *>(reply.image.bytes.data()), reply.image.bytes.size()});
  put(bytes, std::to_string(reply.image.entry));
  put(bytes, reply.listing);
  return bytes;
}

std::optional<KernelReply> decodeReply(std::string_view bytes) {
  KernelReply reply;
  std::string code, entry;
  if (!take(bytes, reply.error) || !take(bytes, code) || !take(bytes, entry) ||
      !take(bytes, reply.listing))
    return {};
  reply.image.bytes.assign(code.begin(), code.end());
  reply.image.entry = std::strtoull(entry.c_str(), nullptr, 10);
  return reply;
}

bool sendMessage(int socket, std::string_view bytes) {
  uint64_t size = bytes.size();
  std::string whole(reinterpret_cast<const char *>(&size), sizeof size);
  whole.append(bytes);
  return transfer(
      [&](size_t done, size_t left) {
        return ::send(socket, whole.data() + done, left, MSG_NOSIGNAL);
      },
      whole.size());
}

bool receiveMessage(int socket, std::string &bytes) {
  uint64_t size = 0;
  char *header = reinterpret_cast<char *>(&size);
  if (!transfer([&](size_t done, size_t left) { return ::read(socket, header + done, left); },
                sizeof size) ||
      size > kMaxMessageBytes)
    return false;
  bytes.resize(size);
  return transfer(
      [&](size_t done, size_t left) { return ::read(socket, bytes.data() + done, left); }, size);
}

} // namespace tessera::codegen

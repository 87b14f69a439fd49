#include "runtime/base/Status.h"

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace tessera::rt {
namespace {

// Long enough for two names and two shapes; a longer message ends in "...".
constexpr size_t kMaxMessage = 1024;

void format(char (&buffer)[kMaxMessage], const char *pattern, va_list args) {
  const int size = std::vsnprintf(buffer, kMaxMessage, pattern, args);
  if (size >= int(kMaxMessage))
    std::memcpy(buffer + kMaxMessage - 4, "...", 4);
}

} // namespace

const char *codeName(Code code) {
  switch (code) {
  case Code::Ok: return "OK";
  case Code::InvalidArgument: return "INVALID_ARGUMENT";
  case Code::UnknownName: return "UNKNOWN_NAME";
  case Code::WrongCount: return "WRONG_COUNT";
  case Code::WrongType: return "WRONG_TYPE";
  case Code::WrongRank: return "WRONG_RANK";
  case Code::WrongShape: return "WRONG_SHAPE";
  case Code::BadMemory: return "BAD_MEMORY";
  case Code::TooLarge: return "TOO_LARGE";
  case Code::FileError: return "FILE_ERROR";
  case Code::NotAModule: return "NOT_A_MODULE";
  case Code::NewerVersion: return "NEWER_VERSION";
  case Code::OlderVersion: return "OLDER_VERSION";
  case Code::Truncated: return "TRUNCATED";
  case Code::Corrupt: return "CORRUPT";
  case Code::Malformed: return "MALFORMED";
  case Code::LimitExceeded: return "LIMIT_EXCEEDED";
  case Code::UnsupportedCpu: return "UNSUPPORTED_CPU";
  case Code::SystemError: return "SYSTEM_ERROR";
  case Code::OutOfMemory: return "OUT_OF_MEMORY";
  case Code::MemoryLimit: return "MEMORY_LIMIT";
  case Code::Cancelled: return "CANCELLED";
  case Code::DeadlineExceeded: return "DEADLINE_EXCEEDED";
  case Code::KernelFailed: return "KERNEL_FAILED";
  case Code::AssertionFailed: return "ASSERTION_FAILED";
  case Code::ArithmeticOverflow: return "ARITHMETIC_OVERFLOW";
  case Code::IndexOutOfRange: return "INDEX_OUT_OF_RANGE";
  case Code::Busy: return "BUSY";
  case Code::Internal: return "INTERNAL";
  }
  return "UNKNOWN";
}

Status Status::outOfMemory() {
  static Record record{Code::OutOfMemory, "out of memory", true};
  return Status(&record);
}

Status Status::error(Code code, const char *pattern, ...) {
  char text[kMaxMessage];
  va_list args;
  va_start(args, pattern);
  format(text, pattern, args);
  va_end(args);
  const size_t size = std::strlen(text) + 1;
  auto *record = static_cast<Record *>(std::malloc(sizeof(Record) + size));
  if (!record)
    return outOfMemory();
  char *copy = reinterpret_cast<char *>(record + 1);
  std::memcpy(copy, text, size);
  *record = {code, copy, false};
  return Status(record);
}

Status Status::at(const char *pattern, ...) && {
  // Out of memory stays the fixed record: there is nothing to prepend with.
  if (ok() || record->isStatic)
    return std::move(*this);
  char place[kMaxMessage];
  va_list args;
  va_start(args, pattern);
  format(place, pattern, args);
  va_end(args);
  return error(code(), "%s: %s", place, message());
}

void Status::clear() {
  if (record && !record->isStatic)
    std::free(record);
  record = nullptr;
}

} // namespace tessera::rt

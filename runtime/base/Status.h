// Errors as values. Nothing in the runtime throws, aborts or prints.
#ifndef TESSERA_RUNTIME_BASE_STATUS_H
#define TESSERA_RUNTIME_BASE_STATUS_H

#include <cstdint>
#include <new>
#include <utility>

namespace tessera::rt {

// Grouped by who can do something about it; the numbers are part of the C API and never reused.
enum class Code : int32_t {
  Ok = 0,
  // 100: the caller's arguments
  InvalidArgument = 100,
  UnknownName = 101,
  WrongCount = 102,
  WrongType = 103,
  WrongRank = 104,
  WrongShape = 105,
  BadMemory = 106, // null, misaligned, too small, overlapping
  TooLarge = 107,  // an extent or a size beyond what kernels count
  // 200: the module file
  FileError = 200,
  NotAModule = 201,
  NewerVersion = 202,
  OlderVersion = 203,
  Truncated = 204,
  Corrupt = 205,   // a checksum differs
  Malformed = 206, // checksums agree, contents do not make sense
  LimitExceeded = 207,
  // 300: this machine
  UnsupportedCpu = 300,
  SystemError = 301,
  // 400: memory
  OutOfMemory = 400,
  MemoryLimit = 401,
  // 500: a run
  Cancelled = 500,
  DeadlineExceeded = 501,
  KernelFailed = 502,
  AssertionFailed = 503,
  ArithmeticOverflow = 504,
  IndexOutOfRange = 505,
  Busy = 506,
  // 900: a bug
  Internal = 900,
};

// "WRONG_SHAPE"; "UNKNOWN" for a number that is no code.
const char *codeName(Code code);

// One pointer: null is success, else a record with code and message (one sentence, no full stop, no
// code names). A message that finds no memory becomes a fixed one, so making an error cannot fail.
class [[nodiscard]] Status {
public:
  Status() = default;
  Status(Status &&other) noexcept : record(std::exchange(other.record, nullptr)) {}
  Status &operator=(Status &&other) noexcept {
    if (this != &other) {
      clear();
      record = std::exchange(other.record, nullptr);
    }
    return *this;
  }
  ~Status() { clear(); }

  static Status error(Code code, const char *format, ...) __attribute__((format(printf, 2, 3)));
  static Status outOfMemory(); // allocates nothing

  bool ok() const { return !record; }
  Code code() const { return record ? record->code : Code::Ok; }
  const char *message() const { return record ? record->message : ""; }

  // The same error with "place: " in front.
  Status at(const char *format, ...) &&__attribute__((format(printf, 2, 3)));

private:
  struct Record {
    Code code;
    const char *message;
    bool isStatic;
  };
  explicit Status(Record *record) : record(record) {}
  void clear();
  Record *record = nullptr;
};

// A value or an error.
template <typename T> class [[nodiscard]] Result {
public:
  Result(T value) : payload(std::move(value)) {}
  Result(Status error) : failure(std::move(error)) {}
  bool ok() const { return failure.ok(); }
  Status takeStatus() { return std::move(failure); }
  const Status &status() const { return failure; }
  T &value() { return payload; }
  T &operator*() { return payload; }
  T *operator->() { return &payload; }

private:
  T payload{};
  Status failure;
};

#define TESSERA_TRY(expression)                                                                    \
  do {                                                                                             \
    if (::tessera::rt::Status tesseraTryStatus = (expression); !tesseraTryStatus.ok())             \
      return tesseraTryStatus;                                                                     \
  } while (false)

} // namespace tessera::rt

#endif // TESSERA_RUNTIME_BASE_STATUS_H

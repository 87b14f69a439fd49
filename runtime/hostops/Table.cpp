// What the library exports.
#include "runtime/hostops/Image.h"
#include "runtime/hostops/Text.h"

extern "C" __attribute__((visibility("default"))) const tessera::rt::HostTable *
tessera_host_operators() {
  using namespace tessera;
  static constexpr rt::HostFunction functions[] = {{"image.decode", hostops::imageDecode},
                                                   {"image.extents", hostops::imageExtents},
                                                   {"text.of_floats", hostops::textOfFloats}};
  static constexpr rt::HostTable table{rt::kHostAbi, sizeof(functions) / sizeof(functions[0]),
                                       functions};
  return &table;
}

/* The public header is C89 (with <stdint.h>): this file is compiled with -std=c89 -pedantic-errors. */
#include "runtime/api/tessera.h"

int tessera_test_header_is_c89(void) {
  tessera_context_options options = {0};
  options.size = sizeof(options);
  return tessera_api_version() == TESSERA_API_VERSION && options.threads == 0;
}

// Compiles kernels for the compiler, which starts this program and talks to it through its standard
// input, a socket. It is no tool for people: `tessera-opt` and `tessera-compile` are.
#include "compiler/codegen/driver/Worker.h"

#include <cstdio>
#include <sys/stat.h>
#include <unistd.h>

int main() {
  struct stat input;
  if (::fstat(STDIN_FILENO, &input) != 0 || !S_ISSOCK(input.st_mode)) {
    std::fputs("tessera-kernelc: this program is started by the compiler; run tessera-compile\n",
               stderr);
    return 2;
  }
  return tessera::codegen::serveKernels(STDIN_FILENO);
}

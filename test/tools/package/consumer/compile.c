/* Compiles a model file to a module file. */
#include <stdio.h>
#include <tessera_compiler.h>

int main(int argc, char **argv) {
  tessera_compile_options options = {0};
  tessera_compilation *done;
  FILE *file;
  options.size = sizeof(options);
  done = tessera_compile_file(argc > 1 ? argv[1] : "", &options);
  if (tessera_compilation_code(done) != TESSERA_COMPILE_OK) {
    fputs(tessera_compilation_message(done), stderr);
    return 1;
  }
  file = fopen(argv[2], "wb");
  fwrite(tessera_compilation_bytes(done), 1, tessera_compilation_size(done), file);
  fclose(file);
  printf("%s for %s\n", argv[2], tessera_compilation_target(done, 0));
  tessera_compilation_destroy(done);
  return 0;
}

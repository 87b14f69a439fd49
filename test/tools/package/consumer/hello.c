/* Runs a module with one input of two floats and prints its first output. */
#include <stdio.h>
#include <tessera.h>

int main(int argc, char **argv) {
  float x[8] = {1, 2, 3, 4, 5, 6, 7, 9};
  int64_t dims[2] = {2, 4};
  tessera_module *module = NULL;
  tessera_context *context = NULL;
  tessera_error *error = NULL;
  tessera_tensor in, out;
  tessera_tensor_init(&in, TESSERA_F32, 2, dims, x);
  if (argc < 2 || tessera_module_load_file(argv[1], NULL, &module, &error) ||
      tessera_context_create(module, NULL, &context, &error) ||
      tessera_set_input(context, 0, 0, &in, &error) || tessera_run(context, 0, NULL, &error) ||
      tessera_get_output(context, 0, 0, &out, &error)) {
    fprintf(stderr, "%s\n", tessera_error_message(error));
    return 1;
  }
  printf("y[0][0] = %g, y[1][0] = %g\n", ((float *)out.data)[0], ((float *)out.data)[3]);
  tessera_context_destroy(context);
  tessera_module_destroy(module);
  return 0;
}

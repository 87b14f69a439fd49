//===- Worker.cpp - The process in which kernels are compiled ---------------------------===//
#include "compiler/codegen/driver/Worker.h"

#include "compiler/codegen/CompileKernel.h"
#include "compiler/codegen/driver/Wire.h"
#include "compiler/codegen/loops/Loops.h"

#include "mlir/Parser/Parser.h"

#include <csignal>
#include <cstring>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace mlir;

namespace tessera::codegen {
namespace {

/// A kernel takes a second or a few; one that takes this long will not end.
constexpr rlim_t kMaxSecondsPerKernel = 600;

KernelReply compile(MLIRContext &context, const KernelRequest &request) {
  KernelReply reply;
  std::string &diagnostics = reply.error;
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
    llvm::raw_string_ostream out(diagnostics);
    if (!diagnostics.empty())
      out << "\n";
    out << diagnostic;
    return success();
  });
  OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(request.text, &context);
  if (!module)
    return reply;
  auto kernels = module->getOps<kernel::FuncOp>();
  auto schedules = module->getOps<schedule::FuncOp>();
  if (kernels.empty()) {
    diagnostics = "the request holds no kernel";
    return reply;
  }
  CodeListing listing{request.listing, {}};
  FailureOr<KernelImage> image =
      compileKernel(*kernels.begin(), schedules.empty() ? schedule::FuncOp() : *schedules.begin(),
                    request.target, listing);
  if (failed(image)) {
    if (diagnostics.empty())
      diagnostics = "the code generator gave no reason";
    return reply;
  }
  diagnostics.clear(); // Warnings: the kernel was compiled.
  reply.image = std::move(*image);
  reply.listing = std::move(listing.text);
  return reply;
}

KernelReply failedReply(std::string why) {
  KernelReply reply;
  reply.error = std::move(why);
  return reply;
}

/// Compiles in a child; what it answers comes through a pipe, so half an answer is never passed on.
std::string compileInChild(MLIRContext &context, const KernelRequest &request, int socket) {
  int channel[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, channel) != 0)
    return encode(failedReply(std::string("cannot open a channel: ") + std::strerror(errno)));
  pid_t child = ::fork();
  if (child < 0) {
    ::close(channel[0]);
    ::close(channel[1]);
    return encode(failedReply(std::string("cannot fork: ") + std::strerror(errno)));
  }
  if (child == 0) {
    ::close(channel[0]);
    ::close(socket);
    rlimit seconds{kMaxSecondsPerKernel, kMaxSecondsPerKernel}, none{0, 0};
    ::setrlimit(RLIMIT_CPU, &seconds);
    ::setrlimit(RLIMIT_CORE, &none);
    bool sent = sendMessage(channel[1], encode(compile(context, request)));
    ::_exit(sent ? 0 : 1);
  }
  ::close(channel[1]);
  std::string answer;
  bool whole = receiveMessage(channel[0], answer);
  ::close(channel[0]);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (whole)
    return answer;
  if (WIFSIGNALED(status) && (WTERMSIG(status) == SIGXCPU || WTERMSIG(status) == SIGKILL))
    return encode(failedReply("the code generator was stopped: it took more than " +
                              std::to_string(kMaxSecondsPerKernel) +
                              " seconds or more memory than there is"));
  if (WIFSIGNALED(status))
    return encode(
        failedReply("the code generator crashed with signal " + std::to_string(WTERMSIG(status))));
  return encode(failedReply("the code generator ended without an answer"));
}

} // namespace

int serveKernels(int socket) {
  MLIRContext context(MLIRContext::Threading::DISABLED);
  DialectRegistry registry;
  loops::registerDialects(registry);
  context.appendDialectRegistry(registry);
  context.loadDialect<kernel::KernelDialect, schedule::ScheduleDialect>();
  context.loadAllAvailableDialects();
  std::string message;
  while (receiveMessage(socket, message)) {
    std::optional<KernelRequest> request = decodeRequest(message);
    std::string answer = request
                             ? compileInChild(context, *request, socket)
                             : encode(failedReply("the request to the code generator is damaged"));
    if (!sendMessage(socket, answer))
      return 1;
  }
  return 0;
}

} // namespace tessera::codegen

//===- KernelCompiler.cpp - Compiles many kernels ---------------------------------------===//
#include "compiler/codegen/driver/KernelCompiler.h"

#include "dialects/kernel/Sums.h"
#include "runtime/base/Hash.h"

#include "mlir/IR/BuiltinOps.h"

#include "llvm/ADT/StringMap.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"

#include <atomic>
#include <chrono>
#include <cstring>
#include <dlfcn.h>
#include <mutex>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

extern char **environ;

using namespace mlir;

namespace tessera::codegen {
namespace {

KernelReply failedReply(const std::string &why) {
  KernelReply reply;
  reply.error = why;
  return reply;
}

/// One worker process; started when first needed, and again after it died.
class WorkerProcess {
public:
  explicit WorkerProcess(const std::string &program) : program(program) {}
  ~WorkerProcess() { stop(); }

  KernelReply ask(const KernelRequest &request) {
    std::string answer;
    if (std::string error = start(); !error.empty())
      return failedReply(error);
    if (!sendMessage(socket, encode(request)) || !receiveMessage(socket, answer)) {
      stop();
      return failedReply("the code generator's process ended (" + program + ")");
    }
    std::optional<KernelReply> reply = decodeReply(answer);
    return reply ? std::move(*reply) : failedReply("the code generator's answer is damaged");
  }

private:
  std::string start() {
    if (process > 0)
      return {};
    int channel[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, channel) != 0)
      return std::string("cannot open a channel to the code generator: ") + std::strerror(errno);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, channel[1], STDIN_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
    char *arguments[] = {const_cast<char *>(program.c_str()), nullptr};
    int status = ::posix_spawn(&process, program.c_str(), &actions, nullptr, arguments, environ);
    ::posix_spawn_file_actions_destroy(&actions);
    ::close(channel[1]);
    if (status != 0) {
      ::close(channel[0]);
      process = -1;
      return "cannot start the code generator " + program + ": " + std::strerror(status);
    }
    socket = channel[0];
    return {};
  }

  void stop() {
    if (process <= 0)
      return;
    ::close(socket); // The worker ends when nobody can ask it any more.
    while (::waitpid(process, nullptr, 0) < 0 && errno == EINTR) {
    }
    process = -1;
  }

  const std::string &program;
  pid_t process = -1;
  int socket = -1;
};

std::string hashOfFile(const std::string &path) {
  auto file = llvm::MemoryBuffer::getFile(path, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!file)
    return {};
  return llvm::utohexstr(rt::hashBytes((*file)->getBufferStart(), (*file)->getBufferSize()));
}

} // namespace

KernelCompiler::KernelCompiler(KernelCompilerOptions given)
    : options(std::move(given)), cache(options.cacheFolder) {
  if (options.jobs == 0)
    options.jobs = std::max(1u, std::thread::hardware_concurrency());
  if (options.worker.empty())
    options.worker = defaultWorker();
  generatorVersion = hashOfFile(options.worker);
}

std::string KernelCompiler::defaultWorker() {
  if (const char *given = std::getenv("TESSERA_KERNELC"))
    return given;
  static const char here = 0;
  Dl_info self;
  if (!::dladdr(&here, &self) || !self.dli_fname)
    return {};
  llvm::SmallString<256> real;
  if (llvm::sys::fs::real_path(self.dli_fname, real))
    real = llvm::sys::fs::getMainExecutable(nullptr, nullptr);
  StringRef folder = llvm::sys::path::parent_path(real);
  for (StringRef relative : {"tessera-kernelc", "../bin/tessera-kernelc", "bin/tessera-kernelc"}) {
    llvm::SmallString<256> candidate(folder);
    llvm::sys::path::append(candidate, relative);
    if (llvm::sys::fs::can_execute(candidate))
      return candidate.str().str();
  }
  return {};
}

KernelRequest KernelCompiler::makeRequest(kernel::FuncOp kernel, schedule::FuncOp schedule,
                                          const CodeTarget &target) {
  OpBuilder builder(kernel.getContext());
  OwningOpRef<ModuleOp> module = ModuleOp::create(builder.getUnknownLoc());
  builder.setInsertionPointToEnd(module->getBody());
  auto copy = cast<kernel::FuncOp>(builder.clone(*kernel));
  copy.setSymName("kernel");
  copy->removeAttr(kernel::KernelDialect::kSourcesAttr);
  copy->removeAttr(kernel::kAskedSumsAttr);
  if (schedule) {
    auto directives = cast<schedule::FuncOp>(builder.clone(*schedule));
    directives.setSymName("schedule");
    directives.setKernel("kernel");
  }
  KernelRequest request;
  request.target = target;
  llvm::raw_string_ostream out(request.text);
  module->print(out, OpPrintingFlags().useLocalScope());
  return request;
}

std::string KernelCompiler::keyOf(const KernelRequest &request) const {
  return generatorVersion + encode(request);
}

std::vector<CompiledKernel> KernelCompiler::compile(ArrayRef<KernelRequest> requests,
                                                    llvm::function_ref<void(size_t)> progress) {
  std::vector<CompiledKernel> results(requests.size());
  if (options.worker.empty() || generatorVersion.empty()) {
    std::string why = options.worker.empty()
                          ? "the program tessera-kernelc was not found beside the compiler; set "
                            "TESSERA_KERNELC to its path"
                          : "the code generator " + options.worker + " cannot be read";
    for (CompiledKernel &result : results)
      result.reply = failedReply(why);
    return results;
  }

  // Equal requests have one leader that is compiled.
  llvm::StringMap<size_t> leaderOf;
  std::vector<size_t> leaders, leader(requests.size());
  for (size_t i = 0; i < requests.size(); ++i) {
    auto [entry, isNew] = leaderOf.try_emplace(encode(requests[i]), i);
    leader[i] = entry->second;
    if (isNew)
      leaders.push_back(i);
  }

  std::atomic<size_t> next = 0;
  std::mutex reporting;
  size_t done = 0;
  auto work = [&] {
    WorkerProcess worker(options.worker);
    for (size_t i; (i = next.fetch_add(1)) < leaders.size();) {
      CompiledKernel &result = results[leaders[i]];
      auto start = std::chrono::steady_clock::now();
      std::string key = keyOf(requests[leaders[i]]);
      std::optional<std::string> known = cache.find(key);
      std::optional<KernelReply> cached = known ? decodeReply(*known) : std::nullopt;
      if (cached) {
        result.reply = std::move(*cached);
        result.fromCache = true;
      } else {
        result.reply = worker.ask(requests[leaders[i]]);
        if (result.reply.error.empty())
          cache.store(key, encode(result.reply));
      }
      result.seconds =
          std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      std::lock_guard lock(reporting);
      if (progress)
        progress(++done);
    }
  };
  std::vector<std::thread> threads;
  for (size_t i = 1; i < std::min<size_t>(options.jobs, leaders.size()); ++i)
    threads.emplace_back(work);
  work();
  for (std::thread &thread : threads)
    thread.join();

  for (size_t i = 0; i < requests.size(); ++i)
    if (leader[i] != i)
      results[i] = results[leader[i]];
  return results;
}

} // namespace tessera::codegen

//===- Report.cpp - What a compilation decided, as JSON ---------------------------------------===//
#include "compiler/api/Report.h"

#include "compiler/conversion/graph_to_kernel/LaunchCost.h"
#include "dialects/graph/Graph.h"
#include "dialects/schedule/Schedule.h"

#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace tessera;
namespace json = llvm::json;

/// Text that JSON can hold, whatever a model calls its nodes.
static std::string clean(StringRef text) {
  return json::isUTF8(text) ? text.str() : json::fixUTF8(text);
}

/// The nodes of the model that a place stands for; of a text, the lines.
static void collectPlaces(Location loc, llvm::SetVector<StringAttr> &places) {
  if (auto name = llvm::dyn_cast<NameLoc>(loc))
    places.insert(name.getName());
  else if (auto fused = llvm::dyn_cast<FusedLoc>(loc))
    for (Location part : fused.getLocations())
      collectPlaces(part, places);
  else if (auto file = llvm::dyn_cast<FileLineColLoc>(loc))
    places.insert(StringAttr::get(loc.getContext(), "line " + llvm::Twine(file.getLine())));
}

static json::Array placesOf(Location loc) {
  llvm::SetVector<StringAttr> places;
  collectPlaces(loc, places);
  json::Array list;
  for (StringAttr place : places)
    list.push_back(clean(place));
  return list;
}

static std::string print(Type type) {
  auto tensor = llvm::dyn_cast<graph::TensorType>(type);
  std::string text;
  llvm::raw_string_ostream out(text);
  if (!tensor) {
    out << type;
    return clean(text);
  }
  out << tensor.getElementType() << "[";
  llvm::interleaveComma(tensor.getDims(), out, [&](graph::DimAttr dim) { out << dim.str(); });
  out << "]";
  return clean(text);
}

static std::string print(Operation *op) {
  std::string text;
  llvm::raw_string_ostream out(text);
  op->print(out);
  return clean(text);
}

void Report::addDecision(const Diagnostic &remark) {
  std::string text;
  llvm::raw_string_ostream out(text);
  out << remark;
  json::Array places = placesOf(remark.getLocation());
  decisions.push_back(json::Object{{"place", places.empty() ? json::Value("") : places.front()},
                                   {"text", clean(text)}});
}

namespace {
/// The ops of one function, numbered; also those of branches and loops, which name their parent.
class Nodes {
public:
  json::Array run(graph::FuncOp function) {
    Block &body = function.getBody().front();
    for (auto [number, argument] : llvm::enumerate(body.getArguments())) {
      StringRef name = function.getArgName(number);
      add(json::Object{{"op", "input"},
                       {"name", !name.empty() ? clean(name) : "input " + std::to_string(number)},
                       {"types", json::Array{print(argument.getType())}}},
          argument);
    }
    addBlock(body, -1);
    return std::move(list);
  }

private:
  int64_t add(json::Object node, ValueRange results) {
    int64_t number = int64_t(list.size());
    for (Value result : results)
      numbers[result] = number;
    list.push_back(std::move(node));
    return number;
  }

  void addBlock(Block &block, int64_t parent) {
    for (Operation &op : block) {
      json::Object node{{"op", op.getName().stripDialect()}, {"sources", placesOf(op.getLoc())}};
      json::Array inputs, types;
      for (Value operand : op.getOperands())
        if (auto found = numbers.find(operand); found != numbers.end())
          inputs.push_back(found->second);
      for (Type type : op.getResultTypes())
        types.push_back(print(type));
      node["inputs"] = std::move(inputs);
      node["types"] = std::move(types);
      if (parent >= 0)
        node["parent"] = parent;
      if (auto launch = llvm::dyn_cast<kernel::LaunchOp>(op)) {
        node["kernel"] = launch.getKernel();
        for (StringRef cost :
             {StringRef(kOperationsAttr), StringRef(kBytesAttr), StringRef(kSavedAttr)})
          if (auto dim = op.getAttrOfType<graph::DimAttr>(cost))
            node[cost == kSavedAttr ? "saved" : cost] = clean(dim.str());
      }
      int64_t number = add(std::move(node), op.getResults());
      for (Region &region : op.getRegions())
        for (Block &inner : region) {
          for (Value argument : inner.getArguments())
            numbers[argument] = number;
          addBlock(inner, number);
        }
    }
  }

  DenseMap<Value, int64_t> numbers;
  json::Array list;
};
} // namespace

void Report::addFunctions(StringRef device, ModuleOp module) {
  for (auto function : module.getOps<graph::FuncOp>()) {
    json::Array symbols;
    if (DictionaryAttr ranges = function.getDimsAttr())
      for (NamedAttribute entry : ranges)
        symbols.push_back(clean(entry.getName()));
    functions.push_back(json::Object{{"device", device},
                                     {"name", clean(function.getSymName())},
                                     {"symbols", std::move(symbols)},
                                     {"nodes", Nodes().run(function)}});
  }
}

void Report::addVariant(StringRef target, ModuleOp module, const scheduling::Tuning &tuning) {
  json::Array kernels;
  llvm::StringMap<schedule::FuncOp> schedules;
  for (auto schedule : module.getOps<schedule::FuncOp>())
    schedules[schedule.getKernel()] = schedule;
  for (auto kernel : module.getOps<kernel::FuncOp>()) {
    json::Object entry{{"name", kernel.getSymName()}, {"ir", print(kernel)}};
    if (schedule::FuncOp schedule = schedules.lookup(kernel.getSymName()))
      entry["schedule"] = print(schedule);
    if (auto tuned = tuning.kernels.find(kernel.getSymName().str());
        tuned != tuning.kernels.end()) {
      json::Array choices;
      for (const scheduling::Choices::Choice &choice : tuned->second.choices)
        choices.push_back(json::Object{{"name", choice.name},
                                       {"value", choice.value},
                                       {"candidates", json::Array(choice.candidates)}});
      entry["hash"] = tuned->second.hash;
      entry["choices"] = std::move(choices);
    }
    kernels.push_back(std::move(entry));
  }
  variants.push_back(json::Object{{"target", target}, {"kernels", std::move(kernels)}});
}

json::Object *Report::find(StringRef target, StringRef kernel) {
  for (json::Value &variant : variants)
    if (variant.getAsObject()->getString("target") == target)
      for (json::Value &entry : *variant.getAsObject()->getArray("kernels"))
        if (entry.getAsObject()->getString("name") == kernel)
          return entry.getAsObject();
  return nullptr;
}

void Report::addLoops(StringRef target, StringRef kernel, StringRef text) {
  if (json::Object *entry = find(target, kernel))
    (*entry)["loops"] = clean(text);
}

void Report::addPredictions(StringRef target, ArrayRef<PredictedKernel> kernels) {
  for (const PredictedKernel &kernel : kernels)
    if (json::Object *entry = find(target, kernel.name))
      (*entry)["predicted"] = kernel.whyNot.empty()
                                  ? json::Object{{"seconds", kernel.mean.seconds},
                                                 {"roof_seconds", kernel.mean.roofSeconds},
                                                 {"bound", kernel.mean.bound},
                                                 {"reason", clean(kernel.mean.reason)}}
                                  : json::Object{{"why_not", clean(kernel.whyNot)}};
}

std::string Report::json() const {
  std::string text;
  llvm::raw_string_ostream out(text);
  out << json::Value(json::Object{{"schema", 1},
                                  {"decisions", json::Array(decisions)},
                                  {"functions", json::Array(functions)},
                                  {"variants", json::Array(variants)}});
  return text;
}

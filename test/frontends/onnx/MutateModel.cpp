// Changes models as models: bytes that are changed at random rarely are one still, and never have
// an operator that they did not have. A quarter of the mutations is libFuzzer's own, of bytes.
#include "frontends/onnx/Operators.h"
#include "frontends/onnx/onnx-ml.pb.h"

#include <cstring>
#include <limits>
#include <map>
#include <random>

extern "C" size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t maxSize);

using namespace onnx;

namespace {
class Mutation {
public:
  Mutation(ModelProto &model, unsigned seed) : model(model), random(seed) {}
  void run();

private:
  size_t below(size_t count) { return count ? random() % count : 0; }
  template <typename List> auto *any(List *list) {
    return list->empty() ? nullptr : list->Mutable(int(below(list->size())));
  }
  int64_t number();
  std::string nameIn(const GraphProto &graph);
  void changeAttribute(NodeProto &node);
  void changeTensor(TensorProto &tensor);
  void changeShape(ValueInfoProto &value);
  void changeGraph(GraphProto &graph);

  ModelProto &model;
  std::minstd_rand random;
};
} // namespace

/// Small ones mostly, and those at which counting goes wrong.
int64_t Mutation::number() {
  constexpr int64_t kOdd[] = {-1,
                              -2,
                              1 << 16,
                              std::numeric_limits<int32_t>::max(),
                              int64_t(1) << 32,
                              int64_t(1) << 61,
                              std::numeric_limits<int64_t>::max(),
                              std::numeric_limits<int64_t>::min()};
  return below(3) ? int64_t(below(5)) : kOdd[below(std::size(kOdd))];
}

std::string Mutation::nameIn(const GraphProto &graph) {
  std::vector<std::string> names = {""};
  for (const ValueInfoProto &input : graph.input())
    names.push_back(input.name());
  for (const TensorProto &tensor : graph.initializer())
    names.push_back(tensor.name());
  for (const NodeProto &node : graph.node())
    names.insert(names.end(), node.output().begin(), node.output().end());
  return names[below(names.size())];
}

void Mutation::changeAttribute(NodeProto &node) {
  static const char *const kNames[] = {
      "axis",        "axes",           "perm",      "keepdims",     "to",        "alpha",
      "mode",        "pads",           "strides",   "kernel_shape", "dilations", "group",
      "value",       "num_outputs",    "equation",  "transA",       "transB",    "blocksize",
      "hidden_size", "direction",      "ceil_mode", "epsilon",      "largest",   "exclusive",
      "num_heads",   "kv_num_heads",   "auto_pad",  "start",        "end",       "shape",
      "dtype",       "output_padding", "beta",      "batch_dims",   "max",       "min"};
  AttributeProto *attribute = below(3) ? any(node.mutable_attribute()) : nullptr;
  if (!attribute) {
    attribute = node.add_attribute();
    attribute->set_name(kNames[below(std::size(kNames))]);
    constexpr AttributeProto::AttributeType kTypes[] = {
        AttributeProto::INT, AttributeProto::INTS, AttributeProto::FLOAT, AttributeProto::STRING};
    attribute->set_type(kTypes[below(std::size(kTypes))]);
  }
  switch (attribute->type()) {
  case AttributeProto::INT: attribute->set_i(number()); break;
  case AttributeProto::FLOAT: attribute->set_f(float(number()) / 2); break;
  case AttributeProto::INTS:
    if (attribute->ints_size() && below(2))
      attribute->set_ints(int(below(attribute->ints_size())), number());
    else if (attribute->ints_size() && below(3) == 0)
      attribute->mutable_ints()->RemoveLast();
    else
      attribute->add_ints(number());
    break;
  case AttributeProto::STRING: {
    constexpr const char *kTexts[] = {
        "",          "SAME_UPPER",  "VALID",   "reverse", "linear", "cubic", "bidirectional",
        "ij,jk->ik", "...a,a->...", "reflect", "nearest"};
    attribute->set_s(kTexts[below(std::size(kTexts))]);
    break;
  }
  case AttributeProto::TENSOR: changeTensor(*attribute->mutable_t()); break;
  case AttributeProto::GRAPH: changeGraph(*attribute->mutable_g()); break;
  default: break;
  }
}

void Mutation::changeTensor(TensorProto &tensor) {
  switch (below(5)) {
  case 0: tensor.set_data_type(int(below(28))); break;
  case 1: tensor.add_dims(number()); break;
  case 2:
    if (tensor.dims_size())
      tensor.set_dims(int(below(tensor.dims_size())), number());
    break;
  case 3:
    if (tensor.dims_size())
      tensor.mutable_dims()->RemoveLast();
    break;
  default: {
    std::string &bytes = *tensor.mutable_raw_data();
    if (bytes.size() >= 8) {
      int64_t value = number();
      memcpy(bytes.data() + below(bytes.size() / 8) * 8, &value, 8);
    }
  }
  }
  // Bytes that fit, so that what reads them is reached.
  int64_t count = 1;
  for (int64_t dim : tensor.dims())
    count = dim >= 0 && dim <= 64 && count <= 4096 ? count * dim : -1;
  if (count >= 0 && below(4))
    tensor.mutable_raw_data()->resize(size_t(count) * 8 >> below(4));
}

void Mutation::changeShape(ValueInfoProto &value) {
  TypeProto_Tensor *tensor = value.mutable_type()->mutable_tensor_type();
  if (!below(3))
    return tensor->set_elem_type(int(below(28)));
  TensorShapeProto *shape = tensor->mutable_shape();
  TensorShapeProto_Dimension *dim = below(3) ? any(shape->mutable_dim()) : nullptr;
  if (!dim)
    dim = shape->add_dim();
  if (below(2))
    dim->set_dim_value(number());
  else
    dim->set_dim_param(std::string(1, char('A' + below(3))));
}

void Mutation::changeGraph(GraphProto &graph) {
  NodeProto *node = any(graph.mutable_node());
  switch (below(10)) {
  case 0:
  case 1:
    if (node) {
      static constexpr const char *kDomains[] = {"", "", "", "ai.onnx.ml", "com.microsoft"};
      node->set_domain(kDomains[below(std::size(kDomains))]);
      static const auto kOperators = [] {
        std::map<std::string, std::vector<llvm::StringRef>> all;
        for (const char *domain : kDomains)
          all[domain] = tessera::onnx::operatorsOf(domain);
        return all;
      }();
      const auto &names = kOperators.at(node->domain());
      node->set_op_type(names[below(names.size())].str());
    }
    break;
  case 2:
    if (node && node->input_size())
      node->set_input(int(below(node->input_size())), nameIn(graph));
    break;
  case 3:
    if (node)
      node->add_input(nameIn(graph));
    break;
  case 4:
    if (node && node->input_size())
      node->mutable_input()->RemoveLast();
    else if (node)
      node->add_output(node->name() + std::to_string(below(10)));
    break;
  case 5:
    if (TensorProto *tensor = any(graph.mutable_initializer()))
      changeTensor(*tensor);
    break;
  case 6:
    if (ValueInfoProto *input = any(graph.mutable_input()))
      changeShape(*input);
    break;
  case 7:
    if (node) {
      NodeProto copy = *node;
      copy.clear_output();
      copy.add_output("n" + std::to_string(below(100)));
      *graph.add_node() = copy;
      if (ValueInfoProto *output = any(graph.mutable_output()))
        output->set_name(copy.output(0));
    }
    break;
  default:
    if (node)
      changeAttribute(*node);
  }
}

void Mutation::run() {
  for (size_t times = 1 + below(4); times; --times) {
    if (!below(12) && model.opset_import_size())
      model.mutable_opset_import(0)->set_version(int64_t(1 + below(28)));
    else if (!below(12) && model.functions_size())
      any(model.mutable_functions())->add_input(nameIn(model.graph()));
    else
      changeGraph(*model.mutable_graph());
  }
}

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t maxSize,
                                          unsigned seed) {
  ModelProto model;
  if (seed % 4 == 0 || !model.ParseFromArray(data, int(size)))
    return LLVMFuzzerMutate(data, size, maxSize);
  Mutation(model, seed / 4 + 1).run();
  size_t bytes = model.ByteSizeLong();
  if (bytes > maxSize)
    return LLVMFuzzerMutate(data, size, maxSize);
  model.SerializeWithCachedSizesToArray(data);
  return bytes;
}

"""Names of onnxruntime that stand for what Tessera does not have: they can be imported, and say so when they are used."""

from .capi.onnxruntime_pybind11_state import NotImplemented as Unsupported
from .capi.onnxruntime_pybind11_state import raised


def refuse(name, reason):
    raise raised(Unsupported, "UNSUPPORTED", f"{name}: {reason}")


def _class(name, reason, methods=()):
    """A class whose constructor, and whose functions that need no object, are refused."""
    def refused(*args, **kwargs):
        refuse(name, reason)
    return type(name, (), {"__init__": refused, "__doc__": f"Refused: {reason}.", "__module__": __name__,
                           **{method: staticmethod(refused) for method in methods}})


_ADAPTERS = "adapters (LoRA) are not supported; merge their weights into the model"
_PACKAGES = "packages of models for several devices are not supported; a module of tessera-compile holds several targets"
_CONTEXT = "there are no other providers whose compiled parts a model could hold; ModelCompiler makes modules of Tessera"
_SPARSE = "sparse tensors are inputs of no model here; pass the dense tensor (constants of a model may be sparse)"

AdapterFormat = _class("AdapterFormat", _ADAPTERS, (
    "read_adapter", "export_adapter", "get_adapter_version", "get_format_version", "get_model_version", "get_parameters",
    "set_adapter_version", "set_model_version", "set_parameters"))
LoraAdapter = _class("LoraAdapter", _ADAPTERS, ("Load",))
ModelPackage = _class("ModelPackage", _PACKAGES, (
    "add_shared_asset", "close", "commit", "compute_directory_hash", "get_component_json", "get_info", "get_variant_json", "open", "prune",
    "remove_component", "remove_shared_asset", "remove_variant", "remove_variant_executor_info", "resolve_asset_uri", "resolve_string_ref",
    "set_additional_metadata_json", "set_component_external", "set_component_inline", "set_layout", "set_metadata", "set_variant",
    "set_variant_executor_info_external", "set_variant_executor_info_inline"))
ModelPackageComponentContext = _class("ModelPackageComponentContext", _PACKAGES, (
    "create_session", "get_selected_variant_folder_path", "get_selected_variant_name"))
ModelPackageContext = _class("ModelPackageContext", _PACKAGES, (
    "get_component_count", "get_component_names", "get_schema_version", "get_variant_count", "get_variant_ep_name", "get_variant_names",
    "resolve_string_ref", "select_component"))
ModelPackageOptions = _class("ModelPackageOptions", _PACKAGES)
OrtEpAssignedNode = _class("OrtEpAssignedNode", _CONTEXT, ("domain", "name", "op_type"))
OrtEpAssignedSubgraph = _class("OrtEpAssignedSubgraph", _CONTEXT, ("ep_name", "get_nodes"))
OrtEpContextData = _class("OrtEpContextData", _CONTEXT, ("read", "size"))
OrtEpContextDataBuffer = _class("OrtEpContextDataBuffer", _CONTEXT, ("allocate", "is_allocated", "max_size", "size", "write"))
OrtExternalInitializerInfo = _class("OrtExternalInitializerInfo", "weights are taken from the model's own files", (
    "byte_size", "file_offset", "filepath"))
SparseTensor = _class("SparseTensor", _SPARSE, (
    "as_blocksparse_view", "as_coo_view", "as_csrc_view", "data_type", "dense_shape", "device_name", "format", "sparse_coo_from_numpy",
    "sparse_csr_from_numpy", "to_cuda", "values"))


def sparse(name):
    refuse(name, _SPARSE)


def register_execution_provider_library(registration_name, library_path):
    refuse("register_execution_provider_library", "machine code for onnxruntime cannot run here")


def unregister_execution_provider_library(registration_name):
    refuse("unregister_execution_provider_library", f"no library was registered as '{registration_name}'")

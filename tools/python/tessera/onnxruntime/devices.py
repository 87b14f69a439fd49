"""What names memory and devices: there is one, the CPU. Enumerations have onnxruntime's numbers."""

import enum

from .capi.onnxruntime_pybind11_state import InvalidArgument, raised


class OrtAllocatorType(enum.IntEnum):
    INVALID = -1
    ORT_DEVICE_ALLOCATOR = 0
    ORT_ARENA_ALLOCATOR = 1


class OrtMemType(enum.IntEnum):
    CPU_INPUT = -2
    CPU_OUTPUT = -1
    CPU = -1
    DEFAULT = 0


class OrtDeviceMemoryType(enum.IntEnum):
    DEFAULT = 0
    HOST_ACCESSIBLE = 5


class OrtMemoryInfoDeviceType(enum.IntEnum):
    CPU = 0
    GPU = 1
    FPGA = 2
    NPU = 3


class OrtHardwareDeviceType(enum.IntEnum):
    CPU = 0
    GPU = 1
    NPU = 2


class OrtDeviceVendorId(enum.IntEnum):
    NONE = 0
    AMD = 0x1002
    NVIDIA = 0x10DE
    ARM = 0x13B5
    MICROSOFT = 0x1414
    HUAWEI = 0x19E5
    QUALCOMM = 0x5143
    INTEL = 0x8086


class OrtExecutionProviderDevicePolicy(enum.IntEnum):
    DEFAULT = 0
    PREFER_CPU = 1
    PREFER_NPU = 2
    PREFER_GPU = 3
    MAX_PERFORMANCE = 4
    MAX_EFFICIENCY = 5
    MIN_OVERALL_POWER = 6


class OrtSparseFormat(enum.IntEnum):
    ORT_SPARSE_UNDEFINED = 0
    ORT_SPARSE_COO = 1
    ORT_SPARSE_CSRC = 2
    ORT_SPARSE_BLOCK_SPARSE = 4


def check_device(device):
    if device.lower() != "cpu":
        raise raised(InvalidArgument, "INVALID_ARGUMENT", f"device '{device}': expected 'cpu'")


class OrtDevice:
    """Where memory is; `make("cpu", 0)` makes the only one."""

    def __init__(self, c_ort_device=None):
        if c_ort_device is not None and not isinstance(c_ort_device, OrtDevice):
            raise ValueError(f"c_ort_device: expected an OrtDevice, found {type(c_ort_device).__name__}")

    def _get_c_device(self):
        return self

    @staticmethod
    def make(ort_device_name, device_id, vendor_id=-1):
        check_device(ort_device_name)
        return OrtDevice()

    def device_id(self):
        return 0

    def device_mem_type(self):
        return 0

    def device_type(self):
        return 0

    def device_vendor_id(self):
        return 0


class OrtMemoryInfo:
    """A kind of memory, as its maker describes it."""

    def __init__(self, name, allocator_type, device_id, mem_type):
        self.name, self.allocator_type, self.device_id, self.mem_type = name, allocator_type, device_id, mem_type
        self.device_mem_type, self.device_vendor_id = OrtDeviceMemoryType.DEFAULT, 0

    @staticmethod
    def create_v2(name, device_type, vendor_id, device_id, mem_type, alignment, allocator_type):
        made = OrtMemoryInfo(name, allocator_type, device_id, OrtMemType.DEFAULT)
        made.device_mem_type, made.device_vendor_id = mem_type, vendor_id
        return made


def cpu_memory():
    return OrtMemoryInfo("Cpu", OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, OrtMemType.DEFAULT)


class OrtArenaCfg:
    """Kept, and without effect: four numbers, or a dict of them."""

    _NAMES = ("max_mem", "arena_extend_strategy", "initial_chunk_size_bytes", "max_dead_bytes_per_chunk",
              "initial_growth_chunk_size_bytes", "max_power_of_two_extend_bytes")

    def __init__(self, *given):
        values = dict.fromkeys(self._NAMES, -1) | {"max_mem": 0}
        if len(given) == 1 and isinstance(given[0], dict):
            unknown = set(given[0]) - set(values)
            if unknown:
                raise ValueError(f"Invalid OrtArenaCfg option: {', '.join(sorted(unknown))}; expected some of {', '.join(values)}")
            values |= given[0]
        elif len(given) == 4:
            values |= dict(zip(self._NAMES, given))
        else:
            raise TypeError(f"OrtArenaCfg takes 4 numbers or a dict, found {len(given)} arguments")
        self.__dict__.update(values)


class OrtHardwareDevice:
    """The CPU."""

    type, vendor, vendor_id, device_id, metadata = OrtHardwareDeviceType.CPU, "", 0, 0, {}


class OrtEpDevice:
    """The provider of the CPU, on the CPU."""

    ep_name, ep_vendor, ep_metadata, ep_options, device = "CPUExecutionProvider", "Tessera", {}, {}, OrtHardwareDevice()

    def memory_info(self, memory_type):
        return cpu_memory() if memory_type == OrtDeviceMemoryType.DEFAULT else None

    def create_sync_stream(self):
        return OrtSyncStream()


class OrtSyncStream:
    """Nothing is ever under way."""

    def get_handle(self):
        return 0

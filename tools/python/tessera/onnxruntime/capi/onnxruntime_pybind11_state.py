"""Exceptions with onnxruntime's names. Each is a `tessera.Error`, whose `code` says more."""

from tessera import Error


class Fail(Error):
    """Anything that no other class names."""


class InvalidArgument(Error):
    """A name, type, rank, extent or option that does not fit."""


class NoSuchFile(Error):
    """A file that cannot be read."""


class InvalidProtobuf(Error):
    """Bytes that are no model."""


class InvalidGraph(Error):
    """A model that is not sound."""


class NotImplemented(Error):  # noqa: A001 - the name is onnxruntime's
    """An operator or an option that is not supported."""


class RuntimeException(Error):
    """A run that failed."""


class ModelLoadCanceled(Error):
    """A session that was not made because the program said so."""


class NotFound(Error):
    """Of onnxruntime; never raised here, as the next ones are not."""


class NoModel(Error):
    """A session without a model."""


class ModelLoaded(Error):
    """A session that has a model already."""


class ModelRequiresCompilation(Error):
    """A model for another provider's compiler."""


class EPFail(Error):
    """A provider that failed."""


class EngineError(Error):
    """An engine that failed."""


class DeviceReset(Error):
    """A device that was lost."""


_BY_CODE = {
    "FILE_ERROR": NoSuchFile, "NOT_A_MODEL": InvalidProtobuf, "INVALID_MODEL": InvalidGraph,
    "UNSUPPORTED": NotImplemented, "CODEGEN_FAILED": Fail, "INTERNAL": Fail,
    "CANCELLED": Fail, "DEADLINE_EXCEEDED": Fail,
    **dict.fromkeys(("INVALID_OPTION", "INVALID_ARGUMENT", "UNKNOWN_NAME", "WRONG_COUNT", "WRONG_TYPE", "WRONG_RANK",
                     "WRONG_SHAPE", "BAD_MEMORY", "TOO_LARGE"), InvalidArgument),
}


def translated(error):
    """A `tessera.Error` as the class that onnxruntime would raise."""
    return raised(_BY_CODE.get(error.code, RuntimeException), error.code, str(error))


def raised(kind, code, message):
    made = kind(message)
    made.code = code
    return made

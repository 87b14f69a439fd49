"""What Tessera is measured beside."""

import onnxruntime


def onnxruntime_session(model, threads):
    """A session for a file or a model's bytes. Its threads spin while it runs, as they would, but not on while others do: they would
    keep from those a processor that they count on."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.force_spinning_stop", "1")
    return onnxruntime.InferenceSession(model if isinstance(model, bytes) else str(model), options, providers=["CPUExecutionProvider"])

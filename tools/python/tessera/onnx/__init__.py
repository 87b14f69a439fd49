"""What ties Tessera to the `onnx` package; `tessera.onnx.backend` needs it installed."""

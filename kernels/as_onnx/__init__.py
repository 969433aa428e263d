"""Programs as ONNX graphs of float32."""

from kernels.as_onnx.graph import write

__all__ = ["write"]

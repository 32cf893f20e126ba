"""Models outside of Python: export to ONNX, and tracking with ONNX Runtime."""

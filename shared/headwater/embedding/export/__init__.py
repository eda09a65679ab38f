"""Build the ONNX models from published weights."""

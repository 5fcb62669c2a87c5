"""POLAR on model servers that others run: vLLM, SGLang, lmdeploy."""

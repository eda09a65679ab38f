"""Chat models: LangChain's, and the built-in extractive one."""

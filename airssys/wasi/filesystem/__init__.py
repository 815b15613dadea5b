"""Let guests use files as WASI has them: ``wasi:filesystem``."""

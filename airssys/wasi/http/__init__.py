"""Let guests speak HTTP: ``wasi:http``, out over the host's dial and in as ASGI."""

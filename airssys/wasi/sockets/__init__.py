"""Give guests sockets as POSIX knows them: ``wasi:sockets``, over `host.network`."""

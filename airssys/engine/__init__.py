"""Everything that knows wasmtime: components, instances, calls and their values."""

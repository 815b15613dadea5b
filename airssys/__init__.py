"""airssys runs WebAssembly components under supervision inside async programs."""

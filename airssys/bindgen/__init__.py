"""Typed bindings: write a module for a world, and tie its classes to a component."""

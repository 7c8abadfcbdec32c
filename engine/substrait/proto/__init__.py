"""Substrait's messages, generated from the `.proto` files beside this module by `make proto`.

They live in a descriptor pool of their own: the `substrait` package that a producer in the same process brings may be
of another version, and in the process's pool a message has one version.
"""

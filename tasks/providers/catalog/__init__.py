"""One module per provider, called like the provider, that defines ``SPEC``; the registry finds it by its name."""

"""The wire formats the sandbox speaks, one module per provider."""

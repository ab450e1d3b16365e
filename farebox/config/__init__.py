"""Configuration: farebox.toml, the environment, credentials, guards and content capture."""

"""`farebox doctor`: checks of the installation and of its economics."""

"""How the sandbox composes answers from the text it is given."""

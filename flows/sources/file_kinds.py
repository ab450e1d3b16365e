"""Which files are written for people, which for machines, and which are nobody's business."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Literal, TypeAlias

FileKind: TypeAlias = Literal["prose", "pdf", "code", "binary", "secret", "other"]

LEFT_OUT = frozenset({"node_modules", "__pycache__", "venv", "site-packages", "build", "dist", "target"})
"""Folders of dependencies and of what programs built; hidden ones are left out besides."""

HTML = frozenset({".htm", ".html", ".xhtml"})
"""Suffixes of web pages."""
PDF = ".pdf"
"""Suffix of documents whose text is read."""
PROSE = frozenset(
    {
        ".adoc", ".asciidoc", ".htm", ".html", ".markdown", ".md", ".mdx", ".org", ".rst", ".text", ".textile",
        ".txt", ".xhtml",
    }
)  # fmt: skip
"""Suffixes of text for people."""
BINARY = frozenset(
    {
        ".7z", ".a", ".avi", ".bin", ".bmp", ".bz2", ".class", ".db", ".dll", ".dmg", ".doc", ".docx", ".duckdb",
        ".dylib", ".eot", ".exe", ".gif", ".gz", ".heic", ".ico", ".jar", ".jpeg", ".jpg", ".mkv", ".mov", ".mp3",
        ".mp4", ".o", ".odt", ".ogg", ".otf", ".parquet", ".png", ".ppt", ".pptx", ".pyc", ".rar", ".so",
        ".sqlite", ".sqlite3", ".tar", ".tgz", ".tif", ".tiff", ".ttf", ".wasm", ".wav", ".webm", ".webp", ".whl",
        ".woff", ".woff2", ".xls", ".xlsx", ".xz", ".zip", ".zst",
    }
)  # fmt: skip
"""Suffixes never worth opening."""
CODE = frozenset(
    {
        ".bash", ".bat", ".c", ".cc", ".cfg", ".clj", ".cmake", ".conf", ".cpp", ".cs", ".css", ".csv", ".dart",
        ".diff", ".erl", ".ex", ".exs", ".fish", ".fs", ".go", ".gradle", ".graphql", ".h", ".hpp", ".hs", ".ini",
        ".ipynb", ".j2", ".java", ".jinja", ".jl", ".js", ".json", ".jsonl", ".jsx", ".kt", ".less", ".lock",
        ".log", ".lua", ".m", ".mako", ".map", ".mjs", ".mk", ".ml", ".mod", ".nix", ".patch", ".php", ".pl",
        ".proto", ".ps1", ".py", ".pyi", ".r", ".rb", ".rs", ".sass", ".scala", ".scss", ".sh", ".sql", ".sum",
        ".svelte", ".svg", ".swift", ".tf", ".tmpl", ".toml", ".ts", ".tsv", ".tsx", ".typed", ".vim", ".vue",
        ".xml", ".yaml", ".yml", ".zig", ".zsh",
    }
)  # fmt: skip
"""Suffixes of programs, settings and data."""
KEY_HEAD = "-----BEGIN "
"""How files of keys and certificates start, whatever their name."""

_CODE_NAMES = re.compile(
    r"(?:codeowners|copying|dockerfile|justfile|licen[cs]e|makefile|procfile)(?:\..*)?"
    r"|(?:requirements|constraints).*\.txt|robots\.txt|cmakelists\.txt"
)
_SECRET_SUFFIXES = frozenset({".pem", ".key", ".p12", ".pfx", ".kdbx", ".keystore", ".jks", ".env"})
_SECRET_NAMES = re.compile(r"(?:id_(?:rsa|dsa|ecdsa|ed25519)|credentials|secrets?|passwords?)(?:\.txt|\.csv|\.json)?")


def kind_of(name: str) -> FileKind:
    """What a file is by its name alone; ``other`` where only its bytes can tell."""
    base = PurePosixPath(name).name.lower()
    suffix = PurePosixPath(base).suffix
    if suffix in _SECRET_SUFFIXES or _SECRET_NAMES.fullmatch(base):
        return "secret"
    if suffix == PDF:
        return "pdf"
    if suffix in BINARY:
        return "binary"
    if suffix in CODE or _CODE_NAMES.fullmatch(base):
        return "code"
    return "prose" if suffix in PROSE else "other"

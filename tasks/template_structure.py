"""What a template is made of: the templates that it refers to, and text in it that Jinja2 would drop without a word."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pricing import record

if TYPE_CHECKING:
    from jinja2 import nodes


@record(frozen=True, slots=True)
class Structure:
    """Of one template.

    Args:
        references: names of the templates that it extends, includes or imports.
        dynamic: whether it also refers to some by an expression, which only a rendering knows.
        parent: the template that it extends, where that has a constant name.
        extends: whether it extends one.
        blocks: every block in it, by name.
        outermost: those that are in no other block, with their lines.
        dropped: the line of text or of an expression after ``extends`` and outside every block.
    """

    references: frozenset[str]
    dynamic: bool
    parent: str | None
    extends: bool
    blocks: frozenset[str]
    outermost: tuple[tuple[str, int], ...]
    dropped: int | None


def structure(tree: nodes.Template) -> Structure:
    """The structure of a parsed template."""
    from jinja2 import meta, nodes

    found = list(meta.find_referenced_templates(tree))
    extends = next((node for node in tree.body if isinstance(node, nodes.Extends)), None)
    named = extends.template if extends is not None else None
    parent = named.value if isinstance(named, nodes.Const) and isinstance(named.value, str) else None
    after = tree.body[tree.body.index(extends) + 1 :] if extends is not None else []
    return Structure(
        references=frozenset(name for name in found if name is not None),
        dynamic=None in found,
        parent=parent,
        extends=extends is not None,
        blocks=frozenset(block.name for block in tree.find_all(nodes.Block)),
        outermost=tuple((block.name, block.lineno) for block in _outermost(tree.body)),
        dropped=next(_dropped(after), None),
    )


def _outermost(body: list[nodes.Node]) -> Iterator[nodes.Block]:
    from jinja2 import nodes

    for node in body:
        if isinstance(node, nodes.Block):
            yield node
        else:
            yield from _outermost(list(node.iter_child_nodes()))


def _dropped(body: list[nodes.Node]) -> Iterator[int]:
    """Lines of what would be put out, were it not for ``extends``."""
    from jinja2 import nodes

    for node in body:
        if isinstance(node, nodes.Output):
            yield from (
                _first_line(part)
                for part in node.nodes
                if not isinstance(part, nodes.TemplateData) or part.data.strip()
            )
        elif isinstance(node, nodes.Include):
            yield node.lineno
        elif not isinstance(node, nodes.Block | nodes.Macro | nodes.AssignBlock | nodes.Expr):
            yield from _dropped(list(node.iter_child_nodes()))


def _first_line(node: nodes.Node) -> int:
    """The line that a text begins on; that of the node is of the line break before it."""
    from jinja2 import nodes

    text = node.data if isinstance(node, nodes.TemplateData) else ""
    return node.lineno + text[: len(text) - len(text.lstrip())].count("\n")

"""The part of a notebook that one of its cells needs, so that a test need not run all of it."""

from __future__ import annotations

import ast
import symtable


def bound(node: ast.stmt) -> set[str]:
    """Names that a statement defines in its own scope."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return {node.name}
    if isinstance(node, ast.Import | ast.ImportFrom):
        return {alias.asname or alias.name.split(".")[0] for alias in node.names}
    inner = (ast.FunctionDef, ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
    names, waiting = set(), [node]
    while waiting:
        each = waiting.pop()
        if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store):
            names.add(each.id)
        waiting += [child for child in ast.iter_child_nodes(each) if not isinstance(child, inner)]
    return names


def used(node: ast.AST) -> set[str]:
    """Names of the notebook that a statement reads, also later, inside its functions."""
    names, waiting = set(), [symtable.symtable(ast.unparse(node), "cell", "exec")]
    while waiting:
        table = waiting.pop()
        outermost = table.get_type() == "module"
        names |= {
            each.get_name()
            for each in table.get_symbols()
            if each.is_referenced() and (outermost or each.is_global())
        }
        waiting += table.get_children()
    return names


def needed(cells: list[str], wanted: set[str]) -> list[ast.stmt]:
    """The statements of earlier cells that define `wanted`, and those that these need, in order."""
    kept, wanted = [], set(wanted)
    for source in reversed(cells):
        body = [] if source.startswith("%%") else ast.parse(source).body
        for node in reversed(body):
            if bound(node) & wanted:
                kept.append(node)
                wanted = wanted - bound(node) | used(node)
    return kept[::-1]

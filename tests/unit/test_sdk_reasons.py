"""The table of errors in protos/README.md says what the services really answer with."""

from __future__ import annotations

import ast
import re

import vivant.errors
from environment import ROOT
from vivant.errors import VivantError

CLASSES = {name: item for name, item in vars(vivant.errors).items() if isinstance(item, type) and issubclass(item, VivantError)}


def raised() -> set[tuple[str, str]]:
    """(status, reason) of every error that a service can answer with."""
    pairs = {(item.status.name, item.default_reason) for item in CLASSES.values() if item is not VivantError}
    # What is typed is checked by the same code on both sides.
    for path in (*(ROOT / "services").rglob("*.py"), ROOT / "sdk" / "vivant" / "texts.py"):
        if "gateway" in path.parts:
            # Speaks HTTP; its reasons are in its README.
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CLASSES:
                reasons = [
                    item.value.value for item in node.keywords if item.arg == "reason" and isinstance(item.value, ast.Constant)
                ]
                pairs |= {(CLASSES[node.func.id].status.name, reason) for reason in reasons}
            elif isinstance(node, ast.Call | ast.Tuple):
                # A row of a table, or what makes the error: the class first, the reason last.
                parts = node.args if isinstance(node, ast.Call) else node.elts
                classes = [part.id for part in parts if isinstance(part, ast.Name) and part.id in CLASSES]
                if classes and isinstance(parts[-1], ast.Constant) and isinstance(parts[-1].value, str):
                    pairs.add((CLASSES[classes[0]].status.name, parts[-1].value))
    return pairs


def documented() -> set[tuple[str, str]]:
    """(status, reason) of every row of the table."""
    text = (ROOT / "protos" / "README.md").read_text("utf-8")
    table = text[text.index("| status | class |") : text.index("Notices of a session")]
    pairs, status = set(), ""
    for row in table.splitlines()[2:]:
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        if len(cells) == 4:
            status = cells[0] or status
            pairs |= {(status, reason) for reason in re.findall(r"`(\w+)`", cells[3])}
    return pairs


def test_every_reason_is_in_the_table() -> None:
    generic = {("INVALID_ARGUMENT", "invalid_request"), ("NOT_FOUND", "not_found"), ("FAILED_PRECONDITION", "unusable")}
    assert raised() - documented() - generic == set(), "add these to protos/README.md"


def test_every_reason_of_the_table_exists() -> None:
    assert documented() - raised() == set(), "take these out of protos/README.md"

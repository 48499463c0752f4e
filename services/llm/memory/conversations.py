"""What is kept of conversations, to look through and to delete: `python -m services.llm.memory.conversations`.

list                 when each was last gone on with, with whom, and how much was said
delete ID [ID ...]   deletes these conversations
delete --all         deletes all
"""

from __future__ import annotations

import argparse
import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path

from services.common import serving
from services.common.output import tell
from services.llm.settings import LlmSettings
from vivant.errors import Unusable

_LIST = """
SELECT id, persona_id, updated_unix_us, (SELECT count(*) FROM utterances WHERE conversation = conversations.id)
FROM conversations ORDER BY updated_unix_us DESC
"""


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m services.llm.memory.conversations", description="What is kept of conversations (LLM_CONVERSATIONS)."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="when each was last gone on with, with whom, and how much was said")
    delete = commands.add_parser("delete", help="delete conversations, also while services run")
    delete.add_argument("ids", nargs="*", metavar="ID")
    delete.add_argument("--all", action="store_true", help="all of them")
    options = parser.parse_args(arguments)
    if options.command == "delete" and not (options.ids or options.all):
        delete.error("which? name their ids, or --all")
    with serving.one_line("llm"):
        path = LlmSettings().conversations
        # What is asked for is done before it is told: nobody has to read to the end.
        tell(_carried_out(options, path) if path.is_file() else [f"There are no conversations in {path}."])


def _carried_out(options: argparse.Namespace, path: Path) -> list[str]:
    """Does it, and gives what there is to say of it."""
    try:
        with closing(_opened(path)) as db:
            if options.command == "list":
                return _listed(db)
            return _delete(db, [each for each, *_ in db.execute(_LIST)] if options.all else options.ids)
    except sqlite3.Error as exc:
        raise Unusable(f"{path} cannot be used: {exc}", reason="store_unusable") from exc


def _listed(db: sqlite3.Connection) -> list[str]:
    lines = []
    for conversation_id, persona_id, updated_us, count in db.execute(_LIST):
        when = datetime.fromtimestamp(updated_us / 1e6).astimezone().isoformat(" ", "minutes")
        lines.append(f"{when}  {conversation_id}  {persona_id}  {count} utterances")
    return lines


def _opened(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None)
    for name in ("foreign_keys", "secure_delete"):
        db.execute(f"PRAGMA {name} = ON")
    return db


def _delete(db: sqlite3.Connection, conversation_ids: list[str]) -> list[str]:
    lines = []
    for conversation_id in conversation_ids:
        deleted = db.execute("DELETE FROM conversations WHERE id = ?", (conversation_id,)).rowcount
        lines.append(f"{conversation_id}: {'deleted' if deleted else 'there is no such conversation'}")
    # What was written last is in a file beside it, until it is brought over.
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return lines


if __name__ == "__main__":
    main()

"""What is kept of conversations, to look through and to delete: `python -m services.llm.memory.conversations`.

list                 when each was last gone on with, with whom, and how much was said
delete ID [ID ...]   deletes these conversations
delete --all         deletes all
"""

from __future__ import annotations

import argparse
import sqlite3
import sys
from contextlib import closing
from datetime import datetime
from pathlib import Path

from services.common import serving
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
        if not path.is_file():
            sys.stdout.write(f"There are no conversations in {path}.\n")
            return
        try:
            with closing(_opened(path)) as db:
                _carry_out(options, db)
        except sqlite3.Error as exc:
            raise Unusable(f"{path} cannot be used: {exc}", reason="store_unusable") from exc


def _carry_out(options: argparse.Namespace, db: sqlite3.Connection) -> None:
    if options.command == "list":
        for conversation_id, persona_id, updated_us, count in db.execute(_LIST):
            when = datetime.fromtimestamp(updated_us / 1e6).astimezone().isoformat(" ", "minutes")
            sys.stdout.write(f"{when}  {conversation_id}  {persona_id}  {count} utterances\n")
    else:
        _delete(db, [each for each, *_ in db.execute(_LIST)] if options.all else options.ids)


def _opened(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None)
    for name in ("foreign_keys", "secure_delete"):
        db.execute(f"PRAGMA {name} = ON")
    return db


def _delete(db: sqlite3.Connection, conversation_ids: list[str]) -> None:
    for conversation_id in conversation_ids:
        deleted = db.execute("DELETE FROM conversations WHERE id = ?", (conversation_id,)).rowcount
        sys.stdout.write(f"{conversation_id}: {'deleted' if deleted else 'there is no such conversation'}\n")
    # What was written last is in a file beside it, until it is brought over.
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


if __name__ == "__main__":
    main()

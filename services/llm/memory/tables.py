"""Conversations as tables of SQLite: what is read and changed there, within a transaction of the caller."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import Any, Final

from services.llm.memory.store import MAX_ENTRIES, Addressee, Entry, Kept, Key, Participant

#: Of the tables below; a file with a higher one was made by a newer Vivant.
VERSION: Final = 1
_TABLES: Final = """
CREATE TABLE IF NOT EXISTS conversations (
    id TEXT PRIMARY KEY, persona_id TEXT NOT NULL, created_unix_us INTEGER NOT NULL, updated_unix_us INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS conversations_updated ON conversations (updated_unix_us);
CREATE TABLE IF NOT EXISTS participants (
    conversation TEXT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
    id TEXT NOT NULL, name TEXT NOT NULL, is_persona INTEGER NOT NULL,
    UNIQUE (conversation, id)
);
CREATE TABLE IF NOT EXISTS utterances (
    conversation TEXT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
    seq INTEGER NOT NULL, id TEXT NOT NULL, participant_id TEXT NOT NULL, text TEXT NOT NULL, addressees TEXT NOT NULL,
    language TEXT, started_unix_us INTEGER, ended_unix_us INTEGER,
    session_id TEXT NOT NULL, turn_id INTEGER NOT NULL, interrupted INTEGER NOT NULL, interrupted_by TEXT,
    PRIMARY KEY (conversation, seq), UNIQUE (conversation, id)
) WITHOUT ROWID;
"""
#: The columns of an utterance have the names of the fields of an `Entry`.
_FIELDS: Final = tuple(field.name for field in fields(Entry))
_INSERT: Final = f"""
INSERT INTO utterances (conversation, seq, {", ".join(_FIELDS)})
VALUES (
    :c, (SELECT coalesce(max(seq), 0) + 1 FROM utterances WHERE conversation = :c), {", ".join(f":{each}" for each in _FIELDS)}
)
ON CONFLICT (conversation, id) DO UPDATE SET
"""


def make(db: sqlite3.Connection) -> None:
    """Makes the tables where there are none."""
    for statement in _TABLES.split(";\n"):
        db.execute(statement)
    db.execute(f"PRAGMA user_version = {VERSION}")


def touch(db: sqlite3.Connection, key: Key, now_us: int) -> None:
    """The conversation goes on now, or begins: it may have been deleted while it goes on."""
    db.execute(
        "INSERT INTO conversations VALUES (:c, :persona, :now, :now) "
        "ON CONFLICT (id) DO UPDATE SET updated_unix_us = excluded.updated_unix_us",
        {"c": key.conversation_id, "persona": key.persona_id, "now": now_us},
    )


def persona_of(db: sqlite3.Connection, conversation_id: str) -> str | None:
    """With whom a conversation is; None when there is none."""
    found = db.execute("SELECT persona_id FROM conversations WHERE id = ?", (conversation_id,)).fetchone()
    return str(found[0]) if found else None


def read(db: sqlite3.Connection, key: Key) -> Kept:
    """See `ConversationStore.open`."""
    people = db.execute(
        "SELECT id, name, is_persona FROM participants WHERE conversation = ? ORDER BY rowid", (key.conversation_id,)
    )
    said = db.execute(
        f"SELECT {', '.join(_FIELDS)} FROM utterances WHERE conversation = ? ORDER BY seq DESC LIMIT {MAX_ENTRIES}",
        (key.conversation_id,),
    )
    participants = tuple(Participant(each, name, bool(is_persona)) for each, name, is_persona in people)
    return Kept(participants, tuple(map(_entry, said))[::-1])


def meet(db: sqlite3.Connection, key: Key, participants: Iterable[Participant]) -> None:
    """These take part; a name that is known stays where none is given."""
    db.executemany(
        "INSERT INTO participants VALUES (?, ?, ?, ?) "
        "ON CONFLICT (conversation, id) DO UPDATE SET name = excluded.name WHERE excluded.name <> ''",
        [(key.conversation_id, each.id, each.name, each.is_persona) for each in participants],
    )


def add(db: sqlite3.Connection, key: Key, entry: Entry) -> None:
    """See `ConversationStore.add`."""
    db.execute(
        f"{_INSERT} session_id = excluded.session_id, turn_id = excluded.turn_id WHERE excluded.turn_id", _row(key, entry)
    )


def replace(db: sqlite3.Connection, key: Key, entry: Entry) -> None:
    """See `ConversationStore.replace`."""
    if entry.text:
        words = ("text", "interrupted", "interrupted_by")
        db.execute(_INSERT + ", ".join(f"{field} = excluded.{field}" for field in words), _row(key, entry))
    else:
        db.execute("DELETE FROM utterances WHERE conversation = ? AND id = ?", (key.conversation_id, entry.id))


def forget(db: sqlite3.Connection, key: Key, session_id: str, turn_id: int) -> None:
    """See `ConversationStore.forget`."""
    db.execute(
        "DELETE FROM utterances WHERE conversation = ? AND session_id = ? AND turn_id = ?",
        (key.conversation_id, session_id, turn_id),
    )


def relabel(db: sqlite3.Connection, key: Key, from_id: str, to_id: str) -> None:
    """See `ConversationStore.relabel`."""
    change = {"c": key.conversation_id, "from": from_id, "to": to_id}
    for field in ("participant_id", "interrupted_by"):
        db.execute(f"UPDATE utterances SET {field} = :to WHERE conversation = :c AND {field} = :from", change)
    for seq, text in db.execute("SELECT seq, addressees FROM utterances WHERE conversation = :c", change).fetchall():
        addressees = json.dumps([[to_id if each == from_id else each, likely] for each, likely in json.loads(text)])
        if addressees != text:
            db.execute(
                "UPDATE utterances SET addressees = ? WHERE conversation = ? AND seq = ?",
                (addressees, key.conversation_id, seq),
            )
    # Where both are known one row stays: that of the one who stays.
    db.execute("UPDATE OR IGNORE participants SET id = :to WHERE conversation = :c AND id = :from", change)
    former = db.execute("DELETE FROM participants WHERE conversation = :c AND id = :from RETURNING name", change).fetchone()
    if former:
        db.execute(
            "UPDATE participants SET name = :name WHERE conversation = :c AND id = :to AND name = ''",
            change | {"name": former[0]},
        )


def delete_before(db: sqlite3.Connection, unix_us: int) -> None:
    """Deletes conversations in which nothing was said since then."""
    db.execute("DELETE FROM conversations WHERE updated_unix_us < ?", (unix_us,))


def _row(key: Key, entry: Entry) -> dict[str, Any]:
    """An utterance as the values of `_INSERT`."""
    addressees = json.dumps([(each.participant_id, each.probability) for each in entry.addressees])
    return vars(entry) | {"addressees": addressees, "c": key.conversation_id}


def _entry(row: Sequence[Any]) -> Entry:
    """An utterance from the values of `_FIELDS`."""
    values = dict(zip(_FIELDS, row, strict=True))
    addressees = tuple(Addressee(*each) for each in json.loads(values["addressees"]))
    return Entry(**values | {"addressees": addressees, "interrupted": bool(values["interrupted"])})

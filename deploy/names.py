"""Variables that look like settings of Vivant and that nothing reads: most are misspelt."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Final

from deploy.env_example import fields, settings_classes

#: Read by the client's command line, which has no settings class.
_CLIENT: Final = frozenset({"VIVANT_ADDRESS"} | {f"VIVANT_{name}_ADDRESS" for name in ("ASR", "TURN", "LLM", "TTS", "FACE")})
#: How alike two names are that are taken for one; 1 is the same.
_ALIKE: Final = 0.8


def unread(names: Iterable[str], written: Iterable[str]) -> list[str]:
    """A sentence for each of `names` that only looks like a setting.

    Beginning as ours do is enough in `.env` (`written`); elsewhere other programs have such names too, so it must also be
    very like one of ours.
    """
    known = {variable for _, settings in settings_classes() for variable, _, _ in fields(settings)} | _CLIENT
    ours = tuple({f"{name.partition('_')[0]}_" for name in known})
    in_file = set(written)
    said = [
        f"{name} in .env is read by nothing: the command line reads the environment alone" for name in sorted(in_file & _CLIENT)
    ]
    for name in sorted({*names, *in_file} - known):
        near = difflib.get_close_matches(name.upper(), known, 1, _ALIKE)
        if (name in in_file and name.upper().startswith(ours)) or near:
            where = ".env" if name in in_file else "the environment"
            said.append(f"{name} in {where} is read by nothing" + (f"; did you mean {near[0]}?" if near else ""))
    return said

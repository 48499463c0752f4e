"""What a Riva server has, by its own list: models, or voices, and the languages of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


def entries(found: Any) -> Iterator[tuple[str, tuple[str, ...], Mapping[str, str]]]:
    """Name, languages and parameters of each model in the answer to a request for the server's configuration."""
    for each in found.model_config if found is not None else ():
        parameters = dict(each.parameters)
        languages = tuple(tag.strip() for tag in parameters.get("language_code", "").split(",") if tag.strip())
        yield each.model_name, languages, parameters


def tags(languages: Sequence[str]) -> tuple[str, ...]:
    """The languages for whoever asks by BCP 47: each without its region, then as the server has it, the first ones first."""
    return tuple(dict.fromkeys(tag for language in languages for tag in (tongue(language), language)))


def tongue(tag: str) -> str:
    """The language without region and script."""
    return tag.partition("-")[0].lower()


@dataclass(frozen=True)
class Offer:
    """Models or voices by name, with their languages; `default` is the language that the settings name."""

    models: Mapping[str, tuple[str, ...]]
    default: str

    @property
    def languages(self) -> tuple[str, ...]:
        """All there are, the default first; just that, where nothing is listed."""
        first = self.tag(self.default)
        return tuple(dict.fromkeys((*([first] if first else []), *self._tags)))

    @property
    def _tags(self) -> list[str]:
        return [tag for each in self.models.values() for tag in each]

    def names(self, language: str) -> list[str]:
        """Those that have a language."""
        return [name for name, languages in self.models.items() if nearest(language, languages, self.default)]

    def tag(self, language: str) -> str | None:
        """How the server calls `language`; None when it does not have it. One that lists nothing has the default."""
        return nearest(language, self._tags or [self.default], self.default)


def nearest(language: str, offered: Iterable[str], default: str) -> str | None:
    """The one of `offered` that is `language`, else that of another region, the default's before others; None: none is."""
    have = {tag.lower(): tag for tag in offered}
    if language.lower() in have:
        return have[language.lower()]
    if tongue(language) == tongue(default) and default.lower() in have:
        return have[default.lower()]
    return next((tag for tag in have.values() if tongue(tag) == tongue(language)), None)

"""Models of the manifest that nobody ships, and a progress that is looked at afterwards."""

from __future__ import annotations

from models.manifest import Model, ModelFile


def model_of(*files: ModelFile, name: str = "m") -> Model:
    return Model(name, "asr", "A model", "MIT", "https://licence.example", files)


class Count:
    """A progress that adds up what it is told."""

    def __init__(self) -> None:
        self.expected_bytes = 0
        self.bytes = 0
        self.done: list[str] = []

    def expected(self, model: Model, count: int) -> None:
        self.expected_bytes += count

    def advanced(self, model: Model, count: int) -> None:
        self.bytes += count

    def finished(self, model: Model) -> None:
        self.done.append(model.id)

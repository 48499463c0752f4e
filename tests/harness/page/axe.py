"""axe-core, the accessibility checker: fetched from the npm registry once, pinned, and kept beside the models."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from playwright.async_api import Page

import environment
from models import endpoints
from models.fetch import Fetcher
from models.manifest import Archive, Model, ModelFile, Piece
from models.sources import Sources
from models.store import Store
from tests.harness.model_files import Count

AXE: Final = Model(
    id="axe-core",
    role="test",
    title="axe-core, accessibility checks",
    licence="MPL-2.0",
    licence_url="https://github.com/dequelabs/axe-core/blob/develop/LICENSE",
    files=(
        ModelFile(
            path="axe.min.js",
            source=(Piece(Archive("npm", "axe-core", "4.14.1"), "package/axe.min.js"),),
            size=653_780,
            sha256="29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c",
        ),
    ),
)
_RULES: Final = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def script() -> Path:
    """The checker's file; fetched when it is missing or damaged."""
    store = Store(environment.models_dir(environment.read()))
    problems = list(store.problems(AXE))
    if problems:
        with endpoints.open_client() as client:
            Fetcher(store, Sources(client), Count()).fetch(problems)
    return store.path(AXE, AXE.files[0])


async def violations(page: Page, source: str) -> list[str]:
    """What is against WCAG A or AA, or against good practice, on the page as it is now; a sentence each."""
    if not await page.evaluate("typeof axe !== 'undefined'"):
        # By the debugger, because the page's own policy lets no foreign script in.
        await page.evaluate(source)
    result: dict[str, Any] = await page.evaluate(
        "rules => axe.run(document, {runOnly: rules, resultTypes: ['violations']})", _RULES
    )
    return [
        f"{violation['id']}: {node['target']} {node['failureSummary']}"
        for violation in result["violations"]
        for node in violation["nodes"]
    ]

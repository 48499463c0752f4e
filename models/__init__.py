"""Model files: what exists (`manifest.toml`), where it comes from, and `python -m models` to fetch and verify it.

Services do not import this package; they only know the folder that it fills.
"""

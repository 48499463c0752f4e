"""Servers of Moshi, and of PersonaPlex, which was made from it: one model that always hears and always speaks."""

from services.speech.engines.moshi.engine import MoshiEngine

__all__ = ["MoshiEngine"]

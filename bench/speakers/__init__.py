"""Telling speakers on one microphone apart by voice."""

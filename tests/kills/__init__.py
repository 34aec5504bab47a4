"""Kills commands at random moments: see docs/development.md."""

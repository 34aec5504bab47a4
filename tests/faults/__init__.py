"""Damages files of run folders, and looks at what every command says that reads them: see docs/development.md."""

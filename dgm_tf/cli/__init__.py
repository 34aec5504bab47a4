"""The commands of bin/: flags and messages. Nothing imports this."""

"""Files and folders: whole or not there, checked when they are read, locked while they change."""

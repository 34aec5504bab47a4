"""Files and folders: written atomically, checked when read, locked while they change."""

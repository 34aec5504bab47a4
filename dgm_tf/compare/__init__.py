"""Methods side by side: what to run, how it is run, and the table that comes of it."""

"""Comparison of methods: suites of runs, launchers, and the table of results."""

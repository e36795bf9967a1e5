"""Drop-in replacements for official query APIs, with their names and results, for official files and for tables."""

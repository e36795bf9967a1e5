"""The commands: parse, call, exit code. No logic."""

"""Drawings of architectures, one file per space."""

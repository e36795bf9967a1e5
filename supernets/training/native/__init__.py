"""Compiled training of small networks on CPUs."""

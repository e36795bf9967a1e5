"""Training of networks: recipes and records, epochs, networks trained side by side, timing, compiled training."""

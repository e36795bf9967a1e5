"""The edge: files, clocks, processes, Ray and the terminal. Public names live in the rooms of this package."""

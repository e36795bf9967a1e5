"""The edge: files, clocks, processes, Ray and stdout. Runs searches and turns their records into reports."""

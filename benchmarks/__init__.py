"""What can be searched and what was measured: spaces, benchmark tables, oracles. numpy and pyarrow only."""

"""How to choose the next architecture: search algorithms behind one ask/tell contract."""

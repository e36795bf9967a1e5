"""Drop-in query APIs: the official packages' names and results, over official files and over benchmark tables."""

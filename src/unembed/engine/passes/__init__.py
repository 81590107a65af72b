"""Forward passes: hooks, captures, runs, generation."""

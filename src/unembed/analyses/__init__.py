"""Numbers from runs, one file each."""

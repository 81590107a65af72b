"""What other systems write and do, as this one's options and edits, one file each."""

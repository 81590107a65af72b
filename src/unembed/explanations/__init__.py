"""What components do, in words, each label tested against chance."""

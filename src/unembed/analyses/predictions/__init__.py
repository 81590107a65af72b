"""What every layer predicts at one position."""

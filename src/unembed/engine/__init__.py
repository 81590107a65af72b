"""Running a model, seeing its activations and changing them."""

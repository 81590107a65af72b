"""What a layer added, taken apart into neurons and heads."""

"""Loading models and finding what they are made of."""

"""Attention: who looks at whom, what that moves, and what each head does."""

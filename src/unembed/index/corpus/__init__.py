"""Texts as a model reads them, kept token by token: states, contexts and what the words are.

Promises: a token's place is counted in characters of a text that nobody rewrote; what is searched
is compared exactly; a kill at any moment loses at most the stretch that was being written.
"""

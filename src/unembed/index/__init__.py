"""Value vectors on disk: built layer by layer, searched by word, token and direction.

Promises: an index belongs to one model, to the last weight; it is published in one step, so that a
kill at any moment leaves the old one or none; what it says of tokens and directions is exact. It
knows models and analyses, and nothing of servers or queues.
"""

"""Attribution graphs: which features of transcoders make which others, and the answer."""

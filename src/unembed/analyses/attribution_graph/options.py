"""What can be chosen about an attribution graph. Knows no torch and no model."""

from __future__ import annotations

from unembed.options import Count, Floor, Options, Position, Positive, Target, TokenRef, option


class GraphOptions(Options):
    """What is explained, how many latents are nodes, and which nodes and edges are kept."""

    target: Target | None = option(
        None,
        "What is explained: a token, or an objective of logits as text. Absent: the likeliest "
        "tokens, each by its probability.",
    )
    distractor: TokenRef | None = option(None, "A token whose logit is taken off the target's.")
    position: Position = option(-1, "Where; a negative one counts from the end.")
    answers: Positive = option(
        10, "Most tokens that are explained where no target is given.", le=50
    )
    mass: Floor = option(
        0.95, "So few of them that they have this probability together, where that is fewer."
    )
    latents: Positive = option(
        2000,
        "Active latents that are nodes: those with most influence on the answer, where there are "
        "more.",
        limit="max_graph_latents",
    )
    node_threshold: Floor = option(
        0.8, "Nodes are kept that have this part of all influence together."
    )
    edge_threshold: Floor = option(
        0.98, "Edges between them are kept that have this part of all influence together."
    )
    labels: bool = option(
        True, "Whether latents are labelled by the tokens that they raise most, directly."
    )


class EdgeOptions(Options):
    """What is told of one edge."""

    target: Target | None = option(
        None,
        "What the graph explains, where the receiver is that: a token, or an objective of logits "
        "as text.",
    )
    distractor: TokenRef | None = option(None, "A token whose logit is taken off the target's.")
    pairs: Count = option(
        10, "Pairs of query and key listed that move most of the edge.", limit="max_attributed_rows"
    )

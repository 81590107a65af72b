"""docs/reference/families.md: written from findings, and read back."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import transformers

from .examine import VERDICTS, Finding, Kind, Verdict

PAGE = Path(__file__).parents[2] / "docs/reference/families.md"
TITLES: dict[Kind, str] = {
    "causal": "Causal models",
    "masked": "Masked models",
    "seq2seq": "Encoder-decoders",
}
# Of the 76 types of transformers 5.23 that neither src/ nor tests/ named on 29 November 2026, every
# eighth by name, from the first one on: nobody had written code or a fixture for them.
BLIND = (
    "aria_text",
    "cwm",
    "funnel",
    "git",
    "gte",
    "jais2",
    "mllama",
    "nomic_bert",
    "seamless_m4t_v2",
    "whisper",
)

INTRODUCTION = """# Model types

What Unembed makes of every type of language model that transformers {version} can build.
`make families` writes this page: it builds each type small, with random weights, loads it, and
compares what it shows with transformers' own forward pass and with arithmetic on what was captured:
logits bit for bit, hidden states and attention patterns, the sums that make up the residual stream,
an edit at each site, generation with and without a cache.

- **right**: every part that its blocks have can be seen and edited, and the lens works.
- **partly**: what is there is right; what is missing is refused with the reason given here.
- **refused**: it is not loaded, with the sentence given here.
- **not built**: transformers does not build or run it from a small config.
- **wrong**: a number was not what transformers computes. There must be none.

A checkpoint of a type may differ from the small model in what its config switches on. Loading it
repeats the proof on its own weights, so a part that does not hold there is refused there.

{counts}
"""


BLINDLY = """
## Chosen blind

The engine was written with some of the types above in view. These were chosen of the others: of all
types that neither the code nor a test named then, every eighth by name. As found: {said}.
"""


def written(findings: Iterable[Finding]) -> str:
    """The page."""
    findings = sorted(findings, key=lambda one: (one.kind, one.model_type))
    text = INTRODUCTION.format(version=transformers.__version__, counts=_counts(findings))
    for kind, title in TITLES.items():
        lines = [_line(one) for one in findings if one.kind == kind]
        text += "\n".join(["", f"## {title}", "", "| type | verdict | |", "|---|---|---|", *lines])
        text += "\n"
    return text + _blind(findings)


def _blind(findings: list[Finding]) -> str:
    """What was found of those that nobody wrote anything for."""
    chosen = [one for one in findings if one.model_type in BLIND]
    count = Counter(one.verdict for one in chosen)
    said = ", ".join(f"{count[verdict]} {verdict}" for verdict in VERDICTS)
    lines = [
        f"| `{one.model_type}` ({TITLES[one.kind].lower()}) | {one.verdict} |" for one in chosen
    ]
    return "\n".join([BLINDLY.format(said=said), "| type | verdict |", "|---|---|", *lines, ""])


def _counts(findings: list[Finding]) -> str:
    lines = ["| | " + " | ".join(VERDICTS) + " |", "|---|" + "---|" * len(VERDICTS)]
    for title, chosen in (
        *((title, [one for one in findings if one.kind == kind]) for kind, title in TITLES.items()),
        ("All", findings),
    ):
        count = Counter(one.verdict for one in chosen)
        numbers = " | ".join(str(count[verdict]) for verdict in VERDICTS)
        lines.append(f"| {title} | {numbers} |")
    return "\n".join(lines)


def _line(finding: Finding) -> str:
    words = re.sub(r"\s+", " ", finding.words).replace("\\|", "|").replace("|", "\\|").strip()
    return f"| `{finding.model_type}` | {finding.verdict} | {words} |"


def read(text: str) -> tuple[str, list[Finding]]:
    """The version of transformers that the page is about, and its lines."""
    version = re.search(r"transformers ([0-9.a-z]+) can build", text)
    if version is None:
        raise ValueError(
            "the page does not say which transformers it is about; run `make families`"
        )
    kinds = {title: kind for kind, title in TITLES.items()}
    findings: list[Finding] = []
    kind: Kind | None = None
    for line in text.splitlines():
        if line.startswith("## "):
            kind = kinds.get(line[3:])
        match = re.fullmatch(r"\| `([^`]+)` \| ([a-z ]+) \| (.*) ?\|", line)
        if kind is not None and match is not None:
            verdict: Verdict = match[2]  # type: ignore[assignment]  # checked by the page's test
            findings.append(Finding(match[1], kind, verdict, match[3].strip()))
    return version[1], findings

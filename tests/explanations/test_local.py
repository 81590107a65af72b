"""A model on this machine as explainer and judge, against transformers' own forward passes."""

from __future__ import annotations

import pytest
import torch
from tokenizers import Regex, Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

import unembed as ue
from unembed.errors import CapabilityError
from unembed.explanations.judging.judge import Passage
from unembed.explanations.language.asking import Ask
from unembed.explanations.language.local import LocalModel
from unembed.models.tiny import tiny_model

from . import world
from .test_judging import FEW

WORDS = [
    *("<pad>", "<unk>", "\t", "\n", " ", "yes", "Yes", "no", "NO", "unknown", "Answer", ":"),
    *map(str, range(10)),
    *world.BY_FORM,
]
PROMPT = ({"role": "system", "content": "the baking"}, {"role": "user", "content": "of a dol"})
TEXTS = [Passage(("the", " baking", " ong")), Passage(("of", " the"))]


def tokenizer():
    backend = Tokenizer(
        models.WordLevel({w: at for at, w in enumerate(dict.fromkeys(WORDS))}, "<unk>")
    )
    backend.pre_tokenizer = pre_tokenizers.Split(Regex(r"\s|\w+|[^\w\s]"), "isolated")
    return PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="<pad>", unk_token="<unk>")


def modules(family, dtype):
    """The same weights twice: transformers leaves hooks on what is asked for hidden states."""
    positions = "n_positions" if family == "gpt2" else "max_position_embeddings"
    options = {"dtype": dtype, "vocab_size": len(dict.fromkeys(WORDS)), positions: 1024}
    return tiny_model(family, **options), tiny_model(family, **options)


@pytest.mark.parametrize(
    ("family", "dtype"), [("gpt2", torch.float64), ("llama", torch.float32)], ids=str
)
def test_ratings_and_verdicts_are_those_of_a_forward_pass_for_each(family, dtype):
    module, slow = modules(family, dtype)
    model = ue.load(module, tokenizer=tokenizer())
    tight = 1e-9 if dtype == torch.float64 else 1e-4
    judge = ue.LocalJudge(model)
    (question, _) = judge.asks("simulate", "the ong", TEXTS)
    text = "\n\n".join(one["content"] for one in question.messages) + "\nAnswer:"
    own = tokenizer()

    def last(ids):
        with torch.no_grad():
            return slow(torch.tensor([ids])).logits[0, -1].double()

    ids, wanted = own.encode(text, add_special_tokens=False), []
    for token in TEXTS[0].tokens:
        ids += own.encode(f"\n{token}\t", add_special_tokens=False)
        shares = last(ids).softmax(-1)[[WORDS.index(str(n)) for n in range(10)]]
        wanted.append(float(sum(n * share for n, share in enumerate(shares)) / shares.sum()))
        ids += own.encode("unknown", add_special_tokens=False)
    found = judge.simulate("the ong", TEXTS)
    assert found[0] == pytest.approx(wanted, rel=tight)
    assert [len(one) for one in found] == [3, 2]

    (asked, _) = judge.asks("detect", "the ong", TEXTS)
    text = "\n\n".join(one["content"] for one in asked.messages) + "\nAnswer:"
    shares = last(own.encode(text, add_special_tokens=False)).softmax(-1)
    said, denied = (
        sum(float(shares[WORDS.index(w)]) for w in words)
        for words in (("yes", "Yes"), ("no", "NO"))
    )
    assert judge.detect("the ong", TEXTS)[0] == pytest.approx(said / (said + denied), rel=tight)
    assert (judge.counts.sent, judge.counts.failed) == (4, 0)


def test_an_answer_is_the_first_line_and_the_same_each_time():
    module, _ = modules("gpt2", torch.float32)
    local = LocalModel(ue.load(module, tokenizer=tokenizer()))
    first, again = (local.ask([Ask(PROMPT, 8)], lambda _, answer: answer.text) for _ in range(2))
    assert first == again
    assert "\n" not in first[0]


def test_a_prompt_that_is_too_long_is_a_failure_and_counted():
    module = tiny_model("gpt2", vocab_size=len(dict.fromkeys(WORDS)), n_positions=32)
    judge = ue.LocalJudge(ue.load(module, tokenizer=tokenizer()))
    assert judge.simulate("x", TEXTS) == [None, None]
    assert judge.detect("x", TEXTS) == [None, None]
    assert judge.counts.failed == 4


def test_a_model_that_continues_no_text_is_no_judge(corpus):
    module = tiny_model("bert", vocab_size=len(world.VOCABULARY))
    with pytest.raises(CapabilityError):
        ue.LocalJudge(ue.load(module, tokenizer=world.tokenizer()))


def test_a_weak_model_is_its_own_explainer_and_its_scores_say_that_it_is_weak(corpus):
    module, _ = modules("gpt2", torch.float32)
    weak = ue.load(module, tokenizer=tokenizer())
    explainer = ue.LocalExplainer(weak, texts=2, window=8)
    item = ue.explain(corpus, ["L0.F0"], n_tokens=FEW, explainer=explainer).items[0]
    assert item.supported  # the label without a language model
    assert item.written.text
    scores = ue.score_explanation(
        corpus, "L0.F0", item.written.text, ue.LocalJudge(weak), n_tokens=FEW, texts=4, window=8,
        chance_labels=1,
    )  # fmt: skip
    assert (scores.detection.failed, scores.simulation.failed) == (0, 0)
    assert not scores.supported

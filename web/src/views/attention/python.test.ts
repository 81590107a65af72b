import { describe, expect, it } from 'vitest';
import { DEFAULTS } from '../../app/address';
import { page } from '../../shared/pageExample';
import { edit } from '../../shared/text/edits';
import { ATTENTION } from './attentionState';
import { read } from './picksExample';
import { attentionPython } from './python';

describe('Python', () => {
  const spec = {
    ...DEFAULTS,
    prompt: 'Hi',
    target: ' x',
    edits: [edit('L1.H2@3<1')],
    attention: {
      ...ATTENTION,
      picks: read('L4.H1, L5.H2*0.5'),
      measure: 'target' as const,
      queries: 'position' as const,
      combine: 'sum' as const,
      order: 'induction' as const,
    },
  };

  it('asks both runs for the same, and for the scores that sort the heads', () => {
    const asked =
      '[4, 5], heads=[1, 2], weights=[1, 0, 0, 0.5], queries=[3], measure="target", combine="sum", target=" x"';
    expect(attentionPython(page('gpt2', spec, 3))).toBe(`import unembed as ue

model = ue.load("gpt2")
prompt = "Hi"
capture = ue.attention_capture(model, ${asked})
baseline = model.run(prompt, capture=capture)
edits = [
    ue.zero("L1.H2@3<1"),
]
found = ue.attention(baseline, ${asked})
print(found.to_pandas())
edited = model.run(prompt, edits=edits, capture=capture)
changed = ue.attention(edited, ${asked})
print(changed.to_pandas())
print(ue.find_heads(model, prompt, kind="induction").best(5))
# found.plot()  # the picture
# found.to_html(path="attention.html")  # a page of its own
`);
  });

  it('compares two prompts, each with the edits', () => {
    const other = {
      ...spec,
      target: '',
      attention: { ...ATTENTION, picks: read('L4.H1'), against: 'Ho "x"' },
    };
    expect(attentionPython(page('gpt2', other, 3))).toBe(`import unembed as ue

model = ue.load("gpt2")
prompt = "Hi"
edits = [
    ue.zero("L1.H2@3<1"),
]
other = "Ho \\"x\\""
kept = ue.attention_capture(model, [4], heads=[1])
runs = [model.run(one, capture=kept, edits=edits) for one in (prompt, other)]
found = ue.compare_attention(*runs, [4], heads=[1])
print(found.to_pandas())
# found.plot()  # the picture
# found.to_html(path="attention.html")  # a page of its own
`);
    const switched = { ...edit('L1.N3', 'on'), positions: [2] };
    const measured = attentionPython(page('gpt2', { ...other, edits: [switched] }, 3));
    expect(measured).toContain(`prompt = "Hi"
other = "Ho \\"x\\""
capture = ue.sub_updates_capture(model)


def edits_of(prompt):
    baseline = model.run(prompt, capture=capture)
    return [
        replace(ue.turn_on(baseline, "L1.N3"), positions=(2,)),
    ]


kept = ue.attention_capture(model, [4], heads=[1])
runs = [model.run(one, capture=kept, edits=edits_of(one)) for one in (prompt, other)]
`);
    const plain = attentionPython(page('gpt2', { ...other, edits: [] }, 3));
    expect(plain).toContain('runs = [model.run(one, capture=kept) for one in (prompt, other)]');
  });
});

describe('Python of a model that reads a source', () => {
  it('names the part, and no queries of an encoder', () => {
    const reader = page('bart', DEFAULTS);
    Object.assign(reader.model, {
      heads: { ...reader.model.heads, cross: [12, 12], encoder: [12, 12, 12] },
    });
    const written = (heads: string) =>
      attentionPython({
        ...reader,
        spec: {
          ...DEFAULTS,
          attention: { ...ATTENTION, picks: read(heads), queries: 'position', order: 'first' },
        },
        position: 2,
      });
    expect(written('L1.X2')).toContain('[1], part="cross", heads=[2], queries=[2])');
    expect(written('L1.X2')).toContain('ue.find_heads(model, prompt, part="cross", kind="first")');
    expect(written('E2')).toContain('[2], part="encoder")');
  });
});

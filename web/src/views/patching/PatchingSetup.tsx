/** What is patched into which of two prompts: one quiet line, and the form for the other prompt. */
import type { ReactNode } from 'react';
import type { ModelInfo } from '../../shared/api/queries';
import { Choice, Option } from '../../shared/parts/Choice';
import { OtherPrompt } from '../../shared/parts/OtherPrompt';
import { Segments } from '../../shared/parts/parts';
import { useSpec } from '../../shared/state/store';
import { shorten, showSpaces } from '../../draw/tokens';
import { PairsChoice } from '../../shared/parts/PairsMenu';
import { setPatching, usePatchingSpec, type Patching } from './patchingState';

const SITES: ReadonlyArray<readonly [Patching['site'], string, string]> = [
  ['resid_pre', 'Residual stream', 'What a layer reads: all that was written before it.'],
  ['resid_mid', 'Stream after attention', 'What the feed-forward of a layer reads.'],
  ['attn_out', 'Attention', 'What attention adds in a layer.'],
  ['mlp_out', 'Feed-forward', 'What the feed-forward adds in a layer.'],
  ['heads', 'Heads', 'What each head writes, at all positions.'],
  ['patterns', 'Patterns', 'Where each head looks, at all positions.'],
];

const INTO = [
  ['corrupted', 'corrupted ← clean', 'The corrupted prompt runs: what is enough for the answer?'],
  ['clean', 'clean ← corrupted', 'The clean prompt runs: what does the answer need?'],
] as const;

export function PatchingSetup({ model, children }: { model: ModelInfo; children: ReactNode }) {
  const { site, into, corrupted, set, own } = usePatchingSpec();
  const { target, distractor } = useSpec();
  const parallel = model.parallel_blocks;
  const labelled = model.labels.length > 0; // sets of pairs have answers that are tokens
  return (
    <div className="lens-setup" role="group" aria-label="What is patched, into which prompt">
      {labelled && set === 'one' ? null : (
        <PairsChoice set={set} own={own} use={(patch) => setPatching({ ...patch, cell: null })} />
      )}
      {set === 'one' ? (
        <Choice
          name="corrupted"
          head="Corrupted"
          says={<bdi>{shorten(corrupted.replaceAll('\n', '↵'), 36)}</bdi>}
          changed
          wide
        >
          <CorruptedForm />
        </Choice>
      ) : null}
      <Choice
        name="site"
        head="Patched"
        says={SITES.find(([name]) => name === site)?.[1].toLowerCase()}
        changed={site !== 'resid_pre'}
      >
        <h3>What is taken over</h3>
        {SITES.map(([name, label, note]) => (
          <Option
            key={name}
            group="site"
            value={name}
            checked={site === name}
            disabled={parallel && name === 'resid_mid'}
            onChange={() => setPatching({ site: name, cell: null })}
            note={note}
          >
            {label}
          </Option>
        ))}
      </Choice>
      <Segments
        name="into"
        label="Which prompt is run"
        value={into}
        options={INTO}
        onChange={(value: Patching['into']) => setPatching({ into: value })}
      />
      {set !== 'one' ? null : target === '' ? (
        <span className="faint">
          {labelled
            ? `of the label that ${model.labels_of === 'text' ? 'the prompt above gets' : 'its chosen token gets'}: choose another beside it`
            : 'of the two prompts’ own answers: type target and distractor beside the prompt'}
        </span>
      ) : labelled ? null : distractor === '' ? (
        <span className="faint">
          of the logit of <bdi className="token">{showSpaces(target)}</bdi>
        </span>
      ) : null}
      <span className="spring" />
      {children}
    </div>
  );
}

export function CorruptedForm() {
  const { corrupted } = usePatchingSpec();
  return (
    <OtherPrompt
      corrupted={corrupted}
      use={(other) => setPatching({ corrupted: other, cell: null })}
    />
  );
}

/** One pair of prompts, or a set of them: templates in one click, a file, a paste. */
import { useState } from 'react';
import { count } from '../../draw/format';
import { notify } from '../state/store';
import { ownPairs, SETS, writePairs, type Pair, type PairSet } from '../text/pairs';
import { Choice, Option } from './Choice';
import { FileButton } from './FileButton';
import './pairs.css';

const WORDS: Readonly<Record<PairSet, readonly [name: string, note: string]>> = {
  one: ['One pair', 'The prompt above, and the other one.'],
  ioi: ['Indirect objects', '“When Mary and John went to the store, John gave a drink to”'],
  facts: ['Capitals', '“The capital of Japan is the city of”'],
  greater_than: ['Greater than', '“The war lasted from the year 1670 to the year 16”'],
  induction: ['Words that come again', '“ cat glass paper bridge cat glass paper”'],
  agreement: ['Number of the subject', '“The key to the cabinet”'],
  own: ['Pairs of your own', 'Of a file, or pasted: clean, corrupted, answer, wrong.'],
};

export interface PairsProps {
  set: PairSet;
  own: string;
  /** `own` is left as it is where it is absent. */
  use: (patch: { set: PairSet; own?: string }) => void;
}

export function PairsChoice({ set, own, use }: PairsProps) {
  const says = set === 'own' ? count(ownPairs(own).length, 'pair') : WORDS[set][0].toLowerCase();
  return (
    <Choice name="pairs" head="Prompts" says={says} changed={set !== 'one'} wide>
      <h3>Of which prompts</h3>
      {SETS.map((name) => (
        <Option
          key={name}
          group="pairs"
          value={name}
          checked={set === name}
          disabled={name === 'own' && own === ''}
          onChange={() => use({ set: name })}
          note={WORDS[name][1]}
        >
          {WORDS[name][0]}
        </Option>
      ))}
      <OwnPairs use={use} />
    </Choice>
  );
}

type Read = Pair[] | { problems: string[] };

/** A file, or rows of a table that are pasted. */
export function OwnPairs({ use }: Pick<PairsProps, 'use'>) {
  const [problems, setProblems] = useState<readonly string[]>([]);
  const [pasted, setPasted] = useState('');
  const take = (read: Read, of: string) => {
    if (!Array.isArray(read)) return setProblems(read.problems);
    setProblems([]);
    setPasted('');
    use({ set: 'own', own: writePairs(read) });
    notify(`${count(read.length, 'pair')} of ${of}.`);
  };
  const open = async (file: File) => {
    const { readPairs } = await import('../text/pairsFile');
    take(readPairs(await file.text(), file.name), file.name);
  };
  const paste = async () => {
    const { pastedPairs } = await import('../text/pairsFile');
    take(pastedPairs(pasted), 'the paste');
  };
  return (
    <div className="menu-foot">
      <FileButton
        words="Pairs of a file"
        accept=".csv,.jsonl,.ndjson,text/csv"
        testId="pairs-file"
        open={(file) => void open(file)}
      />
      <textarea
        className="pairs-paste mono"
        data-testid="pairs-paste"
        aria-label="Pasted rows: clean, corrupted, answer, wrong"
        placeholder={'or paste rows of a table, or JSON lines:\nclean, corrupted, answer, wrong'}
        rows={3}
        spellCheck={false}
        value={pasted}
        aria-invalid={problems.length > 0}
        onChange={(event) => {
          setPasted(event.target.value);
          setProblems([]);
        }}
      />
      {pasted.trim() === '' ? null : (
        <button type="button" data-testid="use-paste" onClick={() => void paste()}>
          Use these rows
        </button>
      )}
      <Notes problems={problems} />
    </div>
  );
}

const TOLD = 5;

function Notes({ problems }: { problems: readonly string[] }) {
  if (problems.length === 0)
    return (
      <p className="option-note">
        Answers are one token each, with the space before them. The pairs become part of the
        address.
      </p>
    );
  const more = problems.length - TOLD;
  return (
    <ul className="option-note problem pairs-problems" role="alert" data-testid="pairs-problems">
      {problems.slice(0, TOLD).map((problem) => (
        <li key={problem}>{problem}</li>
      ))}
      {more > 0 ? <li>And {count(more, 'row')} more.</li> : null}
    </ul>
  );
}

/** Where no other prompt was named yet: sets of pairs that come with the package. */
export function Sets({ use }: Pick<PairsProps, 'use'>) {
  return (
    <div className="pairs-sets">
      <h3>Or the mean over many pairs</h3>
      <p className="cost-actions">
        {SETS.filter((name) => name !== 'one' && name !== 'own').map((name) => (
          <button
            key={name}
            type="button"
            data-testid={`set-of-${name}`}
            title={WORDS[name][1]}
            onClick={() => use({ set: name })}
          >
            {WORDS[name][0]}
          </button>
        ))}
      </p>
      <OwnPairs use={use} />
    </div>
  );
}

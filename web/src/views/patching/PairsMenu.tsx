/** One pair of prompts, or a set of them: templates in one click, or a file. */
import { useState } from 'react';
import { Choice, Option } from '../../shared/parts/Choice';
import { FileButton } from '../../shared/parts/FileButton';
import { notify } from '../../shared/state/store';
import { count } from '../../draw/format';
import { ownPairs, writePairs } from './pairs';
import { setPatching, usePatchingSpec, type Patching } from './patchingState';

const WORDS: Readonly<Record<Patching['set'], readonly [name: string, note: string]>> = {
  one: ['One pair', 'The prompt above, and the corrupted one.'],
  ioi: ['Indirect objects', '“When Mary and John went to the store, John gave a drink to”'],
  facts: ['Capitals', '“The capital of Japan is the city of”'],
  greater_than: ['Greater than', '“The war lasted from the year 1670 to the year 16”'],
  induction: ['Words that come again', '“ cat glass paper bridge cat glass paper”'],
  agreement: ['Number of the subject', '“The key to the cabinet”'],
  own: ['A file', 'CSV or JSON lines with clean, corrupted, answer and wrong.'],
};

export function PairsChoice() {
  const { set, own } = usePatchingSpec();
  const says = set === 'own' ? count(ownPairs(own).length, 'pair') : WORDS[set][0].toLowerCase();
  return (
    <Choice name="pairs" head="Prompts" says={says} changed={set !== 'one'} wide>
      <h3>Of which prompts</h3>
      {(Object.keys(WORDS) as Patching['set'][]).map((name) => (
        <Option
          key={name}
          group="pairs"
          value={name}
          checked={set === name}
          disabled={name === 'own' && own === ''}
          onChange={() => setPatching({ set: name, cell: null })}
          note={WORDS[name][1]}
        >
          {WORDS[name][0]}
        </Option>
      ))}
      <PairsFile />
    </Choice>
  );
}

export function PairsFile() {
  const [problem, setProblem] = useState<string | null>(null);
  const open = async (file: File) => {
    const { readPairs } = await import('./pairsFile');
    const read = readPairs(await file.text(), file.name);
    if (typeof read === 'string') return setProblem(read);
    setProblem(null);
    setPatching({ set: 'own', own: writePairs(read), cell: null });
    notify(`${count(read.length, 'pair')} of ${file.name}.`);
  };
  return (
    <div className="menu-foot">
      <FileButton
        words="Pairs of a file"
        accept=".csv,.jsonl,.ndjson,text/csv"
        testId="pairs-file"
        open={(file) => void open(file)}
      />
      {problem === null ? (
        <p className="option-note">
          Answers are one token each, with the space before them. The pairs become part of the
          address.
        </p>
      ) : (
        <p className="option-note problem" role="alert">
          {problem}
        </p>
      )}
    </div>
  );
}

/** Where no other prompt was named yet: sets of pairs that come with the package. */
export function Sets() {
  return (
    <div className="patching-sets">
      <h3>Or the mean over many pairs</h3>
      <p className="cost-actions">
        {(Object.keys(WORDS) as Patching['set'][])
          .filter((name) => name !== 'one' && name !== 'own')
          .map((name) => (
            <button
              key={name}
              type="button"
              data-testid={`set-of-${name}`}
              title={WORDS[name][1]}
              onClick={() => setPatching({ set: name, cell: null })}
            >
              {WORDS[name][0]}
            </button>
          ))}
      </p>
      <PairsFile />
    </div>
  );
}

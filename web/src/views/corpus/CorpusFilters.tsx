/** Which tokens count: a filter for each label, those in force as chips. */
import { useState } from 'react';
import { Choice } from '../../shared/parts/Choice';
import { Icon } from '../../shared/parts/parts';
import { askCorpus, FILTERS, useCorpus, type Filter } from './corpusState';
import type { Hits } from './query';
import type { About } from './request';

const SAYS: Readonly<Record<Filter, readonly [label: string, example: string]>> = {
  word: ['word', 'bank, banks'],
  lemma: ['lemma', 'run'],
  pos: ['part of speech', 'VERB'],
  tag: ['tag', 'VBD'],
  dep: ['dependency', 'nsubj'],
  entity: ['entity', 'PERSON'],
  near: ['near the word', 'river'],
  file: ['file', 'a.txt'],
  metadata: ['field', 'author=Austen'],
};

interface Props {
  about: About;
  /** Of what is listed: what there is to ask for. */
  labels: Hits['labels'];
}

export function CorpusFilters({ about, labels }: Props) {
  const corpus = useCorpus();
  const set = FILTERS.filter((name) => corpus[name].length > 0);
  const fields = about.metadata.length > 0 || corpus.metadata.length > 0;
  return (
    <>
      <Choice
        name="filter"
        head="only"
        says={
          set.length === 0
            ? 'any token'
            : `${set.length} ${set.length === 1 ? 'filter' : 'filters'}`
        }
        changed={set.length > 0}
        wide
      >
        <div className="corpus-filters">
          {FILTERS.filter((name) => name !== 'metadata').map((name) => (
            <FilterField key={name} name={name} about={about} known={knownOf(name, labels)} />
          ))}
          <Reach />
          {fields ? <FilterField name="metadata" about={about} known={[]} /> : null}
        </div>
        <p className="faint">
          Enter asks. Commas between several, of which one must fit{fields ? ', of each field' : ''}
          . Case counts in labels, not in words.
        </p>
      </Choice>
      {set.map((name) => (
        <span key={name} className="corpus-chip" data-testid={`chip-${name}`}>
          <span className="faint">{SAYS[name][0]}</span> {corpus[name].join(', ')}
          <button
            type="button"
            className="icon-button"
            aria-label={`Without the filter by ${SAYS[name][0]}`}
            onClick={() => askCorpus({ [name]: [] })}
          >
            <Icon name="close" />
          </button>
        </span>
      ))}
    </>
  );
}

/** The parts of speech of Universal Dependencies, which spaCy writes whatever the language. */
const POS =
  'ADJ ADP ADV AUX CCONJ DET INTJ NOUN NUM PART PRON PROPN PUNCT SCONJ SYM VERB X SPACE'.split(' ');

/** Labels to choose from: those of what is listed, and of parts of speech all. */
function knownOf(name: Filter, labels: Hits['labels']): readonly string[] {
  const seen = (labels?.items ?? []).filter(({ column, label }) => column === name && label !== '');
  const found = seen.map(({ label }) => label);
  return name === 'pos' ? [...new Set([...found, ...POS])] : found;
}

/** How far a near word may be; typed as the filters are. */
function Reach() {
  const { reach } = useCorpus();
  const [draft, setDraft] = useState(String(reach));
  const [from, setFrom] = useState(reach);
  if (from !== reach) {
    setFrom(reach);
    setDraft(String(reach));
  }
  const take = () => {
    const found = Number(draft);
    if (!Number.isInteger(found) || found < 1 || found > 4096) setDraft(String(reach));
    else if (found !== reach) askCorpus({ reach: found });
  };
  return (
    <label>
      <span>within, tokens</span>
      <input
        className="mono"
        type="number"
        min={1}
        max={4096}
        data-testid="filter-reach"
        aria-label="How far a near word is, in tokens"
        value={draft}
        onChange={(event) => setDraft(event.target.value)}
        onBlur={take}
        onKeyDown={(event) => {
          if (event.key === 'Enter') take();
        }}
      />
    </label>
  );
}

/** Of this corpus, where there is one. */
function exampleOf(name: Filter, { files, metadata }: About): string | undefined {
  if (name === 'metadata') return metadata[0] === undefined ? undefined : `${metadata[0]}=…`;
  return name === 'file' ? files[0] : undefined;
}

interface FieldProps {
  name: Filter;
  about: About;
  known: readonly string[];
}

function FilterField({ name, about, known }: FieldProps) {
  const value = useCorpus()[name].join(', ');
  const [draft, setDraft] = useState(value);
  const [from, setFrom] = useState(value);
  if (from !== value) {
    setFrom(value);
    setDraft(value);
  }
  const take = () => {
    const typed = name === 'pos' ? draft.toUpperCase() : draft;
    const found = [...new Set(typed.split(',').map((one) => one.trim()))].filter(Boolean);
    if (found.join(', ') !== value) askCorpus({ [name]: found.slice(0, 100) });
  };
  const [label, example] = SAYS[name];
  return (
    <label>
      <span>{label}</span>
      <input
        className="mono"
        data-testid={`filter-${name}`}
        placeholder={exampleOf(name, about) ?? example}
        list={known.length > 0 ? `known-${name}` : undefined}
        maxLength={2000}
        autoComplete="off"
        spellCheck={false}
        value={draft}
        onChange={(event) => setDraft(event.target.value)}
        onBlur={take}
        onKeyDown={(event) => {
          if (event.key === 'Enter') take();
        }}
      />
      {known.length > 0 ? (
        <datalist id={`known-${name}`}>
          {known.map((one) => (
            <option key={one}>{one}</option>
          ))}
        </datalist>
      ) : null}
    </label>
  );
}

/** Which tokens count: a filter for each label, those in force as chips. */
import { useState } from 'react';
import { Choice } from '../../shared/parts/Choice';
import { Icon } from '../../shared/parts/parts';
import { askCorpus, FILTERS, useCorpus, type Filter } from './corpusState';
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
};

export function CorpusFilters({ about }: { about: About }) {
  const corpus = useCorpus();
  const set = FILTERS.filter((name) => corpus[name].length > 0);
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
          {FILTERS.map((name) => (
            <FilterField key={name} name={name} files={about.files} />
          ))}
          <label>
            <span>at most</span>
            <input
              className="mono"
              type="number"
              min={1}
              max={4096}
              data-testid="filter-reach"
              aria-label="How far a near word is, in tokens"
              value={corpus.reach}
              onChange={(event) => {
                const reach = Number(event.target.value);
                if (Number.isInteger(reach) && reach >= 1 && reach <= 4096) askCorpus({ reach });
              }}
            />
          </label>
        </div>
        <p className="faint">
          Commas between several, of which one must fit. Case counts in labels, not in words.
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

function FilterField({ name, files }: { name: Filter; files: readonly string[] }) {
  const value = useCorpus()[name].join(', ');
  const [draft, setDraft] = useState(value);
  const [from, setFrom] = useState(value);
  if (from !== value) {
    setFrom(value);
    setDraft(value);
  }
  const take = () => {
    const found = [...new Set(draft.split(',').map((one) => one.trim()))].filter(Boolean);
    if (found.join(', ') !== value) askCorpus({ [name]: found.slice(0, 100) });
  };
  const [label, example] = SAYS[name];
  return (
    <label>
      <span>{label}</span>
      <input
        className="mono"
        data-testid={`filter-${name}`}
        placeholder={name === 'file' ? (files[0] ?? example) : example}
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
    </label>
  );
}

/** A circuit from a file, in place of what the effects say: Unembed's JSON, or MIB's. */
import { useState } from 'react';
import { notify } from '../../shared/state/store';
import { setCircuit } from './circuitState';
import { readCircuit } from './files';

export function FromFile() {
  const [problem, setProblem] = useState<string | null>(null);
  const open = async (file: File) => {
    const found = readCircuit(await file.text());
    if (typeof found === 'string') return setProblem(found);
    setProblem(null);
    setCircuit({ edges: 0, include: found, exclude: [], measure: 0, chosen: null });
    notify(`${found.length.toLocaleString('en')} edges of ${file.name}, and no others.`);
  };
  return (
    <div className="menu-foot">
      <label className="choose-file">
        The edges of a file …
        <input
          type="file"
          className="visually-hidden"
          accept=".json,application/json"
          data-testid="circuit-file"
          onChange={(event) => {
            const file = event.target.files?.[0];
            event.target.value = '';
            if (file) void open(file);
          }}
        />
      </label>
      {problem === null ? (
        <p className="option-note">JSON of a circuit as it is saved here, or in MIB’s format.</p>
      ) : (
        <p className="option-note problem">{problem}</p>
      )}
    </div>
  );
}

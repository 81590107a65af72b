/** A circuit from a file, in place of what the effects say: Unembed's JSON, or MIB's. */
import { useState } from 'react';
import { FileButton } from '../../shared/parts/FileButton';
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
      <FileButton
        words="The edges of a file"
        accept=".json,application/json"
        testId="circuit-file"
        open={(file) => void open(file)}
      />
      {problem === null ? (
        <p className="option-note">JSON of a circuit as it is saved here, or in MIB’s format.</p>
      ) : (
        <p className="option-note problem">{problem}</p>
      )}
    </div>
  );
}

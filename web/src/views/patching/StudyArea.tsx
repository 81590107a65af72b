/** The mean grid of many pairs of prompts, with how sure each cell is. */
import { useMemo } from 'react';
import { count, figures } from '../../draw/format';
import type { Analysis } from '../../shared/api/queries';
import { useSpec } from '../../shared/state/store';
import { byHead } from './cells';
import { PatchCanvas, chosenCell } from './PatchCanvas';
import { PatchTable } from './PatchTable';
import { usePatchingSpec } from './patchingState';
import type { Study } from './query';
import { gridOf, studySentence } from './study';

interface Props {
  study: Study;
  analysis: Analysis<Study>;
  cellWidth: number;
}

export function StudyArea({ study, analysis, cellWidth }: Props) {
  const { table } = useSpec();
  const { cell } = usePatchingSpec();
  const grid = useMemo(() => gridOf(study), [study]);
  const at = chosenCell(grid, cell);
  return (
    <div className={`patching ${analysis.current ? '' : 'stale'}`} aria-busy={analysis.busy}>
      <Readout study={study} />
      {table ? (
        <PatchTable grid={grid} />
      ) : (
        <PatchCanvas
          grid={grid}
          cellWidth={Math.max(cellWidth, 40)}
          say={(row, column) => studySentence(study, row, column)}
        />
      )}
      <p className="patching-cell faint" data-testid="study-note">
        {at
          ? studySentence(study, at.row, at.column)
          : 'Choose a cell for how sure its mean is. Tokens are those of the first pair.'}
      </p>
    </div>
  );
}

const LEFT_OUT = 3;

function Readout({ study }: { study: Study }) {
  const { left_out: out } = study;
  return (
    <div className="attribution-readout" data-testid="study-readout">
      <p>
        <strong>{count(study.n_pairs, 'pair')}</strong>: answer less wrong answer{' '}
        <strong>{figures(study.clean)}</strong> in the clean prompts,{' '}
        <strong>{figures(study.corrupted)}</strong> in the corrupted ones
        <span className="faint"> in the mean · {count(study.n_runs, 'run')}</span>
      </p>
      {out.length > 0 ? (
        <p className="faint">
          {count(out.length, 'pair')} left out:{' '}
          {out
            .slice(0, LEFT_OUT)
            .map(({ pair, reason }) => `${pair} (${reason})`)
            .join('; ')}
          {out.length > LEFT_OUT ? ' …' : ''}
        </p>
      ) : null}
      <p className="faint">
        {byHead(study.site) ? null : (
          <>
            Of the first pair: <bdi>{study.tokens.map(({ label }) => label).join('')}</bdi>
          </>
        )}
      </p>
    </div>
  );
}

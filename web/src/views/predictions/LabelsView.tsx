/** In place of predictions, for a model that gives labels: which, and what edits do to that. */
import { lazy, Suspense } from 'react';
import { probability, signed } from '../../draw/format';
import { Bar, SideMark, Token } from '../../shared/parts/parts';
import { ErrorNote } from '../../shared/parts/ErrorNote';
import { Formula } from '../../shared/parts/Formula';
import { saveCsv, saveJson } from '../../shared/parts/save';
import { TokenStrip } from '../../shared/parts/TokenStrip';
import { Status, ViewBar } from '../../shared/parts/ViewBar';
import { useSpec } from '../../shared/state/store';
import type { ViewProps } from '../../shared/view';
import { labelRows, labelsTable, type LabelRow } from './labels';
import { useLabels, type LabelScores } from './query';

const SaveMenu = lazy(async () => ({
  default: (await import('../../shared/parts/SaveMenu')).SaveMenu,
}));

export function LabelsView({ model, experiment, cellWidth }: ViewProps) {
  const spec = useSpec();
  const analysis = useLabels(spec);
  const { data } = analysis;
  return (
    <>
      <ViewBar status={<Status kind="labels" analysis={analysis} waiting={experiment.waiting} />}>
        {data && model ? (
          <Suspense fallback={null}>
            <SaveMenu
              csv={() => saveCsv('labels.csv', labelsTable(data))}
              json={() => saveJson('labels.json', { spec, answer: data })}
              model={model}
            />
          </Suspense>
        ) : null}
        <LabelsFormula />
      </ViewBar>
      <TokenStrip experiment={experiment} cellWidth={cellWidth} />
      <ErrorNote
        error={experiment.error ?? analysis.error}
        retry={experiment.error ? experiment.retry : analysis.retry}
        stale={data !== null}
      />
      {data ? (
        <div
          className={`labels ${analysis.current ? '' : 'stale'}`}
          aria-busy={analysis.busy}
          data-testid="labels"
        >
          <LabelTable data={data} />
        </div>
      ) : null}
    </>
  );
}

function LabelTable({ data }: { data: LabelScores }) {
  const edited = data.rows.some((row) => row.edited !== null);
  const ofTokens = data.of === 'token';
  return (
    <section className="next-token" aria-labelledby="labels-title">
      <h2 id="labels-title">
        {ofTokens ? 'Labels of each token' : 'Labels of the text'}
        <span className="faint"> {data.n_labels} in all</span>
      </h2>
      <table className={ofTokens ? 'of-tokens' : ''}>
        <thead>
          <tr>
            {ofTokens ? <th scope="col">token</th> : null}
            <th scope="col">label</th>
            <th scope="col" className="visual">
              <span className="visually-hidden">share</span>
            </th>
            <th scope="col">{edited ? <SideMark side="baseline" /> : 'probability'}</th>
            {edited ? (
              <th scope="col">
                <SideMark side="edited" />
              </th>
            ) : null}
            <th scope="col" title={edited ? 'Edited score less the baseline’s' : 'As a logit'}>
              {edited ? 'change of score' : 'score'}
            </th>
          </tr>
        </thead>
        <tbody>
          {labelRows(data).map((row) => (
            <Row key={row.key} row={row} data={data} />
          ))}
        </tbody>
      </table>
    </section>
  );
}

function Row({ row, data }: { row: LabelRow; data: LabelScores }) {
  const { before, after } = row;
  const token = row.position === null ? undefined : data.tokens[row.position];
  return (
    <tr>
      {data.of === 'token' ? <td>{token ? <Token token={token} /> : null}</td> : null}
      <th scope="row">
        <bdi>{row.label}</bdi>
      </th>
      <td className="visual">
        {before.probability === null ? null : <Bar share={before.probability} side="baseline" />}
        {after === null || after.probability === null ? null : (
          <Bar share={after.probability} side="edited" />
        )}
      </td>
      <td className="number">{share(before)}</td>
      {after ? <td className="number">{share(after)}</td> : null}
      <td className="number" title={String(after ? after.score - before.score : before.score)}>
        {signed(after ? after.score - before.score : before.score)}
      </td>
    </tr>
  );
}

/** Its probability; of a quantity the score itself. */
function share({ score, probability: value }: LabelScores['rows'][number]['baseline'][number]) {
  return value === null ? signed(score) : probability(value);
}

function LabelsFormula() {
  return (
    <Formula
      title="How labels are scored"
      lines={[
        {
          name: 'score',
          formula: 'the output of the model’s head',
          note: 'One number for each label, of the text or of each token.',
        },
        {
          name: 'probability',
          formula: 'softmax over all labels',
          note: 'Where several labels may hold at once, each by itself: sigmoid. A quantity has none.',
        },
      ]}
    />
  );
}

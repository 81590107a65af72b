/** The page of one component: what it writes, what makes it fire, what it does on this prompt. */
import { exampleOf, isAsked } from '../../shared/text/chat';
import type { ReactNode } from 'react';
import { useIndex, useVector, type Vector } from '../../shared/api/explore';
import { useComponent, type Analysis, type ModelInfo } from '../../shared/api/queries';
import { Token } from '../../shared/parts/parts';
import { SaveMenu } from '../../shared/parts/SaveMenu';
import { saveCsv, saveJson } from '../../shared/parts/save';
import { checkTarget, hasVector, parseTarget, type Target } from '../../shared/text/address';
import { quantity } from '../../draw/format';
import { exploreWith, useExplore } from '../../shared/state/exploring';
import { change, useSpec } from '../../shared/state/store';
import { Acting } from './Acting';
import { ActivationText } from './ActivationText';
import { InCorpus } from './InCorpus';
import { InWords } from './InWords';
import { Header } from './ComponentHeader';
import {
  ComponentFormula,
  isLatent,
  keysOf,
  NoTokens,
  scored,
  VectorFormula,
  WhichRun,
  type Component,
} from '../../shared/parts/ComponentParts';
import { ErrorNote } from '../../shared/parts/ErrorNote';
import { useMode } from '../../shared/state/experiment';
import { EditsEffect } from '../../shared/parts/EditsEffect';
import { HitList } from '../../shared/parts/HitList';
import { LayerWrites } from './LayerWrites';
import { OpenComponent } from './OpenComponent';
import { OtherText } from './OtherText';
import { actingRequest } from './query';
import { savePage } from './savePage';
import { PositionList } from '../../shared/parts/PositionList';
import { asSentence, lacks, type ViewProps } from '../../shared/view';
import { ShowChoice, Table, TokenScores } from '../../shared/parts/TokenScores';
import { Status, ViewBar } from '../../shared/parts/ViewBar';

/** Tokens on either side of a page's lists. */
const LISTED = 16;
const EFFECTS = 50;
/** What is said of nodes that have no one direction and no one number. */
const ALONE =
  'Nodes that write alike are told of neurons and latents: each of them writes one direction.';
const TOGETHER = ' Heads of its layer that are active with it are listed in a corpus.';

export function ComponentPage({ model, experiment }: ViewProps) {
  const spec = useSpec();
  const target = spec.node === null ? null : parseTarget(spec.node);
  const checked = spec.node !== null && model ? checkTarget(spec.node, model) : null;
  if (!target || spec.node === null || (checked && 'problem' in checked)) {
    return (
      <>
        <ViewBar />
        <OpenComponent
          model={model}
          problem={checked && 'problem' in checked ? checked.problem : null}
        />
      </>
    );
  }
  return (
    <Page
      node={spec.node}
      target={target}
      model={model}
      position={experiment.position}
      waiting={experiment.waiting}
    />
  );
}

interface PageProps {
  node: string;
  target: Target;
  model: ModelInfo | null;
  position: number | null;
  waiting: boolean;
}

function Page({ node, target, model, position, waiting }: PageProps) {
  const spec = useSpec();
  const neuron = hasVector(target);
  const side = useMode() === 'edited' ? 'edited' : 'baseline';
  const vector = useVector(spec, neuron ? node : null);
  const component = useComponent(spec, position, side, EFFECTS);
  const facts = vector.data?.target === node ? vector.data : null;
  const here = component.data?.target === node ? component.data : null;
  return (
    <>
      <ViewBar
        status={
          neuron ? (
            <Status kind="vector" analysis={vector} timed={false} />
          ) : (
            <Status kind="component" analysis={component} waiting={waiting} timed={false} />
          )
        }
      >
        {lacks(model, 'lens') === null ? <ShowChoice /> : null}
        {model && (facts ?? here) ? (
          <PageSave
            node={node}
            vector={facts}
            component={here}
            model={model}
            html={
              isAsked(spec)
                ? () => savePage(node, actingRequest(spec, position ?? -1, side))
                : undefined
            }
          />
        ) : null}
      </ViewBar>
      <div className="component-page">
        <Header node={node} target={target} model={model} vector={facts} />
        <ErrorNote ofNode error={vector.error} retry={vector.retry} stale={facts !== null} />
        {facts ? <VectorSections vector={facts} analysis={vector} /> : null}
        <OnPrompt
          data={here}
          analysis={component}
          side={side}
          neuron={neuron}
          waiting={waiting}
          model={model}
        />
        {isAsked(spec) ? <Acting position={position} side={side} /> : null}
        <OtherText key={`text ${node}`} node={node} />
        {facts ? <Neighbours vector={facts} model={model} /> : null}
        {neuron ? null : (
          <p className="faint component-section">
            {ALONE}
            {target.kind === 'head' ? TOGETHER : null}
          </p>
        )}
        <Section title="In a corpus" note="where it is strongest, in the middle, and anywhere">
          <InWords key={`words ${node}`} node={node} />
          <InCorpus key={node} node={node} />
        </Section>
      </div>
      <EditsEffect position={position} />
    </>
  );
}

// ------------------------------------------------------------------ whatever runs

function VectorSections({ vector, analysis }: { vector: Vector; analysis: Analysis<Vector> }) {
  const { projection } = useExplore();
  const raw = projection === 'raw';
  const row = isLatent(vector) ? 'the row of its decoder' : 'its value vector';
  const writes = vector.writes ?? [];
  const what = writes.length > 0 ? 'all of it together' : row;
  return (
    <div className={`component-columns ${analysis.current ? '' : 'stale'}`}>
      <Section
        title="What it writes"
        {...(vector.promoted.length === 0
          ? {}
          : { note: raw ? `${what}, read by the unembedding` : 'through the final norm’s weight' })}
        extra={<VectorFormula vector={vector} raw={raw} />}
      >
        {vector.promoted.length === 0 ? (
          <NoTokens />
        ) : (
          <TokenScores
            promoted={vector.promoted}
            suppressed={vector.suppressed}
            unit="logit / unit"
            most={LISTED}
          />
        )}
      </Section>
      <Section title="What makes it fire" note="tokens at the input that its key listens to">
        <Keys vector={vector} />
      </Section>
      {writes.length > 0 ? (
        <Section title="Where it writes" note="each of its vectors, for a value of 1">
          <LayerWrites writes={writes} />
        </Section>
      ) : null}
    </div>
  );
}

function Keys({ vector }: { vector: Vector }) {
  const lists = keysOf(vector);
  const largest = Math.max(
    ...lists.flatMap(([, tokens]) => tokens.map(({ score }) => Math.abs(score))),
    1e-9,
  );
  return (
    <div className="component-keys" data-testid="keys">
      {vector.key_reason ? <p className="faint">{asSentence(vector.key_reason)}</p> : null}
      {lists.map(([title, tokens]) => (
        <Table
          key={title}
          title={title}
          tokens={tokens.slice(0, 10)}
          unit="cosine"
          largest={largest}
        />
      ))}
    </div>
  );
}

function Neighbours({ vector, model }: { vector: Vector; model: ModelInfo | null }) {
  const index = useIndex();
  const { projection } = useExplore();
  if (!vector.similar && !index.data) return null; // whether there is an index is not known yet
  if (!vector.similar) {
    const missing = index.data && index.data[projection] === null && index.data.reason === null;
    return (
      <Section title="Nearest vectors">
        <p className="faint">
          {missing ? 'Neighbours and clusters need the vector index.' : 'No neighbours are known.'}{' '}
          {missing ? (
            <button type="button" className="link" onClick={() => change({ view: 'explore' })}>
              See what building it costs
            </button>
          ) : null}
        </p>
      </Section>
    );
  }
  const latents = isLatent(vector);
  const searched = lacks(model, 'lens') === null;
  return (
    <Section
      title={latents ? 'Nearest latents' : 'Nearest vectors'}
      {...(searched || latents ? {} : { note: 'of its layer' })}
      extra={
        searched ? (
          <button
            type="button"
            className="link"
            onClick={() => exploreWith({ ask: 'similar', like: 'node', node: vector.target })}
          >
            {latents ? 'neurons like it' : 'all of them'}
          </button>
        ) : null
      }
    >
      <HitList
        hits={vector.similar.filter((hit) => hit.node !== vector.target)}
        model={model}
        unit="cosine"
      />
    </Section>
  );
}

// ------------------------------------------------------------------ on this prompt

interface OnPromptProps {
  data: Component | null;
  analysis: Analysis<Component>;
  side: 'baseline' | 'edited';
  neuron: boolean;
  waiting: boolean;
  model: ModelInfo | null;
}

function OnPrompt({ data, analysis, side, neuron, waiting, model }: OnPromptProps) {
  const spec = useSpec();
  if (!isAsked(spec)) return <NoPrompt model={model} neuron={neuron} />;
  const here = data?.tokens[data.position];
  return (
    <>
      <Section
        title="On this prompt"
        extra={
          <>
            {data && !analysis.busy ? (
              <WhichRun side={side} />
            ) : (
              <Status kind="component" analysis={analysis} waiting={waiting} timed={false} />
            )}
          </>
        }
      >
        <ErrorNote ofNode error={analysis.error} retry={analysis.retry} stale={data !== null} />
        {data ? <ActivationText data={data} /> : null}
      </Section>
      {data ? (
        <div className={`component-columns ${analysis.current ? '' : 'stale'}`}>
          <Section
            title={<>What it adds at {here ? <Token token={here} /> : null}</>}
            note={`position ${data.position}: norm ${quantity(data.write_norm)} beside ${quantity(data.resid_norm)} of the residual stream`}
            extra={<ComponentFormula data={data} />}
          >
            {data.write_norm === 0 ? (
              <p>It writes nothing here: in this run it is zero.</p>
            ) : data.promotes.length === 0 ? (
              neuron && lacks(model, 'lens') !== null ? null : ( // "What it writes" has said so
                <NoTokens />
              )
            ) : (
              <TokenScores
                promoted={scored(data.promotes)}
                suppressed={scored(data.suppresses)}
                unit="logit"
                most={neuron ? 10 : LISTED}
              />
            )}
          </Section>
          {data.attends_to ? (
            <Section title="Where it looks" note="the row of its pattern at this position">
              <PositionList data={data} />
            </Section>
          ) : null}
        </div>
      ) : null}
    </>
  );
}

function NoPrompt({ model, neuron }: { model: ModelInfo | null; neuron: boolean }) {
  const example = model?.examples[0];
  return (
    <Section title="On a prompt">
      <p className="faint">
        {neuron
          ? 'Run a prompt to see where it fires.'
          : 'What it writes depends on what it reads: run a prompt to see it.'}
      </p>
      {example ? (
        <p>
          <button
            type="button"
            className="example"
            onClick={() => change(exampleOf(example, model))}
          >
            <span className="faint">Try it</span> <span>{example}</span>
          </button>
        </p>
      ) : null}
    </Section>
  );
}

interface SectionProps {
  title: ReactNode;
  note?: string;
  extra?: ReactNode;
  children: ReactNode;
}

function Section({ title, note, extra, children }: SectionProps) {
  return (
    <section className="component-section">
      <h3>
        {title} {note ? <span className="faint">{note}</span> : null} {extra}
      </h3>
      {children}
    </section>
  );
}

// ------------------------------------------------------------------ taking it along

interface SaveProps {
  node: string;
  vector: Vector | null;
  component: Component | null;
  model: ModelInfo;
  html: (() => void) | undefined;
}

function PageSave({ node, vector, component, model, html }: SaveProps) {
  const rows = (list: string, tokens: Vector['promoted']) =>
    tokens.map(({ token, score }) => [list, token.id, token.label, score]);
  return (
    <SaveMenu
      csv={() =>
        saveCsv(`${node}.csv`, [
          ['list', 'id', 'token', 'score'],
          ...(vector
            ? [
                ...rows('promotes', vector.promoted),
                ...rows('suppresses', vector.suppressed),
                ...rows('fires on', vector.key_promotes),
              ]
            : []),
          ...(component
            ? [
                ...rows('adds here', scored(component.promotes)),
                ...rows('takes here', scored(component.suppresses)),
              ]
            : []),
        ])
      }
      json={() => saveJson(`${node}.json`, { vector, component })}
      more={html ? [['Save as HTML', html]] : []}
      model={model}
    />
  );
}

/** The place of the view: chooses it, measures it, teaches where there is nothing to show yet. */
import { lazy, Suspense, useEffect, useLayoutEffect, useRef, useState } from 'react';
import type { ModelInfo } from '../shared/api/queries';
import { fittingWidth } from '../draw/zoom';
import { shorten } from '../draw/tokens';
import { dropPeek } from '../shared/state/peek';
import type { Spec } from '../shared/text/url';
import { change, useSpec, useStore } from '../shared/state/store';
import { port } from '../shared/state/zoom';
import { useExperiment } from '../shared/state/experiment';
import { GUTTER } from '../shared/parts/layout';
import { PredictionsView } from '../views/predictions/PredictionsView';
import { ViewBar } from '../shared/parts/ViewBar';

const VIEWS = {
  predictions: PredictionsView,
  lens: lazy(async () => ({ default: (await import('../views/lens/LensView')).LensView })),
  flow: lazy(async () => ({ default: (await import('../views/flow/FlowView')).FlowView })),
  explore: lazy(async () => ({
    default: (await import('../views/explore/ExploreView')).ExploreView,
  })),
  component: lazy(async () => ({
    default: (await import('../views/component/ComponentPage')).ComponentPage,
  })),
};

export function Stage({ model }: { model: ModelInfo | null }) {
  const spec = useSpec();
  const place = useRef<HTMLElement>(null);
  const room = useWidth(place) - GUTTER;
  const experiment = useExperiment(model);
  const zoom = useStore((state) => state.zoom);
  const columns = experiment.tokens?.length ?? 1;
  const cellWidth = zoom ?? spec.width ?? fittingWidth(columns, room);
  useLayoutEffect(() => {
    Object.assign(port, { cellWidth, columns, width: room });
  }, [cellWidth, columns, room]);
  useEffect(dropPeek, [spec.view, spec.prompt]);
  useEffect(() => {
    document.title = titleOf(spec);
  }, [spec]);
  if (spec.prompt === '' && isTaught(spec.view)) {
    return (
      <main className="view" ref={place}>
        <ViewBar />
        <Welcome model={model} view={spec.view} />
      </main>
    );
  }
  const View = VIEWS[spec.view];
  return (
    <main className="view" ref={place} data-testid={`view-${spec.view}`}>
      <Suspense fallback={<Loading />}>
        <View model={model} experiment={experiment} cellWidth={cellWidth} />
      </Suspense>
    </main>
  );
}

/** While the code of a view is on its way. */
function Loading() {
  return (
    <>
      <ViewBar />
      <div data-busy="true" aria-busy="true" />
    </>
  );
}

function titleOf({ view, node, prompt }: Spec): string {
  const subject = view === 'component' && node !== null ? node : shorten(prompt.trim(), 40);
  return subject === '' ? 'Unembed' : `${subject} – Unembed`;
}

export interface ViewProps {
  model: ModelInfo | null;
  experiment: ReturnType<typeof useExperiment>;
  cellWidth: number;
}

function useWidth(place: React.RefObject<HTMLElement | null>): number {
  const [width, setWidth] = useState(1200);
  useEffect(() => {
    if (!place.current) return;
    const observer = new ResizeObserver(([entry]) =>
      setWidth(Math.floor(entry?.contentRect.width ?? 0)),
    );
    observer.observe(place.current);
    return () => observer.disconnect();
  }, [place]);
  return width;
}

function isTaught(view: Spec['view']): view is keyof typeof TEACH {
  return view in TEACH;
}

const TEACH = {
  predictions: [
    'What does the model say next, and at which layer does it know?',
    'Every layer reads and writes one vector per token, the residual stream. Read at any layer as if it were the last, it says what the model would predict if it stopped there.',
  ],
  lens: [
    'Where does the answer appear, at which layer and at which token?',
    'The grid reads the residual stream at every layer and every token at once. A row is a layer, a column is a token, a cell shows what would be predicted there.',
  ],
  flow: [
    'Which heads and neurons wrote the answer, and from which words?',
    'One layer, taken apart at one token and drawn from left to right: what attention reads, the heads and the words that they look at, what they write, then the neurons of the feed-forward. Bands are as wide as what passes is strong, every box says what it predicts. Cut one, and see what the model says without it.',
  ],
} as const;

function Welcome({ model, view }: { model: ModelInfo | null; view: keyof typeof TEACH }) {
  const [question, text] = TEACH[view];
  const example = model?.examples[0];
  return (
    <div className="welcome" data-testid="welcome">
      <h2>{question}</h2>
      <p>{text}</p>
      {example ? (
        <button
          type="button"
          className="example"
          data-testid="example"
          onClick={() => change({ prompt: example })}
        >
          <span className="faint">Try it</span> <span>{example}</span>
        </button>
      ) : null}
      <ul className="welcome-keys">
        <li>
          <kbd>/</kbd> go to the prompt, <kbd>Ctrl ↵</kbd> run it
        </li>
        <li>
          <kbd>,</kbd> <kbd>.</kbd> token, <kbd>[</kbd> <kbd>]</kbd> layer
        </li>
        <li>
          <kbd>x</kbd> set a component to zero and see what changes, <kbd>?</kbd> all keys
        </li>
      </ul>
    </div>
  );
}

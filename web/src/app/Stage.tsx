/** The place of the view: chooses it, measures it, teaches where there is nothing to show yet. */
import { exampleOf, isAsked, saidOf } from '../shared/text/chat';
import { Suspense, useEffect, useLayoutEffect, useRef, useState } from 'react';
import type { ModelInfo } from '../shared/api/queries';
import { fittingWidth, GUTTER } from '../draw/zoom';
import { shorten } from '../draw/tokens';
import { dropPeek } from '../shared/state/peek';
import type { Spec } from '../shared/text/url';
import { change, useSpec, useStore } from '../shared/state/store';
import { port } from '../shared/state/zoom';
import { useExperiment } from '../shared/state/experiment';
import { TokenStrip } from '../shared/parts/TokenStrip';
import { ViewBar } from '../shared/parts/ViewBar';
import { asSentence, has, lacks, useView, type View } from '../shared/view';

export function Stage({ model }: { model: ModelInfo | null }) {
  const spec = useSpec();
  const view = useView();
  const place = useRef<HTMLElement>(null);
  const room = useWidth(place) - GUTTER;
  const experiment = useExperiment(model);
  const zoom = useStore((state) => state.zoom);
  const columns = experiment.tokens?.length ?? 1;
  const cellWidth = zoom ?? spec.width ?? fittingWidth(columns, room);
  useLayoutEffect(() => {
    Object.assign(port, { cellWidth, columns, width: room });
  }, [cellWidth, columns, room]);
  useEffect(dropPeek, [spec.view, spec.prompt, spec.source, spec.chat]);
  useEffect(() => {
    document.title = titleOf(spec, view);
  }, [spec, view]);
  const welcome =
    !isAsked(spec) && view.teach ? <Welcome model={model} teach={view.teach} /> : null;
  if (welcome && !view.unasked) {
    return (
      <main className="view" ref={place}>
        <ViewBar />
        {welcome}
      </main>
    );
  }
  const reason = view.needs && !welcome ? lacks(model, view.needs.capability) : null;
  const { otherwise } = view.needs ?? {};
  const replaced = reason !== null && otherwise && has(model, otherwise.capability);
  const Shown = replaced ? otherwise.component : view.component;
  return (
    <main className="view" ref={place} data-testid={`view-${view.id}`}>
      {view.needs && reason !== null && !replaced ? (
        <>
          <ViewBar />
          <TokenStrip experiment={experiment} cellWidth={cellWidth} />
          <Lacking view={view.id} needs={view.needs} reason={reason} model={model} />
        </>
      ) : (
        <Suspense fallback={<Loading />}>
          <Shown {...{ model, experiment, cellWidth, welcome }} />
        </Suspense>
      )}
    </main>
  );
}

interface LackingProps {
  view: string;
  needs: NonNullable<View['needs']>;
  reason: string;
  model: ModelInfo | null;
}

/** In place of a view that this model cannot have. */
function Lacking({ view, needs, reason, model }: LackingProps) {
  return (
    <section className="no-lens" data-testid={`no-${view}`}>
      <h2>{needs.title}</h2>
      <p>{asSentence(reason)}</p>
      {needs.note ? <p className="faint">{needs.note}</p> : null}
      {needs.instead && has(model, needs.instead.capability) ? (
        <p className="faint">{needs.instead.note}</p>
      ) : null}
    </section>
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

function titleOf(spec: Spec, { ofNode }: View): string {
  const { node } = spec;
  const subject = ofNode && node !== null ? node : shorten(saidOf(spec), 40);
  return subject === '' ? 'Unembed' : `${subject} – Unembed`;
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

interface WelcomeProps {
  model: ModelInfo | null;
  teach: NonNullable<View['teach']>;
}

function Welcome({ model, teach }: WelcomeProps) {
  const example = model?.examples[0];
  return (
    <div className="welcome" data-testid="welcome">
      <h2>{teach.question}</h2>
      <p>{teach.text}</p>
      {example ? (
        <button
          type="button"
          className="example"
          data-testid="example"
          onClick={() => change(exampleOf(example, model))}
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

/** The page: bars at the top, one view, the drawer beside it, what floats above. */
import { lazy, Suspense, useLayoutEffect, useMemo, useRef } from 'react';
import { AddressProblems } from './AddressProblems';
import { EditsTray } from './EditsTray';
import { PromptBar } from './PromptBar';
import { Toast } from './Toast';
import { TopBar } from './TopBar';
import { useModel } from '../shared/api/queries';
import { mountPeek } from '../shared/state/peek';
import { useStore } from '../shared/state/store';
import { useView, Views } from '../shared/view';
import { VIEWS } from '../views';
import { Stage } from './Stage';

const SavedRuns = lazy(() => import('./SavedRuns'));
const AccessDialog = lazy(async () => ({
  default: (await import('./AccessDialog')).AccessDialog,
}));
const HelpDialog = lazy(() => import('./HelpDialog'));
const Drawer = lazy(async () => ({ default: (await import('./Drawer')).Drawer }));

export function App() {
  const access = useStore((state) => state.access);
  const runs = useStore((state) => state.runs);
  const help = useStore((state) => state.help);
  const shown = useStore(({ spec }) => spec.view);
  const views = useMemo(() => {
    const view = VIEWS.find(({ id }) => id === shown) ?? VIEWS[0];
    return view ? { views: VIEWS, view } : null;
  }, [shown]);
  return (
    <Views value={views}>
      {access === 'checking' ? null : <Page />}
      {access === 'refused' ? (
        <Suspense fallback={null}>
          <AccessDialog />
        </Suspense>
      ) : null}
      {help ? (
        <Suspense fallback={null}>
          <HelpDialog />
        </Suspense>
      ) : null}
      <Peek />
      {runs ? null : <Toast />}
    </Views>
  );
}

function Peek() {
  const place = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => (place.current ? mountPeek(place.current) : undefined), []);
  return <div ref={place} />;
}

function Page() {
  const model = useModel();
  const runs = useStore((state) => state.runs);
  const { ofNode = false } = useView();
  const drawer = useStore(({ spec }) => spec.node !== null) && !ofNode;
  return (
    <div className="app">
      {runs ? (
        <Suspense fallback={null}>
          <SavedRuns model={model.data ?? null} />
        </Suspense>
      ) : null}
      <TopBar model={model.data ?? null} error={model.error} retry={() => void model.refetch()} />
      <PromptBar model={model.data ?? null} />
      <EditsTray model={model.data ?? null} />
      <AddressProblems />
      <div className="stage">
        <Stage model={model.data ?? null} />
        {drawer ? (
          <Suspense fallback={<aside className="drawer" aria-label="Component" data-busy="true" />}>
            <Drawer model={model.data ?? null} />
          </Suspense>
        ) : null}
      </div>
    </div>
  );
}

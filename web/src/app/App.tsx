/** The page: bars at the top, one view, the drawer beside it, what floats above. */
import { lazy, Suspense } from 'react';
import { AccessDialog } from './AccessDialog';
import { AddressProblems } from './AddressProblems';
import { EditsTray } from './EditsTray';
import { HelpDialog } from './HelpDialog';
import { Peek } from '../shared/parts/Peek';
import { PromptBar } from './PromptBar';
import { Toast } from './Toast';
import { TopBar } from './TopBar';
import { useModel } from '../shared/api/queries';
import { useStore } from '../shared/state/store';
import { Stage } from './Stage';

const SavedRuns = lazy(() => import('./SavedRuns'));
const Drawer = lazy(async () => ({ default: (await import('./Drawer')).Drawer }));

export function App() {
  const access = useStore((state) => state.access);
  const runs = useStore((state) => state.runs);
  return (
    <>
      {access === 'checking' ? null : <Page />}
      <AccessDialog />
      <HelpDialog />
      <Peek />
      {runs ? null : <Toast />}
    </>
  );
}

function Page() {
  const model = useModel();
  const runs = useStore((state) => state.runs);
  const drawer = useStore(({ spec }) => spec.node !== null && spec.view !== 'component');
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

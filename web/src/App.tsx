/** The page: bars at the top, one view, the drawer beside it, what floats above. */
import { AccessDialog } from './components/AccessDialog';
import { AddressProblems } from './components/AddressProblems';
import { EditsTray } from './components/EditsTray';
import { HelpDialog } from './components/HelpDialog';
import { Peek } from './components/Peek';
import { PromptBar } from './components/PromptBar';
import { Toast } from './components/Toast';
import { TopBar } from './components/TopBar';
import { useModel } from './api/queries';
import { useStore } from './state/store';
import { Drawer } from './views/Drawer';
import { Stage } from './views/Stage';

export function App() {
  const access = useStore((state) => state.access);
  return (
    <>
      {access === 'checking' ? null : <Page />}
      <AccessDialog />
      <HelpDialog />
      <Peek />
      <Toast />
    </>
  );
}

function Page() {
  const model = useModel();
  return (
    <div className="app">
      <TopBar model={model.data ?? null} error={model.error} retry={() => void model.refetch()} />
      <PromptBar model={model.data ?? null} />
      <EditsTray model={model.data ?? null} />
      <AddressProblems />
      <div className="stage">
        <Stage model={model.data ?? null} />
        <Drawer model={model.data ?? null} />
      </div>
    </div>
  );
}

/** Starts the app: theme, access, address bar, keyboard, then the page. */
// Before what imports the views, whose own styles come after.
import './shared/styles/tokens.css';
import './shared/styles/base.css';
import './app/shell.css';
import './shared/styles/floats.css';
import './app/prompt.css';
import './app/edits.css';
import './shared/styles/view-bar.css';
import './shared/styles/stage.css';
import './shared/styles/continuation.css';
import './app/runs.css';
import './app/drawer.css';
import { QueryClientProvider } from '@tanstack/react-query';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { queryClient } from './shared/api/queries';
import { App } from './app/App';
import { enter, watchRefusals } from './shared/state/access';
import { address } from './app/address';
import { listenToKeys } from './app/keyboard';
import { setAddress } from './shared/state/store';
import { startTheme } from './shared/state/theme';

setAddress(address);
startTheme();
watchRefusals();
listenToKeys();
addEventListener('popstate', () => void enter());
addEventListener('hashchange', () => void enter());
void enter();

const root = document.getElementById('root');
if (root) {
  createRoot(root).render(
    <StrictMode>
      <QueryClientProvider client={queryClient}>
        <App />
      </QueryClientProvider>
    </StrictMode>,
  );
}

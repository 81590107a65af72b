/** Starts the app: theme, access, address bar, keyboard, then the page. */
import { QueryClientProvider } from '@tanstack/react-query';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { queryClient } from './shared/api/queries';
import { App } from './app/App';
import { enter, watchRefusals } from './shared/state/access';
import { listenToKeys } from './shared/state/keyboard';
import { startTheme } from './shared/state/theme';
import './shared/styles/tokens.css';
import './shared/styles/base.css';
import './app/shell.css';
import './shared/styles/floats.css';
import './app/prompt.css';
import './app/edits.css';
import './shared/styles/view-bar.css';
import './shared/styles/stage.css';
import './views/predictions/predictions.css';
import './views/predictions/layers.css';
import './views/predictions/parts.css';
import './shared/styles/continuation.css';
import './app/runs.css';
import './views/lens/lens.css';
import './views/flow/flow.css';
import './app/drawer.css';
import './views/explore/explore.css';
import './views/explore/explore-index.css';
import './views/component/component.css';

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

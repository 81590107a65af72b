/** Starts the app: theme, access, address bar, keyboard, then the page. */
import { QueryClientProvider } from '@tanstack/react-query';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { queryClient } from './api/queries';
import { App } from './App';
import { enter, watchRefusals } from './state/access';
import { listenToKeys } from './state/keyboard';
import { startTheme } from './state/theme';
import './styles/tokens.css';
import './styles/base.css';
import './styles/shell.css';
import './styles/floats.css';
import './styles/prompt.css';
import './styles/edits.css';
import './styles/view-bar.css';
import './styles/stage.css';
import './styles/predictions.css';
import './styles/layers.css';
import './styles/parts.css';
import './styles/continuation.css';
import './styles/runs.css';
import './styles/lens.css';
import './styles/flow.css';
import './styles/drawer.css';
import './styles/explore.css';
import './styles/explore-index.css';
import './styles/component.css';

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

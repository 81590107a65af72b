/** Getting in: the token from the printed address becomes a cookie, and leaves the address bar. */
import { answer, api, ApiError } from '../api/client';
import { queryClient } from '../api/queries';
import { open, useStore } from './store';

/** At the start, and when an address with a token is pasted into an open page. */
export async function enter(): Promise<void> {
  const token = takeToken();
  open();
  if (token !== null) await login(token);
  else if (useStore.getState().access === 'checking') useStore.setState({ access: 'granted' });
}

/** True when the server took the token. */
export async function login(token: string): Promise<boolean> {
  try {
    await answer(api.POST('/api/login', { body: { token } }));
  } catch (failure) {
    const problem = failure instanceof ApiError ? failure.message : 'The token was not accepted.';
    useStore.setState({ access: 'refused', accessProblem: problem });
    return false;
  }
  useStore.setState({ access: 'granted', accessProblem: null });
  await queryClient.resetQueries();
  return true;
}

/** Any answer may say that the cookie is gone, after the server was started anew for example. */
export function watchRefusals(): void {
  queryClient.getQueryCache().subscribe((event) => {
    const { error } = event.query.state;
    if (error instanceof ApiError && error.refused && useStore.getState().access !== 'refused') {
      useStore.setState({ access: 'refused', accessProblem: null });
    }
  });
}

/** Takes `token=...` out of the fragment; the rest of it is the state of the page. */
function takeToken(): string | null {
  const parts = location.hash.replace(/^#/, '').split('&');
  const found = parts.find((part) => part.startsWith('token='));
  if (found === undefined) return null;
  const rest = parts.filter((part) => !part.startsWith('token=')).join('&');
  history.replaceState(null, '', `${location.pathname}${location.search}${rest ? `#${rest}` : ''}`);
  try {
    return decodeURIComponent(found.slice('token='.length));
  } catch {
    return found.slice('token='.length);
  }
}

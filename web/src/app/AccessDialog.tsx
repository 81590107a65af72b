/** Asks for the token, calmly: most people come here after a restart of the server. */
import { useState } from 'react';
import { login } from '../shared/state/access';
import { useStore } from '../shared/state/store';
import { Modal } from '../shared/parts/Modal';

export function AccessDialog() {
  const access = useStore((state) => state.access);
  const problem = useStore((state) => state.accessProblem);
  const [token, setToken] = useState('');
  const [busy, setBusy] = useState(false);
  const submit = async () => {
    setBusy(true);
    const found = /token=([^&\s]+)/.exec(token)?.[1];
    if (await login(found ?? token.trim())) setToken('');
    setBusy(false);
  };
  return (
    <Modal open={access === 'refused'} label="Access token" testid="access">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
      >
        <h2>This server asks for its token</h2>
        <p>
          When it started, Unembed printed an address that ends in <code>#token=…</code>. Open that
          address, or paste it here. What this page shows is kept.
        </p>
        <label htmlFor="access-token">Token, or the whole address</label>
        <input
          id="access-token"
          data-testid="access-token"
          type="password"
          autoComplete="off"
          value={token}
          onChange={(event) => setToken(event.target.value)}
        />
        {problem ? (
          <p className="problem" role="alert">
            {problem}
          </p>
        ) : null}
        <div className="modal-actions">
          <button type="submit" className="primary" disabled={token.trim() === '' || busy}>
            Open
          </button>
        </div>
      </form>
    </Modal>
  );
}

/** What modules read of the browser while they are loaded: the tests run in node, which has none. */
function Nothing(): void {}

const media = { matches: false, addEventListener: () => undefined };

for (const [name, value] of Object.entries({
  document: { baseURI: 'http://127.0.0.1:8420/', querySelector: () => null },
  location: { hash: '', pathname: '/', search: '' },
  history: { pushState: () => undefined, replaceState: () => undefined },
  localStorage: { getItem: () => null, setItem: () => undefined },
  matchMedia: () => media,
  HTMLElement: Nothing,
  HTMLInputElement: Nothing,
}))
  Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });

/** The keyboard map of the whole page. What a focused control does with a key comes first. */
import { parseRow, writerOf } from '../text/address';
import { change, notify, toggleAblation, toggleLayer, useStore } from './store';
import { flowPort, setFlow, shiftLayers } from '../../views/flow/flowing';
import { dropPeek, freezePeek, usePeek } from './peek';
import { queryClient, type ModelInfo } from '../api/queries';
import { zoomFit, zoomStep } from './zoom';

export const KEYS: ReadonlyArray<readonly [keys: string, what: string]> = [
  ['/', 'go to the prompt'],
  ['Ctrl Enter', 'run the prompt'],
  [', and .', 'previous and next token'],
  ['[ and ]', 'layer down and up; in the flow graph, the layers that are drawn'],
  ['arrows', 'move in the lens and in the token strip'],
  ['Shift ← →', 'in the token strip: read a range of positions only'],
  ['+ and −', 'wider and narrower tokens; also Ctrl or ⌘ and the wheel, or a pinch'],
  ['0', 'the whole prompt at once, and back'],
  ['o and O', 'take the chosen layer apart, and all layers'],
  [
    '↑ ↓ ← →',
    'in its heads and neurons: x switches one off, o on, e opens all that can be changed',
  ],
  ['Enter', 'inspect the component behind the chosen row'],
  ['x', 'ablate it (set to zero), or take that back'],
  ['p', 'open the page of the component in the drawer'],
  [
    '↑ ↓ ← →',
    'in the flow graph: from box to box; Enter lights its paths and opens it, x cuts it, + − 0 zoom',
  ],
  ['Space (hold)', 'show the baseline'],
  ['Shift (hold)', 'freeze the pop-up under the pointer'],
  ['s', 'saved runs'],
  ['Esc', 'close, or cancel'],
  ['?', 'this help'],
];

export function listenToKeys(): void {
  addEventListener('keydown', onKeyDown);
  addEventListener('keyup', onKeyUp);
  addEventListener('blur', release);
}

function onKeyDown(event: KeyboardEvent): void {
  if (event.key === 'Shift' && usePeek.getState().content) freezePeek(true);
  if (
    event.defaultPrevented ||
    event.ctrlKey ||
    event.metaKey ||
    event.altKey ||
    isTyping(event.target)
  )
    return;
  if (document.querySelector('dialog[open]')) return;
  if (act(event)) event.preventDefault();
}

function act(event: KeyboardEvent): boolean {
  switch (event.key) {
    case '/':
      document.querySelector<HTMLTextAreaElement>('#prompt')?.focus();
      return true;
    case '?':
      useStore.setState({ help: true });
      return true;
    case ',':
      return movePosition(-1);
    case '.':
      return movePosition(1);
    case '[':
      return moveLayer(-1);
    case ']':
      return moveLayer(1);
    case '+':
    case '=':
    case '-':
      zoomStep(event.key === '-' ? -1 : 1);
      return true;
    case '0':
      zoomFit();
      return true;
    case 's':
      useStore.setState({ runs: true });
      return true;
    case 'l':
      return openLayer();
    case 'L':
      change({ open: useStore.getState().spec.open.length > 0 ? [] : 'all' }, 'replace');
      return true;
    case 'x':
      return ablate();
    case 'p':
      return openPage();
    case 'Enter':
      return !isControl(event.target) && inspect();
    case ' ':
      if (isControl(event.target)) return false;
      useStore.setState({ holding: true });
      return true;
    case 'Escape':
      return escape();
    default:
      return false;
  }
}

function onKeyUp(event: KeyboardEvent): void {
  if (event.key === ' ') useStore.setState({ holding: false });
  if (event.key === 'Shift') freezePeek(false);
}

function release(): void {
  useStore.setState({ holding: false });
  freezePeek(false);
}

export function movePosition(step: number): boolean {
  const { positions, position } = useStore.getState();
  if (positions === 0 || position === null) return true;
  change({ position: Math.max(0, Math.min(positions - 1, position + step)) }, 'replace');
  return true;
}

function layers(): number {
  return queryClient.getQueryData<ModelInfo>(['model'])?.n_layers ?? 0;
}

function chosenRow(): string {
  return useStore.getState().spec.row ?? `L${layers() - 1}.resid_post`;
}

function moveLayer(step: number): boolean {
  if (onFlow()) {
    shiftLayers(step);
    return true;
  }
  const row = parseRow(chosenRow());
  if (!row || layers() === 0) return true;
  const below = row.site === 'resid_pre' && row.layer === 0;
  const layer = below ? (step > 0 ? 0 : -1) : row.layer + step;
  const next = layer < 0 ? 'embed' : `L${Math.min(layers() - 1, layer)}.resid_post`;
  change({ row: next }, 'replace');
  return true;
}

/** The node that the keyboard acts on: the drawer's, else the one behind the chosen row. */
function chosenNode(): string | null {
  const { node, prompt } = useStore.getState().spec;
  if (prompt === '' || onVectors()) return node;
  const row = parseRow(chosenRow());
  return node ?? (row && layers() > 0 ? writerOf(row) : null);
}

function openLayer(): boolean {
  const row = parseRow(chosenRow());
  if (row && layers() > 0) toggleLayer(row.layer, layers() - 1);
  return true;
}

function ablate(): boolean {
  if (onFlow() && flowPort.cutFocus) {
    flowPort.cutFocus();
    return true;
  }
  const node = chosenNode();
  if (node) toggleAblation(node);
  else notify('Choose a component first: then x sets it to zero.');
  return true;
}

function openPage(): boolean {
  const { node } = useStore.getState().spec;
  if (node === null) return false;
  change({ view: 'component' });
  return true;
}

function onFlow(): boolean {
  return useStore.getState().spec.view === 'flow';
}

/** Views of vectors, and the flow graph, have no chosen row. */
function onVectors(): boolean {
  const { view } = useStore.getState().spec;
  return view === 'explore' || view === 'component' || view === 'flow';
}

export function inspect(): boolean {
  const row = parseRow(chosenRow());
  const { prompt } = useStore.getState().spec;
  if (prompt === '' || onVectors() || !row || layers() === 0) return false;
  change({ node: writerOf(row) });
  return true;
}

function escape(): boolean {
  if (usePeek.getState().content) {
    dropPeek();
    return true;
  }
  const busy = document.querySelector<HTMLButtonElement>('[data-testid="cancel"]');
  if (busy) busy.click();
  else if (useStore.getState().spec.view === 'component') change({ view: 'explore' });
  else if (useStore.getState().spec.node !== null) change({ node: null });
  else if (onFlow() && useStore.getState().spec.flow.focus !== null) setFlow({ focus: null });
  else return false;
  return true;
}

function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target instanceof HTMLInputElement)
    return !['checkbox', 'radio', 'button'].includes(target.type);
  return (
    target instanceof HTMLTextAreaElement ||
    target instanceof HTMLSelectElement ||
    target.isContentEditable
  );
}

function isControl(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement &&
    target.closest('button, a, summary, [role="option"], [role="switch"], input') !== null
  );
}

/** A graph of a file, which needs neither a prompt nor anything of the model. */
import { useState, type ReactNode } from 'react';
import { FileButton } from '../../shared/parts/FileButton';
import { notify, useSpec } from '../../shared/state/store';
import { isAsked } from '../../shared/text/chat';
import { readViewer } from './files';
import { GRAPH, setGraph, usePassing } from './graphState';
import { useOpened } from './query';

/** In the menu beside what else the graph is of. */
export function FromFile() {
  return (
    <>
      <h3>A graph of a file</h3>
      <Chooser>
        JSON as it is saved here for circuit-tracer’s viewer, or as circuit-tracer wrote it.
      </Chooser>
      <CloseFile plain={false} />
    </>
  );
}

/** Below what teaches, while no prompt is asked. */
export function WithoutPrompt({ welcome }: { welcome: ReactNode }) {
  return (
    <>
      {welcome}
      <section className="graph-unasked" aria-label="A graph of a file">
        <Chooser>
          A graph that was saved here, or that circuit-tracer wrote, needs no prompt: it has its own
          tokens.
        </Chooser>
      </section>
    </>
  );
}

function Chooser({ children }: { children: ReactNode }) {
  const [problem, setProblem] = useState<string | null>(null);
  const open = async (file: File) => setProblem(show(await file.text(), file.name));
  return (
    <>
      <FileButton
        words="Open a graph"
        accept=".json,application/json"
        testId="graph-file"
        open={(file) => void open(file)}
      />
      {problem === null ? (
        <p className="option-note">{children}</p>
      ) : (
        <p className="option-note problem" role="alert">
          {problem}
        </p>
      )}
    </>
  );
}

/** Shows the graph of a file's text in place of the prompt's; else says what is wrong with it. */
export function show(text: string, file: string): string | null {
  const found = readViewer(text, file);
  if (typeof found === 'string') return found;
  const { groups, ...opened } = found;
  useOpened.setState({ opened });
  usePassing.setState({ marked: [] });
  setGraph({ chosen: null, measured: false, groups, nodes: 1, edges: GRAPH.edges });
  notify(`${opened.graph.nodes.length.toLocaleString('en')} nodes of ${file}.`);
  return null;
}

/** Back to what stood there before the file. */
export function CloseFile({ plain }: { plain: boolean }) {
  const asked = isAsked(useSpec());
  const { opened } = useOpened();
  if (!opened) return null;
  return (
    <button
      type="button"
      {...(plain ? { className: 'link', 'data-testid': 'graph-close' } : {})}
      onClick={() => useOpened.setState({ opened: null })}
    >
      {asked ? 'Back to the prompt’s' : 'Close the file'}
    </button>
  );
}

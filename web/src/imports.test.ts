/** Who may import whom: draw < shared < views < app, no view another view, and nobody in a circle. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const ROOT = import.meta.dirname;
const GENERATED = /^\w+\.gen$/;
/** Tests and what is made for them may look anywhere. */
const OF_TESTS = /(\.test|[eE]xample|write|testPage)$/;

const files = readdirSync(ROOT, { recursive: true, encoding: 'utf8' }).filter(
  (name) => /\.tsx?$/.test(name) && !OF_TESTS.test(name.replace(/\.tsx?$/, '')),
);
const names = new Set(files.map((name) => name.replace(/\.tsx?$/, '')));
const graph = new Map(
  files.map((name) => [name.replace(/\.tsx?$/, ''), importsOf(join(ROOT, name))]),
);

/** Modules of ours that a file imports, types too. */
function importsOf(path: string): string[] {
  const found = readFileSync(path, 'utf8').matchAll(
    /(?:\bfrom|\bimport)\s*\(?\s*'(\.[^']+)'|declare module '(\.[^']+)'/g,
  );
  return [...found]
    .map(([, imported, declared]) => resolve(dirname(path), imported ?? declared ?? ''))
    .map((target) => relative(ROOT, target))
    .map((target) => (names.has(target) ? target : `${target}/index`))
    .filter((target) => names.has(target));
}

/** "views/lens" of a view's file, "views" of their list, "draw", "shared", "app"; "" of what starts the app. */
function floorOf(name: string): string {
  const [floor = '', view = ''] = name.split('/');
  if (GENERATED.test(name)) return 'generated';
  if (!name.includes('/')) return '';
  return floor === 'views' && view !== 'index' ? `views/${view}` : floor;
}

function allowed(from: string, to: string): boolean {
  const [here, there] = [floorOf(from), floorOf(to)];
  if (here === '' || here === there) return true;
  if (here === 'app') return there !== '';
  if (here === 'views') return there.startsWith('views/') || there === 'shared';
  if (here.startsWith('views/')) return ['shared', 'draw', 'generated'].includes(there);
  if (here === 'shared') return there === 'draw' || there === 'generated';
  return here === 'draw' && there === 'generated';
}

describe('imports', () => {
  it('are found', () => {
    expect(graph.get('views/index')).toContain('views/lens/index');
    expect(graph.get('main')).toContain('app/App');
    expect(allowed('views/lens/LensView', 'views/flow/FlowView')).toBe(false);
    expect(allowed('shared/view', 'app/App')).toBe(false);
    expect(allowed('draw/lut', 'shared/text/address')).toBe(false);
  });

  it('point down only', () => {
    const wrong = [...graph].flatMap(([from, list]) =>
      list.filter((to) => !allowed(from, to)).map((to) => `${from} -> ${to}`),
    );
    expect(wrong).toEqual([]);
  });

  it('leave pointer and keyboard of what is drawn to the drawings, which pages have, too', () => {
    expect(graph.get('views/lens/LensCanvas')).toContain('draw/lens/grid');
    expect(graph.get('views/flow/FlowCanvas')).toContain('draw/flow/graph');
    for (const name of ['views/lens/LensCanvas', 'views/flow/FlowCanvas'])
      expect(readFileSync(join(ROOT, `${name}.tsx`), 'utf8')).not.toMatch(
        /on(?:Pointer|Key|Wheel|Mouse|Context)\w+=|addEventListener|getContext/,
      );
  });

  it('go round in no circle', () => {
    expect(circles(graph)).toEqual([]);
    expect(
      circles(
        new Map([
          ['a', ['b']],
          ['b', ['a']],
        ]),
      ),
    ).toEqual(['a -> b -> a']);
  });
});

function circles(imports: ReadonlyMap<string, readonly string[]>): string[] {
  const found: string[] = [];
  const done = new Set<string>();
  const visit = (name: string, path: readonly string[]): void => {
    const at = path.indexOf(name);
    if (at >= 0) found.push([...path.slice(at), name].join(' -> '));
    if (at >= 0 || done.has(name)) return;
    for (const next of imports.get(name) ?? []) visit(next, [...path, name]);
    done.add(name);
  };
  for (const name of imports.keys()) visit(name, []);
  return found;
}

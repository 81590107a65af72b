/** The Python that reproduces the circuit. */
import { promptPython } from '../../shared/text/chat';
import { optionsPython, quote } from '../../shared/text/options';
import { pairsPython } from '../../shared/text/pairs';
import type { Page } from '../../shared/view';
import { circuitBody, type Circuit } from './circuitState';

export function circuitPython(page: Page): string {
  return page.spec.circuit.set === 'one' ? onePair(page) : severalPairs(page);
}

function severalPairs({ model, spec: { circuit } }: Page): string {
  const { set, own, held_out } = circuit;
  const options = { ...(held_out > 0 ? { held_out } : {}), ...ofBoth(circuit) };
  const asked = ['model', 'pairs', ...optionsPython(options)].join(', ');
  const lines = [
    'import unembed as ue',
    '',
    `model = ue.load(${quote(model.name)})`,
    ...pairsPython(set, own),
    `found = ue.circuit_pairs(${asked})`,
    'print(found.faithfulness, found.cmd, found.cpr)',
    ...(held_out > 0 ? ['print(found.held_out)'] : []),
    'print(*found.by_pair, *found.left_out, sep="\\n")',
    'print(found.to_pandas())',
  ];
  return `${lines.join('\n')}\n`;
}

/** Of one pair and of several. */
function ofBoth(circuit: Circuit) {
  const named = circuit.measured && circuit.chosen?.includes('>');
  return { ...circuitBody(circuit), ...(named ? { measure_named: [circuit.chosen] } : {}) };
}

function onePair({ model, spec, position }: Page): string {
  const { target, distractor, circuit } = spec;
  const options = {
    ...(target === '' ? {} : { target }),
    ...(distractor === '' ? {} : { distractor }),
    position,
    ...ofBoth(circuit),
  };
  const other = circuit.corrupted === '' ? 'None' : 'corrupted';
  const lines = [
    'import unembed as ue',
    '',
    `model = ue.load(${quote(model.name)})`,
    `prompt = ${promptPython(spec)}`,
    ...(other === 'None'
      ? []
      : [`corrupted = ${promptPython({ ...spec, prompt: circuit.corrupted })}`]),
    `found = ue.find_circuit(model, prompt, ${other}, ${optionsPython(options).join(', ')})`,
    'print(found.faithfulness, found.cmd, found.cpr)',
    'print(found.to_pandas())',
  ];
  return `${lines.join('\n')}\n`;
}

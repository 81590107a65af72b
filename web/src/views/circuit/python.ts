/** The Python that reproduces the circuit. */
import { promptPython } from '../../shared/text/chat';
import { optionsPython, quote } from '../../shared/text/options';
import type { Page } from '../../shared/view';
import { circuitBody } from './circuitState';

export function circuitPython({ model, spec, position }: Page): string {
  const { target, distractor, circuit } = spec;
  const options = {
    ...(target === '' ? {} : { target }),
    ...(distractor === '' ? {} : { distractor }),
    position,
    ...circuitBody(circuit),
    ...(circuit.measured && circuit.chosen?.includes('>')
      ? { measure_named: [circuit.chosen] }
      : {}),
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

/** Has the components of the first rows said in words; their labels then stand in the table. */
import { SayInWords } from '../../shared/parts/SayInWords';
import { componentsOf, type Row } from './rows';

const MOST = 20;

export function ExplainRows({ rows }: { rows: readonly Row[] }) {
  const nodes = componentsOf(rows, MOST);
  if (nodes.length === 0) return null;
  return (
    <SayInWords nodes={nodes} words={`Say the first ${nodes.length} in words`}>
      {({ items }) => (
        <p className="faint" data-testid="explained-rows">
          {items.filter(({ supported }) => supported).length} of {items.length} have a label that
          beats chance.
        </p>
      )}
    </SayInWords>
  );
}

/** What the grid reads, as one quiet line: rows, positions, what reads them, what is scored. */
import type { ReactNode } from 'react';
import type { ModelInfo } from '../../shared/api/queries';
import { Choice } from '../../shared/parts/Choice';
import { LENS } from './lensState';
import { decoderWords, positionWords, rowNames, rowWords } from './lensRows';
import { showSpaces } from '../../draw/tokens';
import { scoring } from '../../shared/text/url';
import { useSpec } from '../../shared/state/store';
import { DecoderMenu, RowsMenu, TargetMenu } from './LensMenus';
import { PositionsMenu } from './PositionsMenu';

interface Props {
  model: ModelInfo;
  /** Tokens of the prompt. */
  length: number;
  choosePositions: (positions: number[] | null) => void;
  children: ReactNode;
}

export function LensSetup({ model, length, choosePositions, children }: Props) {
  const spec = useSpec();
  const { lens } = spec;
  const rows = rowNames(model, lens).length;
  return (
    <div className="lens-setup" role="group" aria-label="What the lens reads">
      <Choice name="rows" head="Rows" says={`${rows} · ${rowWords(lens)}`} changed={rowsChanged()}>
        <RowsMenu model={model} />
      </Choice>
      <Choice
        name="positions"
        head="Positions"
        says={length === 0 ? '…' : positionWords(spec.positions, length)}
        changed={spec.positions !== null}
      >
        <PositionsMenu length={length} choose={choosePositions} />
      </Choice>
      <Choice
        name="decoder"
        head="Read by"
        says={decoderWords(lens.decoder, model.n_layers)}
        changed={lens.decoder !== LENS.decoder}
      >
        <DecoderMenu model={model} rows={rows} />
      </Choice>
      <Choice name="scored" head="Target" says={<Scored />} changed={false}>
        <TargetMenu masked={model.kind === 'masked'} />
      </Choice>
      <span className="spring" />
      {children}
    </div>
  );

  function rowsChanged(): boolean {
    return !lens.include_embedding || lens.subblocks || lens.layer_step !== LENS.layer_step;
  }
}

function Scored() {
  const { target, follow } = scoring(useSpec());
  if (target !== null) return <bdi className="token">{showSpaces(target)}</bdi>;
  return { final: 'final top token', next: 'true next token', input: 'token itself' }[follow];
}

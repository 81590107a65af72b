/** Autoencoders of the model: attached, in training, trained here, stopped; and the form that trains one. */
import { ApiError } from '../../shared/api/client';
import { useCorpora } from '../../shared/api/corpora';
import { ErrorNote } from '../../shared/parts/ErrorNote';
import { SaveMenu } from '../../shared/parts/SaveMenu';
import { ViewBar } from '../../shared/parts/ViewBar';
import { saveCsv, saveJson } from '../../shared/parts/save';
import { useSpec } from '../../shared/state/store';
import { asSentence, type ViewProps } from '../../shared/view';
import { Attached } from './Attached';
import { Curves } from './Curves';
import { Kept } from './Kept';
import { TrainForm } from './TrainForm';
import { InTraining } from './InTraining';
import { kept, type Measured, type Saes } from './request';
import { useMaking, useSaes } from './training';
import './latents.css';

export function LatentsView({ model }: ViewProps) {
  const { latents } = useSpec();
  const saes = useSaes();
  const corpora = useCorpora();
  const { doing } = useMaking();
  const listed = saes.data ?? null;
  const shown = listed ? shownOf(listed, latents.shown) : null;
  const pending = saes.isPending || doing === 'attaching';
  return (
    <>
      <ViewBar status={pending ? <span className="status busy" data-busy="true" /> : null}>
        {model ? <Save shown={shown} listed={listed} model={model} /> : null}
      </ViewBar>
      <ErrorNote
        error={saes.error instanceof ApiError ? saes.error : null}
        retry={() => void saes.refetch()}
        stale={listed !== null}
      />
      {listed && model ? (
        <div className="latents">
          <div className="latents-there">
            {listed.training ? <InTraining now={listed.training} /> : null}
            <Attached model={model} />
            <Kept listed={listed} model={model} />
            {shown ? <Curves name={shown.name} history={shown.history} /> : null}
          </div>
          {listed.reason !== null ? (
            <section className="latents-form" data-testid="training-impossible">
              <h2>No autoencoder of this model can be trained</h2>
              <p>{asSentence(listed.reason)}</p>
            </section>
          ) : corpora.data || corpora.error ? (
            <TrainForm model={model} corpora={corpora.data?.items ?? []} listed={listed} />
          ) : null}
        </div>
      ) : null}
    </>
  );
}

interface Shown {
  name: string;
  history: readonly Measured[];
}

/** Whose curves stand below the lists; those of the one in training stand with it. */
function shownOf({ items, unfinished }: Saes, name: string): Shown | null {
  return [...items, ...unfinished].find((one) => one.name === name) ?? null;
}

interface SaveProps {
  shown: Shown | null;
  listed: Saes | null;
  model: Parameters<typeof SaveMenu>[0]['model'];
}

function Save({ shown, listed, model }: SaveProps) {
  const spec = useSpec();
  const { name, history } = shown ?? listed?.training ?? { name: 'autoencoders', history: [] };
  return (
    <SaveMenu
      csv={() => saveCsv(`${name}.csv`, rows(history))}
      json={() => saveJson(`${name}.json`, { question: spec.latents, answer: listed })}
      model={model}
    />
  );
}

function rows(history: readonly Measured[]): Array<Array<string | number>> {
  return [
    ['tokens', 'explained', 'active', 'dead', 'loss', 'loss kept'],
    ...history.map((one) => [
      one.n_tokens,
      one.explained,
      one.active,
      one.dead,
      one.losses?.spliced ?? '',
      kept(one) ?? '',
    ]),
  ];
}

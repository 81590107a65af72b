/** The graph as a file. */
import type { GraphData } from '../../draw/graph/data';
import { graphTable } from '../../draw/graph/text';
import type { ModelInfo } from '../../shared/api/queries';
import { SaveMenu } from '../../shared/parts/SaveMenu';
import { saveCsv, saveJson } from '../../shared/parts/save';
import { useSpec } from '../../shared/state/store';
import { useTheme } from '../../shared/state/theme';
import { saidOf } from '../../shared/text/chat';
import { toViewer } from './files';
import { useOpened, type GraphAnswer } from './query';

interface Props {
  answer: GraphAnswer;
  shown: GraphData;
  whole: GraphData;
  model: ModelInfo;
}

export function GraphSave({ answer, shown, whole, model }: Props) {
  const spec = useSpec();
  const theme = useTheme((state) => state.theme);
  const { opened } = useOpened();
  const figure = async () => {
    const { graphFigure } = await import('./figure');
    return graphFigure(shown, whole, answer, {
      heading: opened ? answer.tokens.map(({ label }) => label).join('') : saidOf(spec),
      model: opened ? opened.file : model.name,
      theme,
      flipped: spec.flipped,
      own: opened?.own ?? true,
    });
  };
  return (
    <SaveMenu
      csv={() => saveCsv('graph.csv', graphTable(shown))}
      json={() => saveJson('graph.json', { spec, answer })}
      more={[
        [
          'Save for circuit-tracer’s viewer',
          () => saveJson('graph-viewer.json', toViewer(answer, spec.graph.groups)),
        ],
      ]}
      png={() => void figure().then((drawn) => drawn.png())}
      svg={() => void figure().then((drawn) => drawn.svg())}
      model={model}
    />
  );
}

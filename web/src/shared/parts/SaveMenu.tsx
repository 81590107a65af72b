/** Taking a view along: its numbers, its picture, the Python that makes it again. */
import { DropdownMenu } from 'radix-ui';
import type { ModelInfo } from '../api/queries';
import { useStore } from '../state/store';
import { useView } from '../view';
import { Icon } from './parts';
import { copyText } from './save';

interface Props {
  csv: () => void;
  /** What layers added, part by part. */
  parts?: () => void;
  more?: ReadonlyArray<[label: string, act: () => void]>;
  json: () => void;
  png?: () => void;
  svg?: () => void;
  model: ModelInfo;
}

export function SaveMenu({ csv, parts, json, more = [], png, svg, model }: Props) {
  const view = useView();
  const python = () => {
    const { spec, position } = useStore.getState();
    return view.python({ model, spec, position: position ?? -1 });
  };
  const items: Array<[string, () => void]> = [
    ['Save as CSV', csv],
    ...(parts ? [['Save heads and neurons as CSV', parts] as [string, () => void]] : []),
    ['Save as JSON', json],
    ...more,
    ...(png ? [['Save as PNG', png] as [string, () => void]] : []),
    ...(svg ? [['Save as SVG', svg] as [string, () => void]] : []),
    ['Copy as Python', () => void copyText(python(), 'the Python that reproduces this view')],
  ];
  return (
    // Not modal: a modal menu locks scrolling with an injected style sheet, which the page refuses.
    <DropdownMenu.Root modal={false}>
      <DropdownMenu.Trigger className="quiet" data-testid="save">
        Save <Icon name="down" />
      </DropdownMenu.Trigger>
      <DropdownMenu.Portal>
        <DropdownMenu.Content
          className="popover menu"
          align="end"
          sideOffset={4}
          collisionPadding={8}
        >
          {items.map(([label, act]) => (
            <DropdownMenu.Item key={label} onSelect={act}>
              {label}
            </DropdownMenu.Item>
          ))}
        </DropdownMenu.Content>
      </DropdownMenu.Portal>
    </DropdownMenu.Root>
  );
}

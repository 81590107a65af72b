/** What the canvas of the flow graph is given. */
import type { Point } from '../../draw/flow/camera';
import type { FlowDrawing } from '../../draw/flow/scene';

export interface FlowCanvasProps extends FlowDrawing {
  /** Another value puts moved nodes back and shows everything. */
  reset: string | number;
  /** Of the page; a function that is another one than before is told again. */
  onHover: (id: string | null, at: Point | null) => void;
  onFocus: (id: string | null) => void;
  onOpen: (id: string) => void;
  onCut: (id: string) => void;
  /** null: the ground. */
  onMenu: (id: string | null, at: Point) => void;
}

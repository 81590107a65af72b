/** A circuit on a canvas: what stays, and on another one what follows the pointer. */
import { isEdge, type CircuitData } from './data';
import { HEADER, LABEL, type Bent, type Box, type Curve, type Layout } from './shapes';
import { alphaOf, colourOf, DIMMED, widthOf, type CircuitStyle } from './style';

export interface Shown {
  data: CircuitData;
  layout: Layout;
  /** The node or edge that is chosen. */
  chosen: string | null;
}

/** Of what stays within a head. */
export const DASH = [2, 3];

type Context = CanvasRenderingContext2D;

/** What is not in the circuit is where it would be, hardly there, and below the edges. */
export function paintCircuit(context: Context, shown: Shown, style: CircuitStyle): void {
  const { data, layout, chosen } = shown;
  paintColumns(context, layout, style);
  for (const box of layout.boxes.values())
    if (!data.nodes.has(box.id)) outline(context, box, style.line, 1);
  for (const bent of layout.within) {
    context.setLineDash(DASH);
    path(context, bent, style.text2, 1);
    context.setLineDash([]);
  }
  for (const curve of layout.curves) {
    const lit = chosen === null || touches(curve, chosen);
    stroke(context, data, curve, style, lit ? alphaOf(data, curve.edge) : DIMMED);
  }
  context.globalAlpha = 1;
  for (const box of layout.boxes.values())
    if (data.nodes.has(box.id)) paintBox(context, box, style);
  paintLabels(context, layout, style);
}

/** Over what passes below them, with a rim of the ground. */
function paintLabels(context: Context, layout: Layout, style: CircuitStyle): void {
  context.font = `${LABEL.size}px ${style.sans}`;
  context.textAlign = 'left';
  context.textBaseline = 'middle';
  context.lineJoin = 'round';
  context.lineWidth = 3;
  context.strokeStyle = style.ground;
  context.fillStyle = style.text;
  for (const { text, x, y } of layout.labels) {
    context.strokeText(text, x, y);
    context.fillText(text, x, y);
  }
}

export function paintPointed(
  context: Context,
  { data, layout, chosen }: Shown,
  hover: string | null,
  style: CircuitStyle,
): void {
  for (const id of [hover, chosen]) {
    if (id === null) continue;
    for (const curve of layout.curves)
      if (touches(curve, id)) stroke(context, data, curve, style, id === hover ? 1 : 0.9);
    context.globalAlpha = 1;
    const box = layout.boxes.get(id);
    if (box) outline(context, box, id === chosen ? style.accent : style.text, 2);
    if (isEdge(id) && id === chosen) ends(context, layout, id, style);
  }
  context.globalAlpha = 1;
}

/** An edge by itself, or any edge of a node. */
function touches({ edge }: Curve, id: string): boolean {
  return edge.id === id || edge.source === id || edge.reader === id;
}

function ends(context: Context, layout: Layout, id: string, style: CircuitStyle): void {
  const curve = layout.curves.find(({ edge }) => edge.id === id);
  if (!curve) return;
  for (const end of [curve.edge.source, curve.edge.reader]) {
    const box = layout.boxes.get(end);
    if (box) outline(context, box, style.accent, 1.5);
  }
}

function paintColumns(context: Context, layout: Layout, style: CircuitStyle): void {
  context.font = `11px ${style.mono}`;
  context.textBaseline = 'middle';
  context.textAlign = 'left';
  context.fillStyle = style.text2;
  for (const { name, x } of layout.columns) context.fillText(name, x, HEADER / 2 + 2);
  for (const { name, y } of layout.rows) context.fillText(name, 4, y);
  context.fillStyle = style.line;
  context.fillRect(0, HEADER, layout.width, 1);
}

function stroke(
  context: Context,
  data: CircuitData,
  curve: Curve,
  style: CircuitStyle,
  alpha: number,
): void {
  context.globalAlpha = alpha;
  path(context, curve, colourOf(curve.edge, style), widthOf(data, curve.edge));
}

function path(context: Context, bent: Bent, colour: string, width: number): void {
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.beginPath();
  context.moveTo(bent.x0, bent.y0);
  context.bezierCurveTo(bent.bx0, bent.by0, bent.bx1, bent.by1, bent.x1, bent.y1);
  context.stroke();
}

function paintBox(context: Context, box: Box, style: CircuitStyle): void {
  context.fillStyle = style.raised;
  context.fillRect(box.x, box.y, box.width, box.height);
  outline(context, box, style.lineStrong, 1);
  context.font = `10px ${style.mono}`;
  context.textAlign = 'center';
  context.textBaseline = 'middle';
  context.fillStyle = style.text;
  context.fillText(box.label, box.x + box.width / 2, box.y + box.height / 2 + 0.5, box.width - 2);
}

function outline(context: Context, box: Box, colour: string, width: number): void {
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.strokeRect(box.x, box.y, box.width, box.height);
}

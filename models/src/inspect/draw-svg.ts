// A model as a picture: the device's part above, the cloud's below, the cut between them, each block as wide as a name
// and with a bar for its share of the whole network's work. Layered by dagre; no script, no font but the reader's own.

import { Graph, type GraphLabel, layout } from '@dagrejs/dagre';
import type { Block, BlockKind } from './blocks.ts';
import {
  bytesText,
  macsText,
  type Outline,
  outputText,
  type Part,
  shapeText,
  totalMacs,
} from './outline.ts';

interface Placed {
  readonly part: Part;
  readonly block: Block;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

interface Lane {
  readonly part: Part;
  readonly placed: readonly Placed[];
  readonly edges: readonly {
    readonly from: number;
    readonly to: number;
    readonly points: readonly Point[];
  }[];
  readonly width: number;
  readonly height: number;
}

type Point = { readonly x: number; readonly y: number };

const blockSize = { width: 212, height: 54 };
const pillHeight = 34;
/** Of a letter of 12 px, on average. */
const letterWidth = 6.6;
const margin = 28;
const laneHead = 44;
const laneGap = 56;
const titleHeight = 84;
const laneWidthMin = 520;

const fills: Readonly<Record<BlockKind, readonly [fill: string, edge: string]>> = {
  input: ['#ffffff', '#94a3b8'],
  convolution: ['#eaf1fe', '#5b8def'],
  matrix: ['#f1ebfe', '#8b6be8'],
  pool: ['#e6f7f4', '#37a897'],
  join: ['#fef5e2', '#d99a26'],
  other: ['#f5f7fa', '#a3aebd'],
  output: ['#ffffff', '#94a3b8'],
};
const lanes = {
  device: ['#f3faf5', '#2f8f5b'],
  cloud: ['#f4f6fd', '#4a63b8'],
  none: ['#f8fafc', '#64748b'],
} as const;
const cutColour = '#d9480f';
const exitColour = '#2f8f5b';

export function drawSvg({ title, subtitle, parts }: Outline): string {
  const laid = parts.map(layOut);
  const width = Math.max(laneWidthMin, ...laid.map((lane) => lane.width)) + 4 * margin;
  const whole = totalMacs(parts);
  const drawn: string[] = [];
  let top = titleHeight;
  let leaving: Point | undefined;
  for (const lane of laid) {
    const left = (width - lane.width) / 2;
    const at = { x: left, y: top + laneHead };
    const height = lane.height + laneHead + margin;
    drawn.push(drawLane(lane, { x: margin, y: top, width: width - 2 * margin, height }, whole));
    drawn.push(...lane.edges.map((edge) => drawEdge(edge, at, lane)));
    drawn.push(...lane.placed.map((placed) => drawBlock(placed, at, whole)));
    const entering = lane.placed.find(({ block }) => block.kind === 'input');
    if (leaving && entering)
      drawn.push(
        drawCrossing(leaving, { x: at.x + entering.x, y: at.y + entering.y - entering.height / 2 }),
      );
    const cut = lane.placed.find(
      ({ block }) => block.kind === 'output' && block.name === lane.part.cut,
    );
    leaving = cut && { x: at.x + cut.x, y: at.y + cut.y + cut.height / 2 };
    top += height + laneGap;
  }
  const height = top - laneGap + margin;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="ui-sans-serif, system-ui, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif" font-size="12">
<title>${escaped(title)}</title>
<defs>${marker('arrow', '#94a3b8')}${marker('cut', cutColour)}</defs>
<rect width="100%" height="100%" fill="#ffffff"/>
<text x="${margin}" y="42" font-size="22" font-weight="650" fill="#0f172a">${escaped(title)}</text>
<text x="${margin}" y="64" font-size="13" fill="#64748b">${escaped(subtitle)}</text>
${drawn.join('\n')}
</svg>
`;
}

function layOut(part: Part): Lane {
  const graph = new Graph<GraphLabel, { width: number; height: number }, object>();
  graph.setGraph({ rankdir: 'TB', nodesep: 28, ranksep: 26, edgesep: 16, marginx: 4, marginy: 4 });
  graph.setDefaultEdgeLabel(() => ({}));
  // One width for all blocks of a part: the eye runs down a column.
  const width = Math.max(...part.blocks.map((block) => sizeOf(part, block).width));
  for (const block of part.blocks) {
    const size = sizeOf(part, block);
    graph.setNode(String(block.id), block.kind === 'output' ? size : { ...size, width });
  }
  for (const block of part.blocks)
    for (const read of block.reads) graph.setEdge(String(read), String(block.id));
  layout(graph);
  const placed = part.blocks.map((block): Placed => {
    const { x = 0, y = 0, width, height } = graph.node(String(block.id)) as Placed;
    return { part, block, x, y, width, height };
  });
  const edges = graph.edges().map(({ v, w }: { v: string; w: string }) => ({
    from: Number(v),
    to: Number(w),
    points: (graph.edge(v, w) as { points?: Point[] }).points ?? [],
  }));
  const { width: laneWidth = 0, height = 0 } = graph.graph();
  return { part, placed, edges, width: laneWidth, height };
}

function sizeOf(part: Part, block: Block): { width: number; height: number } {
  if (block.kind === 'output')
    return {
      width: Math.max(96, outputText(part, block).length * letterWidth + 36),
      height: pillHeight,
    };
  const words = Math.max(
    titleOf(block).length * 1.1 + (block.bytes ? block.bytes.length + 2 : 0),
    detailOf(block).length * 0.92,
  );
  return { width: Math.max(blockSize.width, words * letterWidth + 32), height: blockSize.height };
}

const titleOf = ({ title, also }: Block): string => [title, ...also].join(' · ');

function detailOf(block: Block): string {
  const kind = block.kind === 'input' && block.datatype ? `${block.datatype} ` : '';
  const parts = [`${kind}${shapeText(block)}`];
  if (block.macs > 0) parts.push(macsText(block.macs));
  if (block.parameters > 0) parts.push(`${block.parameters.toLocaleString('en')} weights`);
  return parts.join(' · ');
}

function drawLane(
  { part }: Lane,
  box: Point & { width: number; height: number },
  whole: number,
): string {
  const [fill, ink] = lanes[part.side ?? 'none'];
  const macs = totalMacs([part]);
  const share =
    whole > 0 && part.side ? `, ${((100 * macs) / whole).toFixed(0)} % of the work` : '';
  const where =
    part.side === undefined || part.side === part.name
      ? part.name.toUpperCase()
      : `${part.side.toUpperCase()}  ·  ${part.name}`;
  const right = box.x + box.width - 18;
  return `<rect x="${box.x}" y="${box.y}" width="${box.width}" height="${box.height}" rx="14" fill="${fill}" stroke="${ink}" stroke-opacity=".25"/>
<text x="${box.x + 18}" y="${box.y + 26}" font-size="12" font-weight="650" letter-spacing=".06em" fill="${ink}">${escaped(where)}</text>
<text x="${right}" y="${box.y + 26}" font-size="12" text-anchor="end" fill="#64748b">${escaped(`${bytesText(part.bytes)} · ${macsText(macs)}${share}`)}</text>`;
}

function drawBlock({ part, block, x, y, width, height }: Placed, at: Point, whole: number): string {
  const left = at.x + x - width / 2;
  const top = at.y + y - height / 2;
  const middle = at.x + x;
  if (block.kind === 'output') return drawOutput(part, block, { x: left, y: top, width, height });
  const [fill, edge] = fills[block.kind];
  const share = whole === 0 ? 0 : block.macs / whole;
  const bar = share === 0 ? '' : workBar({ x: left, y: top, width, height }, share, edge);
  const badge = block.bytes
    ? `<tspan dx="6" font-size="10" font-weight="600" fill="${edge}">${block.bytes}</tspan>`
    : '';
  const rest =
    block.also.length > 0
      ? `<tspan fill="#475569" font-weight="400"> · ${escaped(block.also.join(' · '))}</tspan>`
      : '';
  const dash = block.kind === 'input' ? ' stroke-dasharray="4 3"' : '';
  return `<rect x="${left}" y="${top}" width="${width}" height="${height}" rx="9" fill="${fill}" stroke="${edge}"${dash}/>
<text x="${middle}" y="${top + 22}" text-anchor="middle" font-size="13" font-weight="600" fill="#0f172a">${escaped(block.title)}${rest}${badge}</text>
<text x="${middle}" y="${top + 39}" text-anchor="middle" font-size="11" fill="#64748b">${escaped(detailOf(block))}</text>${bar}`;
}

/** The block's share of the whole network's products. */
function workBar(
  box: Point & { width: number; height: number },
  share: number,
  ink: string,
): string {
  const full = box.width - 24;
  const y = box.y + box.height - 8;
  return `<rect x="${box.x + 12}" y="${y}" width="${full}" height="3" rx="1.5" fill="${ink}" opacity=".15"/><rect x="${box.x + 12}" y="${y}" width="${Math.max(2, full * share).toFixed(1)}" height="3" rx="1.5" fill="${ink}"/>`;
}

function drawOutput(
  part: Part,
  block: Block,
  box: Point & { width: number; height: number },
): string {
  const isCut = block.name === part.cut;
  const ink = isCut ? cutColour : part.exits.has(block.name ?? '') ? exitColour : '#475569';
  return `<rect x="${box.x}" y="${box.y}" width="${box.width}" height="${box.height}" rx="${box.height / 2}" fill="#ffffff" stroke="${ink}" stroke-width="1.5"/>
<text x="${box.x + box.width / 2}" y="${box.y + box.height / 2 + 4}" text-anchor="middle" font-weight="600" fill="${ink}">${escaped(outputText(part, block))}</text>`;
}

function drawEdge(
  { to, points }: Lane['edges'][number],
  at: Point,
  { part, placed }: Lane,
): string {
  const target = placed.find(({ block }) => block.id === to);
  const isCut = target?.block.kind === 'output' && target.block.name === part.cut;
  const moved = points.map(({ x, y }) => ({ x: at.x + x, y: at.y + y }));
  const style = isCut
    ? `stroke="${cutColour}" stroke-width="2"`
    : 'stroke="#94a3b8" stroke-width="1.4"';
  return `<path d="${smooth(moved)}" fill="none" ${style} marker-end="url(#${isCut ? 'cut' : 'arrow'})"/>`;
}

function drawCrossing(from: Point, to: Point): string {
  const bend = (to.y - from.y) / 2;
  const path = `M${from.x} ${from.y} C${from.x} ${from.y + bend} ${to.x} ${to.y - bend} ${to.x} ${to.y}`;
  return `<path d="${path}" fill="none" stroke="${cutColour}" stroke-width="2" stroke-dasharray="6 4" marker-end="url(#cut)"/>`;
}

/** A curve through the points that leaves and arrives straight down. */
function smooth(points: readonly Point[]): string {
  const [first, ...rest] = points;
  if (first === undefined) return '';
  let from = first;
  const curves = rest.map((to) => {
    const bend = (to.y - from.y) / 2;
    const curve = `C${n(from.x)} ${n(from.y + bend)} ${n(to.x)} ${n(to.y - bend)} ${n(to.x)} ${n(to.y)}`;
    from = to;
    return curve;
  });
  return [`M${n(first.x)} ${n(first.y)}`, ...curves].join(' ');
}

const n = (value: number): string => value.toFixed(1);

const marker = (id: string, colour: string): string =>
  `<marker id="${id}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto-start-reverse"><path d="M0 0.5 L7.5 4 L0 7.5 z" fill="${colour}"/></marker>`;

const escaped = (text: string): string =>
  text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');

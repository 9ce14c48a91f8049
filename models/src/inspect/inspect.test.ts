import { readFileSync } from 'node:fs';
import { createRandom, defined } from '@skerry/shared';
import { afterAll, describe, expect, it } from 'vitest';
import { createGraphBuilder } from '../onnx/graph-builder.ts';
import { decodeModel, type ModelProto } from '../onnx/model-proto.ts';
import { noiseFeeds } from '../onnx/noise-feeds.ts';
import { profileGraph } from '../onnx/profile-graph.ts';
import { createOnnxDirectRuntime } from '../runtime/onnx-direct.ts';
import { type Block, blocksOf } from './blocks.ts';
import { drawSvg } from './draw-svg.ts';
import { drawText } from './draw-text.ts';
import { type Outline, totalMacs } from './outline.ts';

const runtime = createOnnxDirectRuntime();
afterAll(() => runtime.close());

const zoo = new URL('../../zoo/digits/', import.meta.url);
const { card } = JSON.parse(readFileSync(new URL('manifest.json', zoo), 'utf8'));

function stage(name: string): ModelProto {
  const model = decodeModel(readFileSync(new URL(name, zoo)));
  if (!model.ok) throw new Error(model.error.message);
  return model.value;
}

async function blocks(model: ModelProto, shape: number[]): Promise<Block[]> {
  const name = defined(model.graph.input[0], 'an input').name;
  const type = model.graph.input[0]?.type?.tensorType?.elemType === 2 ? 'UINT8' : 'FP32';
  const feeds = noiseFeeds([{ name, datatype: type, shape }], createRandom(1));
  if (!feeds.ok) throw new Error(feeds.error.message);
  const profile = await profileGraph(model, [feeds.value], runtime);
  if (!profile.ok) throw new Error(profile.error.message);
  return blocksOf(profile.value);
}

async function digits(suffix: string): Promise<Outline> {
  const edge = await blocks(stage(`edge${suffix}`), [1, 1, 28, 28]);
  const cloud = await blocks(stage(`cloud${suffix}`), [1, 8, 7, 7]);
  return {
    title: 'digits <1>',
    subtitle: '',
    parts: [
      {
        name: 'edge',
        side: 'device',
        bytes: 1,
        blocks: edge,
        exits: new Map([['logits', 'exit 1']]),
        cut: 'cut',
      },
      {
        name: 'cloud',
        side: 'cloud',
        bytes: 1,
        blocks: cloud,
        exits: new Map([['logits', 'exit 2']]),
      },
    ],
  };
}

describe('inspect', () => {
  /** What its first convolution multiplies by the zeros beside its kernel (quantize/widen-first-conv.ts). */
  const widerBy = 14 * 7 * 16 * (5 * 12) - 14 * 14 * 8 * (5 * 5);

  it.each([
    ['.onnx', 0],
    ['.int8.onnx', widerBy],
  ])('counts the products of digits (%s) as its training did', async (suffix, more) => {
    const { parts } = await digits(suffix);
    expect(totalMacs(parts)).toBe(card.metrics.macsWhole + more);
    expect(totalMacs(parts.slice(0, 1))).toBe(card.metrics.macsAtEdge + more);
  });

  it('makes one block of a product and what only passes its result on', async () => {
    const { parts } = await digits('.onnx');
    const [edge] = parts.map((part) =>
      part.blocks.map(({ title, also }) => [title, ...also].join(' ')),
    );
    expect(edge).toEqual([
      ...['image', 'Conv 5×5 /2 Relu', 'Conv 3×3 Relu MaxPool', 'Conv 3×3 /2 Relu Flatten', 'Gemm'],
      ...['Conv 1×1 Relu', 'logits', 'cut'],
    ]);
    const quantized = (await digits('.int8.onnx')).parts.flatMap((part) => part.blocks);
    const products = quantized.filter(({ macs }) => macs > 0);
    expect(products.map(({ bytes }) => bytes)).toEqual(products.map(() => 'int8'));
  });

  it('joins what comes together in a block of its own, and says what it reads', async () => {
    const graph = createGraphBuilder('join');
    const x = graph.add('Relu', [graph.input('x', 'FP32', [-1, 2])], {}, 'a');
    graph.output(graph.add('Add', [x, graph.add('Neg', [x])], {}, 'y'), 'FP32', [-1, 2]);
    const drawn = await blocks(graph.build(), [1, 2]);
    expect(drawn.map(({ title, kind, reads }) => [title, kind, reads])).toEqual([
      ['x', 'input', []],
      ['Neg', 'other', [0]],
      ['Add', 'join', [0, 1]],
      ['y', 'output', [2]],
    ]);
  });

  it('says exits and the cut, in words and in a picture that is XML', async () => {
    const outline = await digits('.onnx');
    const text = drawText(outline);
    const svg = drawSvg(outline);
    for (const said of ['exit 1', 'exit 2', 'cut · 8×7×7 UINT8 · 392 B']) {
      expect(text).toContain(said);
      expect(svg).toContain(said);
    }
    expect(svg).toContain('digits &lt;1&gt;');
    // Every tag that opens closes.
    const open: string[] = [];
    for (const [, end, name = '', empty] of svg.matchAll(/<(\/?)([a-z]+)[^>]*?(\/?)>/g)) {
      if (end) expect(open.pop()).toBe(name);
      else if (!empty) open.push(name);
    }
    expect(open).toEqual([]);
  });
});

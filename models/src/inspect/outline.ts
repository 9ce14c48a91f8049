// What `models inspect` shows: a model as parts in a row, each on the device or in the cloud, with its exits and its cut.
// A bare graph is one part.

import type { Block } from './blocks.ts';

export interface Outline {
  readonly title: string;
  readonly subtitle: string;
  readonly parts: readonly Part[];
}

export interface Part {
  readonly name: string;
  readonly side: 'device' | 'cloud' | undefined;
  readonly bytes: number;
  readonly blocks: readonly Block[];
  /** What leaves the part as an answer, by the name of its output. */
  readonly exits: ReadonlyMap<string, string>;
  /** The output that travels on to the next part. */
  readonly cut?: string;
}

export const shapeText = ({ shape }: Pick<Block, 'shape'>): string =>
  shape.length <= 1 ? '1' : shape.slice(1).join('×');

export function macsText(macs: number): string {
  if (macs >= 1e9) return `${(macs / 1e9).toFixed(2)} G MACs`;
  if (macs >= 1e6) return `${(macs / 1e6).toFixed(2)} M MACs`;
  return macs >= 1e3 ? `${(macs / 1e3).toFixed(0)} k MACs` : `${macs} MACs`;
}

export function bytesText(bytes: number): string {
  if (bytes >= 1e6) return `${(bytes / 1e6).toFixed(2)} MB`;
  return bytes >= 1e4 ? `${(bytes / 1e3).toFixed(1)} kB` : `${bytes} B`;
}

/** Of one example, as a tensor travels. */
export const tensorBytesOf = ({ shape, datatype }: Block): number =>
  shape.slice(1).reduce((size, dim) => size * dim, 1) * (datatype === 'FP32' ? 4 : 1);

export const totalMacs = (parts: readonly Part[]): number =>
  parts.flatMap(({ blocks }) => blocks).reduce((sum, { macs }) => sum + macs, 0);

/** What a block that is an output says. */
export function outputText(part: Part, block: Block): string {
  const name = block.name ?? '';
  if (name === part.cut)
    return `cut · ${shapeText(block)} ${block.datatype} · ${bytesText(tensorBytesOf(block))}`;
  return part.exits.get(name) ?? name;
}

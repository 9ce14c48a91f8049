// The loops of coder-wat.ts, opened: functions over a memory of their own.

import { memoryMap } from './coder-memory.ts';
import { coderBytes } from './coder-wasm.ts';

/** What is used of it: the types of Node do not have it, and those of a browser have all the rest too. */
declare namespace WebAssembly {
  class Module {
    constructor(bytes: Uint8Array);
  }
  class Instance {
    constructor(module: Module);
    readonly exports: unknown;
  }
  interface Memory {
    readonly buffer: ArrayBuffer;
    grow(pages: number): number;
  }
}

/** What coder-wat.ts exports. Arguments are places in its memory, but for strides, masks, shifts and rows. */
export interface Coder {
  readonly memory: WebAssembly.Memory;
  readonly difference8: Difference;
  readonly difference16: Difference;
  readonly difference32: Difference;
  xor(target: number, base: number, end: number): void;
  readonly lengths8: Lengths;
  readonly lengths16: Lengths;
  readonly lengths32: Lengths;
  expect(lengths: number, expected: number, end: number, row: number): void;
  contexts(lengths: number, expected: number, out: number, end: number, shift: number): void;
  count(contexts: number, symbols: number, stride: number, end: number): void;
  clear(): void;
  sum(): void;
  gather(symbols: number, stride: number, out: number, end: number): void;
  tables(): void;
  decode(
    numbers: number,
    lengths: number,
    width: number,
    row: number,
    turns: number,
    from: number,
    to: number,
  ): void;
  encode(contexts: number, symbols: number, stride: number, begin: number, out: number): number;
}
type Difference = (target: number, base: number, end: number, float: number, sign: number) => void;
type Lengths = (numbers: number, lengths: number, end: number) => void;

/** More than a loop reads or writes beyond its end. */
const marginBytes = 64;
const pageBytes = 65_536;
/** What is called again runs as it was compiled meanwhile; a loop that does not end runs as it began. */
export const chunkElements = 8_192;
const coderModule = new WebAssembly.Module(coderBytes);

/** Its memory grows to what the largest tensor wants, and goes with it. */
export const openCoder = (): Coder => new WebAssembly.Instance(coderModule).exports as Coder;

/** Pages that have been written to before cost nothing again: of a megabyte's delta they were a quarter of the time. */
const keptBytesMax = 67_108_864;
let kept: Coder | undefined;

/** The one that was given back last, where there is one. */
export function takeCoder(): Coder {
  const coder = kept ?? openCoder();
  kept = undefined;
  return coder;
}

export function giveBackCoder(coder: Coder): void {
  if (coder.memory.buffer.byteLength <= keptBytesMax) kept = coder;
}

/** Places for what `lay` takes, one behind the other. What lay there before is gone. */
export function reserve<Places>(
  { memory }: Coder,
  lay: (take: (bytes: number) => number) => Places,
): Places {
  let at = memoryMap.data;
  const places = lay((bytes) => {
    const place = at;
    at += Math.ceil(bytes / marginBytes) * marginBytes + marginBytes;
    return place;
  });
  const pages = Math.ceil(at / pageBytes) - memory.buffer.byteLength / pageBytes;
  if (pages > 0) memory.grow(pages);
  return places;
}

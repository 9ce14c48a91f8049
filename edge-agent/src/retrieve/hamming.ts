// Distances of bit vectors from one of them, in WebAssembly's SIMD (WebAssembly 2.0 §5.4): a row of 384 dimensions is three
// loads and three population counts. The function is written here, instruction by instruction, for rows of one length.

import { assert } from '@skerry/shared';

/** Bytes of one vector register: rows are as many of them. */
export const blockBytes = 16;
/** A lane of eight bits counts so many blocks before it is full. */
const blocksPerLane = 31;
/** Of WebAssembly's memory. */
const pageBytes = 65_536;

/** What @types/node does not declare. */
declare const WebAssembly: {
  Memory: new (limits: { readonly initial: number }) => HammingMemory;
  Module: new (bytes: Uint8Array<ArrayBuffer>) => object;
  Instance: new (
    module: object,
    imports: object,
  ) => { readonly exports: Readonly<Record<string, unknown>> };
};

interface HammingMemory {
  readonly buffer: ArrayBuffer;
  grow(pages: number): number;
}

export interface Hamming {
  /** Grows only; a view of it is to be taken anew after `reserve`. */
  readonly memory: { readonly buffer: ArrayBuffer };
  reserve(bytes: number): void;
  /** Places in memory, in bytes: writes a number of 16 bits for each row from `rows` to `rowsEnd`. One row at least. */
  distances(query: number, rows: number, rowsEnd: number, out: number): void;
}

/** @param rowBytes a multiple of a block's */
export function createHamming(rowBytes: number): Hamming {
  assert(rowBytes > 0 && rowBytes % blockBytes === 0, 'rows are whole blocks');
  const memory = new WebAssembly.Memory({ initial: 1 });
  const module = new WebAssembly.Module(moduleFor(rowBytes / blockBytes));
  const { exports } = new WebAssembly.Instance(module, { m: { m: memory } });
  return {
    memory,
    reserve(bytes) {
      const missing = Math.ceil((bytes - memory.buffer.byteLength) / pageBytes);
      if (missing > 0) memory.grow(missing);
    },
    distances: exports['f'] as Hamming['distances'],
  };
}

const i32 = 0x7f;
const v128 = 0x7b;
const [query, row, rowEnd, out, firstBlock] = [0, 1, 2, 3, 4];
const localGet = (local: number) => [0x20, ...leb(local)];
const localSet = (local: number) => [0x21, ...leb(local)];
const addTo = (local: number, value: number) => [
  ...localGet(local),
  ...[0x41, ...signedLeb(value)], // i32.const
  0x6a, // i32.add
  ...localSet(local),
];
const load = (block: number) => [0xfd, 0x00, 0, ...leb(block * blockBytes)]; // v128.load
const xor = [0xfd, 0x51]; // v128.xor
const popcount = [0xfd, 0x62]; // i8x16.popcnt
const addBytes = [0xfd, 0x6e]; // i8x16.add
const widenBytes = [0xfd, 0x7d]; // i16x8.extadd_pairwise_i8x16_u
const widenShorts = [0xfd, 0x7f]; // i32x4.extadd_pairwise_i16x8_u
const addWords = [0xfd, 0xae, 0x01]; // i32x4.add
const lane = (which: number) => [0xfd, 0x1b, which]; // i32x4.extract_lane

/** The query stays in registers; each row's bits that differ are counted in lanes, and the lanes summed. */
function moduleFor(blocks: number): Uint8Array<ArrayBuffer> {
  const every = Array.from({ length: blocks }, (_, block) => block);
  const sum = firstBlock + blocks;
  const body = [
    ...[...leb(1), ...leb(blocks + 1), v128], // locals: the query's blocks, and a sum
    ...every.flatMap((block) => [
      ...localGet(query),
      ...load(block),
      ...localSet(firstBlock + block),
    ]),
    ...[0x03, 0x40], // loop
    ...every.flatMap((block) => [
      ...[...localGet(row), ...load(block), ...localGet(firstBlock + block), ...xor, ...popcount],
      ...(block % blocksPerLane === 0 ? [] : addBytes),
      ...((block + 1) % blocksPerLane === 0 || block + 1 === blocks
        ? [...widenBytes, ...widenShorts, ...(block < blocksPerLane ? [] : addWords)]
        : []),
    ]),
    ...localSet(sum),
    ...localGet(out),
    ...[0, 1, 2, 3].flatMap((which) => [
      ...localGet(sum),
      ...lane(which),
      ...(which === 0 ? [] : [0x6a]), // i32.add
    ]),
    ...[0x3b, 1, 0], // i32.store16
    ...addTo(out, 2),
    ...addTo(row, blocks * blockBytes),
    ...[...localGet(row), ...localGet(rowEnd), 0x49], // i32.lt_u
    ...[0x0d, 0], // br_if: the next row
    0x0b, // end of the loop
    0x0b, // end of the function
  ];
  const name = (text: string) => sized([...new TextEncoder().encode(text)]);
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0], // \0asm, version 1
    ...section(1, [1, 0x60, ...sized([i32, i32, i32, i32]), 0]), // a type: four numbers, no result
    ...section(2, [1, ...name('m'), ...name('m'), 0x02, 0, 1]), // imports a memory
    ...section(3, [1, 0]), // a function of that type
    ...section(7, [1, ...name('f'), 0x00, 0]), // exports it
    ...section(10, [1, ...sized(body)]), // its code
  ]);
}

const section = (id: number, content: readonly number[]) => [id, ...sized(content)];
const sized = (content: readonly number[]) => [...leb(content.length), ...content];

/** LEB128, as WebAssembly writes numbers. */
function leb(value: number): number[] {
  const low = value & 0x7f;
  return value < 0x80 ? [low] : [low | 0x80, ...leb(value >>> 7)];
}

const signedLeb = (value: number): number[] =>
  value < 0x40 ? [value] : [(value & 0x7f) | 0x80, ...signedLeb(value >>> 7)];

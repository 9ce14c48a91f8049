// The form of a delta, which encode-delta.ts writes and apply-delta.ts reads:
//
//   'SKD2' · sha256 of the base, or zeros · sha256 of the target · u32 n · u32 m
//          · n bytes of plan (brotli) · m bytes of structure (brotli) · the planes
//
// What an older coordinator has made begins with 'SKD1': there one state codes a plane and not four in turn.
//
// The plan tells the target's segments in order, so it is read as they are made. Structure is what is no tensor's.

import { createHash } from 'node:crypto';
import type { Transform } from './difference.ts';
import { encodedStates } from './rans.ts';
import { type Element, elementBytes } from './tensor-ranges.ts';

/** Of a file that a delta is made for, and that one may make: both are held in memory. */
export const deltaTargetBytesMax = 268_435_456;

export const magic = new TextEncoder().encode('SKD2');
/** By what a delta begins with, how many states code a plane. */
export const statesByMagic: ReadonlyMap<string, number> = new Map([
  ['SKD1', 1],
  ['SKD2', encodedStates],
]);
/** The forms that are read here, by number: 'SKD1' is 1. */
export const deltaForms: readonly number[] = [...statesByMagic.keys()].map((_, i) => i + 1);
/** `undefined` for what is no delta. */
export function deltaFormOf(delta: Uint8Array): number | undefined {
  const head = Buffer.from(delta.subarray(0, magic.length)).toString('latin1');
  const at = [...statesByMagic.keys()].indexOf(head);
  return at === -1 ? undefined : at + 1;
}
export const digestBytes = 32;
const lengthBytes = 4;
export const headBytes = magic.length + 2 * digestBytes + 2 * lengthBytes;
/** Of a tensor: below it a table of frequencies costs more than it saves. */
export const tensorBytesMin = 2_048;
/** In place of a base's digest: the delta needs none. */
export const noDigest = new Uint8Array(digestBytes);

/** Their places in these lists are what a plan holds. */
export const elements = Object.keys(elementBytes) as Element[];
export const planeKinds = ['zero', 'raw', 'coded'] as const;
export const segmentKinds = ['same', 'structure', 'changed-structure', 'tensor'] as const;
export const transforms: readonly Transform[] = ['plain', 'subtract', 'xor'];

export const rawDigest = (bytes: Uint8Array): Uint8Array =>
  createHash('sha256').update(bytes).digest();

export function xor(a: Uint8Array, b: Uint8Array): Uint8Array {
  return a.map((byte, i) => byte ^ (b[i] as number));
}

// A strategy's state in bytes: what a run's journal keeps and replays from. One state has one form, so equal digests are equal
// states. Numbers are little-endian; slots are in the order of their names.
//
//   magic (4) · format (1) · round (4) · parameters: count (4), float32 each
//   slots: count (2), each: name (2 and UTF-8), count (4), float64 each

import { type Digest, err, failure, ok, type Result } from '@skerry/shared';
import { sha256 } from '@skerry/shared/node';
import { clientHistoriesMax } from './central-rules.ts';
import type { StrategyState } from './strategy.ts';

const magic = 0x54534b53; // 'SKST'
const format = 1;
const headBytes = 4 + 1 + 4 + 4;
/** A momentum of each client, and the strategy's own few. */
const slotsMax = clientHistoriesMax + 8;

export interface EncodedState {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly digest: Digest;
}

export function encodeState({ parameters, round, slots }: StrategyState): EncodedState {
  const named = Object.entries(slots)
    .map(([name, values]) => ({ name, utf8: new TextEncoder().encode(name), values }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  const bytes = new Uint8Array(
    named.reduce(
      (sum, { utf8, values }) => sum + 2 + utf8.length + 4 + 8 * values.length,
      headBytes + 4 * parameters.length + 2,
    ),
  );
  const view = new DataView(bytes.buffer);
  view.setUint32(0, magic, true);
  view.setUint8(4, format);
  view.setUint32(5, round, true);
  view.setUint32(9, parameters.length, true);
  let at = headBytes;
  for (let i = 0; i < parameters.length; i++, at += 4)
    view.setFloat32(at, parameters[i] as number, true);
  view.setUint16(at, named.length, true);
  at += 2;
  for (const { utf8, values } of named) {
    view.setUint16(at, utf8.length, true);
    bytes.set(utf8, at + 2);
    at += 2 + utf8.length;
    view.setUint32(at, values.length, true);
    at += 4;
    for (let i = 0; i < values.length; i++, at += 8) view.setFloat64(at, values[i] as number, true);
  }
  return { bytes, digest: sha256(bytes) };
}

/** Fails with `digest_mismatch`, or with `malformed_message` where the bytes are none that `encodeState` makes. */
export function decodeState(bytes: Uint8Array, digest: Digest): Result<StrategyState> {
  if (sha256(bytes) !== digest)
    return err(failure('digest_mismatch', 'a strategy’s state is not the one that was kept'));
  const broken = (what: string) => err(failure('malformed_message', `a strategy’s state: ${what}`));
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes.length < headBytes || view.getUint32(0, true) !== magic) return broken('none');
  if (view.getUint8(4) !== format) return broken(`format ${view.getUint8(4)}`);
  const round = view.getUint32(5, true);
  const count = view.getUint32(9, true);
  let at = headBytes;
  if (bytes.length < at + 4 * count + 2) return broken('cut');
  const parameters = new Float32Array(count);
  for (let i = 0; i < count; i++, at += 4) parameters[i] = view.getFloat32(at, true);
  const slotCount = view.getUint16(at, true);
  at += 2;
  if (slotCount > slotsMax) return broken(`${slotCount} slots`);
  const slots: [string, Float64Array<ArrayBuffer>][] = [];
  for (let slot = 0; slot < slotCount; slot++) {
    if (bytes.length < at + 2) return broken('cut');
    const nameBytes = view.getUint16(at, true);
    const nameAt = at + 2;
    at = nameAt + nameBytes;
    if (bytes.length < at + 4) return broken('cut');
    const name = new TextDecoder().decode(bytes.subarray(nameAt, at));
    const length = view.getUint32(at, true);
    at += 4;
    if (bytes.length < at + 8 * length) return broken('cut');
    const values = new Float64Array(length);
    for (let i = 0; i < length; i++, at += 8) values[i] = view.getFloat64(at, true);
    const last = slots.at(-1)?.[0];
    if (last !== undefined && last >= name) return broken('slots out of order');
    slots.push([name, values]);
  }
  if (at !== bytes.length) return broken('bytes behind it');
  return ok({ parameters, round, slots: Object.fromEntries(slots) });
}

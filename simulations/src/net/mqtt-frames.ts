// The control packets in a stream of MQTT, whole and as they were sent. MQTT 3.1.1 §2.2, MQTT 5 §2.1.

import { assert } from '@skerry/shared';

const publishType = 3;
/** A length takes four bytes at most. */
const lengthBytesMax = 4;

/** Hands out each packet once its last byte has come. Throws at what is no MQTT. */
export function createFrameCutter(): (chunk: Uint8Array) => readonly Uint8Array[] {
  let rest: Uint8Array = new Uint8Array();
  return (chunk) => {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    const frames: Uint8Array[] = [];
    let at = 0;
    for (;;) {
      const length = frameLength(bytes, at);
      if (length === undefined || at + length > bytes.length) break;
      frames.push(bytes.subarray(at, at + length));
      at += length;
    }
    rest = bytes.subarray(at);
    return frames;
  };
}

export const isPublish = (frame: Uint8Array): boolean => (frame[0] ?? 0) >> 4 === publishType;

/** Of the packet that begins at `at`, its header included; undefined while that cannot be told. */
function frameLength(bytes: Uint8Array, at: number): number | undefined {
  let length = 0;
  for (let i = 0; i < lengthBytesMax; i++) {
    const byte = bytes[at + 1 + i];
    if (byte === undefined) return undefined;
    length += (byte & 0x7f) * 128 ** i;
    if (byte < 0x80) return 2 + i + length;
  }
  assert(false, 'a packet’s length takes four bytes at most');
}

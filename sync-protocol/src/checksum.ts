// CRC-32 (IEEE 802.3, as in zlib) behind each message: a pipe may hand over bytes that are not those that were sent, and
// a flipped bit in an ack would lose ops. Finds every change of one bit, and every burst of up to 32. Not against malice:
// that is TLS's part.

import { err, failure, ok, type Result } from '@skerry/shared';

export const checksumBytes = 4;

const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  return crc >>> 0;
});

function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (table[(crc ^ byte) & 0xff] as number) ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

/** The bytes with their checksum behind them, little-endian. */
export function seal(bytes: Uint8Array): Uint8Array {
  const sealed = new Uint8Array(bytes.length + checksumBytes);
  sealed.set(bytes);
  new DataView(sealed.buffer).setUint32(bytes.length, crc32(bytes), true);
  return sealed;
}

/** Fails with `malformed_message` where the bytes are not those that were sealed. */
export function unseal(sealed: Uint8Array): Result<Uint8Array> {
  const end = sealed.length - checksumBytes;
  if (end < 0) return err(failure('malformed_message', 'shorter than a checksum'));
  const bytes = sealed.subarray(0, end);
  const said = new DataView(sealed.buffer, sealed.byteOffset + end, checksumBytes).getUint32(
    0,
    true,
  );
  return crc32(bytes) === said
    ? ok(bytes)
    : err(failure('malformed_message', 'damaged on its way'));
}

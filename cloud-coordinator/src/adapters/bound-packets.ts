// A bound that neither aedes nor its parser has: MQTT lets one packet announce 256 MiB, which the parser would gather
// before anybody could refuse it. This reads the lengths as they pass and cuts the connection at the first too long.

import type { Duplex } from 'node:stream';

/** Says of each chunk whether all packets that begin in it are within the bound. MQTT 3.1.1 §2.2. */
export function createPacketGauge(bytesMax: number): (chunk: Uint8Array) => boolean {
  /** Bytes of the current packet still to come, or undefined while its length is being read. */
  let bodyLeft = 0;
  let length: { value: number; shift: number } | undefined;

  return (chunk) => {
    for (let at = 0; at < chunk.length; ) {
      if (bodyLeft > 0) {
        const skipped = Math.min(bodyLeft, chunk.length - at);
        bodyLeft -= skipped;
        at += skipped;
      } else if (length === undefined) {
        length = { value: 0, shift: 0 };
        at += 1; // The packet's type and flags.
      } else {
        const byte = chunk[at++] as number;
        length.value += (byte & 0x7f) * 2 ** length.shift;
        length.shift += 7;
        if (length.value > bytesMax || length.shift > 28) return false;
        if (byte < 0x80) {
          bodyLeft = length.value;
          length = undefined;
        }
      }
    }
    return true;
  };
}

/**
 * Ends the connection with `refuse`'s error when a packet is too long. aedes reads a connection by calling `read` and in
 * no other way, so this sees each byte before the parser does; a stream in between would cost every device 12 KiB.
 */
export function boundPackets(
  connection: Duplex,
  bytesMax: number,
  refuse: (reason: string) => Error,
): void {
  const fits = createPacketGauge(bytesMax);
  const read = connection.read.bind(connection);
  connection.read = (size) => {
    const chunk: Buffer | null = read(size);
    if (chunk === null || fits(chunk)) return chunk;
    connection.destroy(refuse(`a packet of more than ${bytesMax} bytes`));
    return null;
  };
}

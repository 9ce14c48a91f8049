// A bound that neither aedes nor its parser has: MQTT lets one packet announce 256 MiB, which the parser would gather
// before anybody could refuse it. This reads the lengths as they pass and cuts the connection at the first too long.

import { Duplex, pipeline, Transform } from 'node:stream';

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

/** The connection, which ends with `refuse`'s error when a packet is too long. */
export function boundPackets(
  connection: Duplex,
  bytesMax: number,
  refuse: (reason: string) => Error,
): Duplex {
  const fits = createPacketGauge(bytesMax);
  const guard = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      if (fits(chunk)) done(null, chunk);
      else done(refuse(`a packet of more than ${bytesMax} bytes`));
    },
  });
  pipeline(connection, guard, () => {});
  return Duplex.from({ readable: guard, writable: connection });
}

// A delta's plan as it is written: numbers as protobuf has them, seven bits a byte. Tables are thousands of them, and a
// library's writer, which makes an object of each, would take longer than all the rest.

export interface PlanWriter {
  uint32(value: number): PlanWriter;
  sint32(value: number): PlanWriter;
  bool(value: boolean): PlanWriter;
  finish(): Uint8Array;
}

const firstBytes = 16_384;
const numberBytesMax = 5;

export function createPlanWriter(): PlanWriter {
  let bytes = new Uint8Array(firstBytes);
  let at = 0;
  const writer: PlanWriter = {
    uint32(value) {
      if (at + numberBytesMax > bytes.length) {
        const larger = new Uint8Array(2 * bytes.length);
        larger.set(bytes);
        bytes = larger;
      }
      let rest = value >>> 0;
      for (; rest > 127; rest >>>= 7) bytes[at++] = (rest & 127) | 128;
      bytes[at++] = rest;
      return writer;
    },
    sint32: (value) => writer.uint32((value << 1) ^ (value >> 31)),
    bool: (value) => writer.uint32(value ? 1 : 0),
    finish: () => bytes.subarray(0, at),
  };
  return writer;
}

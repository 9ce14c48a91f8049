// The Open Inference Protocol's BYTES: strings, which no runtime here computes with but answers carry.

export interface BytesTensor {
  readonly datatype: 'BYTES';
  readonly shape: readonly number[];
  readonly data: readonly string[];
}

/** Each element as its length (uint32, little-endian) and its UTF-8 bytes (Triton, binary data extension). */
export function encodeBytesTensor({ data }: BytesTensor): Uint8Array {
  const elements = data.map((text) => new TextEncoder().encode(text));
  const bytes = new Uint8Array(elements.reduce((sum, e) => sum + 4 + e.byteLength, 0));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const element of elements) {
    view.setUint32(at, element.byteLength, true);
    bytes.set(element, at + 4);
    at += 4 + element.byteLength;
  }
  return bytes;
}
